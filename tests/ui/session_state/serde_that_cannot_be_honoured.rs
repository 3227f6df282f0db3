use serde::{Deserialize, Serialize};
use socketioxide_session::session_state;

#[session_state]
struct Fields {
    #[serde(default = "five")]
    first: u32,
    #[serde(skip)]
    second: u32,
    #[serde(skip_serializing)]
    third: u32,
    #[serde(rename = "first")]
    fourth: u32,
}

fn five() -> u32 {
    5
}

#[session_state]
#[serde(transparent)]
struct Transparent {
    inner: u32,
}

#[session_state]
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
struct Text {
    inner: u32,
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.inner.to_string()
    }
}

impl From<String> for Text {
    fn from(_: String) -> Self {
        Self { inner: 0 }
    }
}

fn main() {}
