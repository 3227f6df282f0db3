//! The example applications, built as a user builds them and used as a visitor uses them.

mod auth;
mod chat;
mod cluster;
mod counter;
mod program;
