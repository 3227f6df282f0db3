//! Sockets live and die with their session, and strangers stay out: contract 10 to 13, with real clients, and with a
//! paused clock where time must pass.

#[path = "../applications/program.rs"]
mod program;

mod activity;
mod auth;
mod bindings;
mod cookies;
mod end;
mod expiry;
mod fixation;
mod handshake;
mod inside;
mod middleware;
mod new_id;
mod origin;
mod races;
mod secrets;
mod site;
