use std::{collections::HashMap, sync::Arc};

use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

#[socket_handler(user)]
async fn say(user: &User, text: String) {}

#[socket_handler(user)]
async fn app(user: &User, app: Arc<()>) {}

#[connect_handler(user)]
async fn connected(user: &User, token: String) {}

#[http_handler(user)]
async fn show(user: &User, id: u64) {}

#[http_handler(user)]
async fn search(user: &User, query: HashMap<String, String>) {}

fn main() {}
