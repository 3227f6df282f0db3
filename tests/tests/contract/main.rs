//! The contract, clause by clause: what is promised to users, tried from outside.

mod access;
mod acknowledgements;
mod activity;
mod bad_input;
mod changes;
mod connect;
mod control;
mod cookies;
mod ending;
mod handshake;
mod hygiene;
mod one_session;
mod outcomes_http;
mod outcomes_socket;
mod strangers;
mod told;
mod turns;
mod undecodable;
mod wiring;

mod third_party {
    mod login;
    mod messages;
}
