//! Handshakes as far as they are this crate's: the origin, the session, what the connection is bound to.

use axum::http::header;
use divan::Bencher;

use crate::{
    app::{app, begin, request, send},
    bench, runtime,
    state::State,
};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

#[divan::bench(args = ["https://app.example.com", "https://elsewhere.example.com"])]
fn with_origin(bencher: Bencher<'_, '_>, origin: &str) {
    let (runtime, app) = (runtime(), app::<State>());
    let cookie = runtime.block_on(begin(&app));
    let headers = [(header::COOKIE, &*cookie), (header::HOST, "app.example.com"), (header::ORIGIN, origin)];
    bench(bencher, &runtime, async || send(&app, request(PATH, &headers)).await);
}

#[divan::bench]
fn that_begins_a_session(bencher: Bencher<'_, '_>) {
    let (runtime, app) = (runtime(), app::<State>());
    let headers = [(header::HOST, "app.example.com"), (header::ORIGIN, "https://app.example.com")];
    bench(bencher, &runtime, async || send(&app, request(PATH, &headers)).await);
}
