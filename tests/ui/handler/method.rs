use socketioxide_session::{http_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

struct App;

impl App {
    #[http_handler(session)]
    async fn login(&self, session: &mut User) {
        session.name = None;
    }
}

fn main() {}
