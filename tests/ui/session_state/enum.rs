use socketioxide_session::{http_handler, session_state};

#[session_state]
enum User {
    Guest,
    Known { name: String },
}

#[http_handler(session)]
async fn logout(session: &mut User) {
    *session = User::Guest;
}

fn main() {}
