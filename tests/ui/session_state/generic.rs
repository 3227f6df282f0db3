use socketioxide_session::session_state;

#[session_state]
struct Seen<T> {
    last: Option<T>,
}

#[session_state]
struct Borrowed<'a> {
    name: &'a str,
}

#[session_state]
struct Sized<const N: usize> {
    name: [u8; N],
}

fn main() {}
