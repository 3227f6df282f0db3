use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: String,
}

type Name<'a> = Result<&'a str, ()>;

#[socket_handler(session)]
async fn whoami(session: &User) -> Name<'_> {
    Ok(&session.name)
}

fn main() {}
