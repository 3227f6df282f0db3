use socketioxide_session::{session_state, socket_handler};

#[session_state]
struct User {
    name: Option<String>,
}

type Account = User;

#[socket_handler(user, account)]
async fn rename(user: &User, account: &mut Account) {
    account.name.clone_from(&user.name);
}

fn main() {}
