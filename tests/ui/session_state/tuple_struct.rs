use socketioxide_session::{http_handler, session_state};

#[session_state]
struct Visits(u64);

#[http_handler(visits)]
async fn visit(visits: &mut Visits) {
    visits.0 += 1;
}

fn main() {}
