use serde::{Serialize, Serializer};
use socketioxide_session::session_state;

#[session_state]
struct Settings {
    language: String,
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.language)
    }
}

fn main() {}
