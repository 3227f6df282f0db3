use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn hello(session: &User) {
    std::thread::spawn(move || println!("{:?}", session.name));
}

fn main() {}
