use account::User;
use socketioxide_session::http_handler;

mod account {
    use socketioxide_session::session_state;

    #[session_state]
    pub struct User {
        name: Option<String>,
    }
}

#[http_handler(session)]
async fn login(session: &mut User) {
    session.name = None;
}

fn main() {}
