//! Ids: a login gives the session a new one, and nobody rides along under the old one. What `SessionControl` does.

mod control;
mod fixation;
mod new_id;
mod overtaken;
mod races;
