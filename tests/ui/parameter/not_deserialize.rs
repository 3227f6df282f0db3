use axum::Json;
use socketioxide::extract::Data;
use socketioxide_session::{http_handler, session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

struct Login {
    name: String,
}

#[http_handler(user)]
async fn login(user: &mut User, Json(login): Json<Login>) {
    user.name = Some(login.name);
}

#[socket_handler(user)]
async fn rename(user: &mut User, Data(login): Data<Login>) {
    user.name = Some(login.name);
}

fn main() {}
