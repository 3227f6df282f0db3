use axum::extract::Query;
use serde::Deserialize;
use socketioxide::extract::Data;
use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    visits: u32,
}

#[derive(Deserialize)]
struct Search<'a> {
    text: &'a str,
}

#[socket_handler(user)]
async fn say(user: &User, Data(text): Data<&str>) {}

#[http_handler(user)]
async fn search(user: &User, Query(search): Query<Search<'_>>) {}

fn main() {}
