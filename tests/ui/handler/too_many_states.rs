use socketioxide_session::{http_handler, session_state};

macro_rules! states {
    ($($name:ident)*) => { $(#[session_state] struct $name { value: u8 })* };
}

states!(A B C D E F G H I);

#[http_handler(a, b, c, d, e, f, g, h, i)]
async fn sum(a: &A, b: &B, c: &C, d: &D, e: &E, f: &F, g: &G, h: &H, i: &I) -> String {
    (a.value + b.value + c.value + d.value + e.value + f.value + g.value + h.value + i.value).to_string()
}

fn main() {}
