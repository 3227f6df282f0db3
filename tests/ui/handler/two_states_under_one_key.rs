use socketioxide_session::{connect_handler, session_state};

#[session_state]
struct User {
    name: Option<String>,
}

#[session_state(key = "user")]
struct Account {
    name: Option<String>,
}

#[connect_handler(user, account)]
async fn connected(user: &User, account: &mut Account) {
    account.name.clone_from(&user.name);
}

fn main() {}
