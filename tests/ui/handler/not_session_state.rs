use socketioxide_session::{connect_handler, connect_middleware, http_handler, socket_handler};

struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn login(session: &mut User) {
    session.name = None;
}

#[socket_handler(session)]
async fn logout(session: &User) {
    drop(&session.name);
}

#[connect_handler(session)]
async fn connected(session: Option<&User>) {
    drop(session.map(|session| &session.name));
}

#[connect_middleware(session)]
async fn only_users(session: &User) -> Result<(), &'static str> {
    session.name.as_ref().map(|_| ()).ok_or("log in first")
}

fn main() {}
