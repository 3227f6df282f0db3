//! Requests, from the layer's cookie to its answer.

use axum::http::header;
use divan::Bencher;

use crate::{
    app::{app, begin, request, send, set, shared},
    bench, runtime,
    state::{CONTENTS, Content, State},
};

#[divan::bench]
fn no_cookie(bencher: Bencher<'_, '_>) {
    let (runtime, app) = (runtime(), app::<State>());
    bench(bencher, &runtime, async || send(&app, request("/", &[])).await);
}

#[divan::bench]
fn a_cookie_and_no_use_of_the_session(bencher: Bencher<'_, '_>) {
    let (runtime, app) = (runtime(), app::<State>());
    let cookie = runtime.block_on(begin(&app));
    bench(bencher, &runtime, async || send(&app, request("/", &[(header::COOKIE, &cookie)])).await);
}

#[divan::bench(args = CONTENTS)]
fn read(bencher: Bencher<'_, '_>, content: Content) {
    stateful(bencher, "/read", content);
}

#[divan::bench(args = CONTENTS)]
fn write(bencher: Bencher<'_, '_>, content: Content) {
    stateful(bencher, "/write", content);
}

#[divan::bench(args = CONTENTS)]
fn plain_session_saves_one_key(bencher: Bencher<'_, '_>, content: Content) {
    stateful(bencher, "/plain", content);
}

fn stateful(bencher: Bencher<'_, '_>, path: &str, content: Content) {
    let (runtime, app) = (runtime(), app::<State>());
    let cookie = runtime.block_on(async {
        let (cookie, shared) = shared::<State>(&app).await;
        set(&shared, content).await;
        cookie
    });
    bench(bencher, &runtime, async || send(&app, request(path, &[(header::COOKIE, &cookie)])).await);
}
