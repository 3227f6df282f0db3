//! Live: states that sockets are sent when they have changed, and who follows them without a socket.

mod follow;
mod named;
mod nodes;
mod order;
mod push;
mod stage;
mod unknown;
