//! The edge: cookies, handshakes, strangers' pages and bad input, as they come in from the network.

mod bad_input;
mod breaker;
mod cookies;
mod handshake;
mod layers;
mod mint;
mod origin;
mod secrets;
mod strangers;
