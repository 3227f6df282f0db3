use std::{rc::Rc, time::Duration};

use socketioxide_session::{connect_handler, http_handler, session_state, socket_handler};

#[session_state]
struct Visits {
    count: u64,
}

async fn pause() {
    std::future::ready(Duration::ZERO).await;
}

#[http_handler(visits)]
async fn visit(visits: &mut Visits) {
    let by = Rc::new(1);
    pause().await;
    visits.count += *by;
}

#[socket_handler(visits)]
async fn visit_by_socket(visits: &mut Visits) {
    let by = Rc::new(1);
    pause().await;
    visits.count += *by;
}

#[connect_handler(visits)]
async fn connected(visits: &mut Visits) {
    let by = Rc::new(1);
    pause().await;
    visits.count += *by;
}

fn main() {}
