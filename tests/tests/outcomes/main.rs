//! Outcomes: all or nothing however a call ends, over HTTP and on sockets, and a client is told only what is saved.

mod acknowledgements;
mod after_commit;
mod answer_order;
mod calls_inside;
mod cancellation;
mod http;
mod intents;
mod intents_table;
mod late_stores;
mod lost_answers;
mod lost_updates;
mod not_encoded;
mod observed;
mod panics;
mod small_buffers;
mod socket;
mod table;
mod together;
mod told;
