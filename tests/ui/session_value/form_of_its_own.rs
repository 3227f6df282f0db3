use socketioxide_session::session_value;

#[session_value]
#[serde(tag = "kind")]
enum Theme {
    Light,
    Dark {
        #[serde(skip)]
        contrast: u8,
    },
}

fn main() {}
