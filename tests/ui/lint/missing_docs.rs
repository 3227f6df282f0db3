#![deny(missing_docs)]

//! A library.

use socketioxide_session::{connect_handler, http_handler, session_state};

#[session_state]
pub struct User {
    name: Option<String>,
}

#[http_handler(session)]
pub async fn login(session: &mut User) {
    session.name = None;
}

#[connect_handler(session)]
pub async fn connected(session: &mut User) {
    session.name = None;
}

fn main() {}
