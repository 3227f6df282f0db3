use socketioxide_session::session_value;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[session_value]
struct Address {
    city: String,
}

fn main() {}
