//! The edge: cookies, handshakes, strangers' pages and bad input, as they come in from the network.

mod any_input;
mod bad_input;
mod cookies;
mod handshake;
mod layers;
mod mint;
mod neighbours;
mod origin;
mod proxies;
mod secrets;
mod strangers;
mod tokens;
mod two_cookies;
