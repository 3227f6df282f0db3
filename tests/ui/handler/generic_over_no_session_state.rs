use socketioxide_session::{http_handler, session_state};

struct Cart {
    items: Vec<u32>,
}

#[session_state]
struct User {
    name: Option<String>,
}

#[http_handler(session)]
async fn clear<T: Default>(session: &mut T) {
    *session = T::default();
}

fn main() {
    let _ = (clear::<User>, clear::<Cart>);
}
