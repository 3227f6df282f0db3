use socketioxide_session::session_value;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct City(String);

#[session_value]
struct Address {
    city: City,
}

fn main() {}
