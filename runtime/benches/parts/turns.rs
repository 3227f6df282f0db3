//! Turns, and what is written at their end.

use std::sync::Arc;

use axum::{Extension, http::header};
use divan::{Bencher, counter::ItemsCount};
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::{
    app::{app, ready, request, send, set, shared},
    bench, runtime,
    state::{CONTENTS, Content, Countable, NotClone, OwnType, State},
};

/// What `&T` does, and a copy.
#[divan::bench(args = CONTENTS)]
fn read(bencher: Bencher<'_, '_>, content: Content) {
    let runtime = runtime();
    let shared = runtime.block_on(ready::<State>(content));
    bench(bencher, &runtime, async || shared.read().await.map_err(drop));
}

/// A turn that ends with nothing to write.
#[divan::bench(args = CONTENTS)]
fn without_a_change(bencher: Bencher<'_, '_>, content: Content) {
    let runtime = runtime();
    let shared = runtime.block_on(ready::<State>(content));
    bench(bencher, &runtime, async || shared.update(|_| ()).await.map_err(drop));
}

#[divan::bench(types = [State, NotClone, OwnType], args = CONTENTS)]
fn commit_one_field_of_ten<T: Countable>(bencher: Bencher<'_, '_>, content: Content) {
    let runtime = runtime();
    let shared = runtime.block_on(ready::<T>(content));
    bench(bencher, &runtime, async || shared.update(T::count_up).await.map_err(drop));
}

/// A request holds the turn while that many updates come to wait for it; then all take their turns. The request's
/// own cost is in it.
#[divan::bench(args = [0, 1, 4, 64])]
fn with_waiters(bencher: Bencher<'_, '_>, waiters: usize) {
    let runtime = runtime();
    let app = app::<State>();
    let (cookie, shared) = runtime.block_on(async {
        let (cookie, shared) = shared::<State>(&app).await;
        set(&shared, Content::Small).await;
        (cookie, shared)
    });
    let gate = Arc::new(Notify::new());
    let app = app.layer(Extension(Arc::clone(&gate)));
    bencher.counter(ItemsCount::new(waiters + 1)).bench_local(|| {
        runtime.block_on(async {
            let holder = send(&app, request("/hold", &[(header::COOKIE, &cookie)]));
            let waiting = async {
                // Polled after the holder, which has its turn by then.
                let updates = join_all((0..waiters).map(|_| shared.update(State::count_up)));
                // Polled after the updates, which have their places by then.
                let release = async { gate.notify_one() };
                tokio::join!(biased; updates, release)
            };
            tokio::join!(biased; holder, waiting)
        })
    });
}
