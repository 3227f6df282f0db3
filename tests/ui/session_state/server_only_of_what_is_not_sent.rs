use socketioxide_session::session_state;

#[session_state]
struct User {
    name: Option<String>,
    #[session(server_only)]
    failures: u32,
}

fn main() {
    let _ = User::default().name;
}
