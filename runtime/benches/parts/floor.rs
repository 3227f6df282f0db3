//! What is in all other times.

use axum::{Router, routing::get};
use divan::Bencher;

use crate::{
    app::{nothing, request, send},
    bench, runtime,
};

#[divan::bench]
fn runtime_alone(bencher: Bencher<'_, '_>) {
    bench(bencher, &runtime(), async || ());
}

#[divan::bench]
fn request_without_the_layer(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    let app = Router::new().route("/", get(nothing));
    bench(bencher, &runtime, async || send(&app, request("/", &[])).await);
}
