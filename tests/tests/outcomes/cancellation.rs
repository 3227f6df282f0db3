//! A call that is broken off at any of its waits leaves nothing half done, and the queue whole: futures are dropped
//! after their n-th poll, for every n until they are ready.
//!
//! Clauses: 5.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{Error, Session, SessionControl, Shared, StoreBackend, http_handler};
use socketioxide_session_tests::{
    app::sessions,
    client::{Client, dropped_after},
    fixture::shop::{Left, Right},
    stores::{Step, TestStore},
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

/// More polls than any call here needs.
const MANY: usize = 200;

/// The two fields of each of the two states are always equal.
async fn raise(left: &mut Left, right: &mut Right) {
    left.one += 1;
    yield_now().await;
    right.two += 1;
    yield_now().await;
    (left.two, right.one) = (left.one, right.two);
    yield_now().await;
}

#[http_handler(left, right)]
async fn change(left: &mut Left, right: &mut Right) {
    raise(left, right).await;
}

#[http_handler(left, right)]
async fn change_slowly(left: &mut Left, right: &mut Right) {
    sleep(Duration::from_millis(20)).await;
    raise(left, right).await;
}

/// Beside two keys of a plain `Session`, that are always equal, too.
#[http_handler(left, right)]
async fn change_beside_plain(left: &mut Left, right: &mut Right, session: Session) {
    raise(left, right).await;
    for key in ["plain one", "plain two"] {
        session.insert(key, left.one).await.expect("a session that takes values");
    }
}

#[http_handler(left, right)]
async fn change_with_id(left: &mut Left, right: &mut Right, control: SessionControl) -> Result<(), Error> {
    raise(left, right).await;
    control.cycle_id()
}

#[http_handler(left, right)]
async fn change_and_end(left: &mut Left, right: &mut Right, control: SessionControl) -> Result<(), Error> {
    raise(left, right).await;
    control.flush()
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("as the test wants");
    }
}

#[http_handler(left, right)]
async fn change_and_panic_when_dropped(left: &mut Left, right: &mut Right) {
    let _panics = PanicsWhenDropped;
    raise(left, right).await;
    pending::<()>().await;
}

#[http_handler(left, right)]
async fn read(left: &Left, right: &Right) -> String {
    assert!(left.one == left.two && right.one == right.two);
    right.one.to_string()
}

type Kept = Arc<Mutex<Option<Shared<Left>>>>;

async fn keep(shared: Shared<Left>, State(kept): State<Kept>) {
    *kept.lock().expect("a lock") = Some(shared);
}

/// Every step of the store takes a while, so that there is a wait in it.
fn app() -> (Client, TestStore, Kept) {
    let (store, kept) = (TestStore::default(), Kept::default());
    for step in [Step::Load, Step::Write, Step::Delete] {
        store.slow(step, Duration::from_millis(3));
    }
    let routes = Router::new()
        .route("/change", get(change))
        .route("/change-slowly", get(change_slowly))
        .route("/change-beside-plain", get(change_beside_plain))
        .route("/change-with-id", get(change_with_id))
        .route("/change-and-end", get(change_and_end))
        .route("/change-and-panic-when-dropped", get(change_and_panic_when_dropped))
        .route("/read", get(read))
        .route("/keep", get(keep))
        .with_state(Arc::clone(&kept));
    let layer = sessions(StoreBackend::new(store.clone()));
    (Client::of(routes.layer(layer)), store, kept)
}

/// How far the session of this cookie has come, if it is stored: everything that is changed together is equal.
fn count(store: &TestStore, cookie: &str) -> Option<u64> {
    let record = store.record(cookie)?;
    let number = |key: &str, field: &str| record.get(key)?.get(field)?.as_u64();
    let count = number("left", "one");
    for (key, field) in [("left", "two"), ("right", "one"), ("right", "two")] {
        assert_eq!(number(key, field), count, "half a commit: {record:?}");
    }
    assert_eq!(record.get("plain one"), record.get("plain two"), "half a commit: {record:?}");
    Some(count.expect("a change that was committed"))
}

/// Everything that runs on by itself has ended when a paused clock has gone on for longer than all of it takes.
async fn everything_has_run() {
    sleep(Duration::from_millis(500)).await;
}

/// Polls the request once, twice, .. in a queue, behind a writer and before another one; each time both of them and
/// a later one are served at once.
async fn broken_off_in_a_queue(path: &str) {
    let mut ready = 0;
    let mut broken_off = 0;
    for polls in 0..MANY {
        let (client, store, _) = app();
        client.get("/change").await.ok();
        let cookie = client.session();
        let began = Instant::now();
        let holder = client.get("/change-slowly");
        let leaving = async {
            sleep(Duration::from_millis(1)).await;
            dropped_after(polls, client.get(path)).await
        };
        let behind = async {
            sleep(Duration::from_millis(2)).await;
            client.another(Some(&cookie)).get("/change").await
        };
        let (holder, leaving, behind) = tokio::join!(holder, leaving, behind);
        assert_eq!((holder.status, behind.status), (200, 200), "{polls} polls");
        assert!(began.elapsed() < Duration::from_secs(1), "stuck after {polls} polls");
        everything_has_run().await;
        let count = count(&store, &cookie).expect("a session");
        let told = leaving.is_some();
        assert!(count == 4 || (count == 3 && !told), "{count} after {polls} polls, told: {told}");
        client.another(Some(&cookie)).get("/change").await.ok();
        assert!(began.elapsed() < Duration::from_secs(2), "stuck after {polls} polls");
        broken_off += usize::from(!told);
        ready += usize::from(told);
        if ready > 2 {
            println!("{path}: broken off after 0 to {} polls", broken_off - 1);
            return;
        }
    }
    panic!("{path} is not ready after {MANY} polls");
}

#[tokio::test(start_paused = true)]
async fn a_handler() {
    broken_off_in_a_queue("/change").await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_beside_a_plain_session() {
    broken_off_in_a_queue("/change-beside-plain").await;
}

/// The first write of a session: it has begun, whole, or not at all.
#[tokio::test(start_paused = true)]
async fn the_begin_of_a_session() {
    for polls in 0..MANY {
        let (client, store, _) = app();
        let told = dropped_after(polls, client.get("/change-beside-plain")).await;
        everything_has_run().await;
        assert!(store.len() <= 1, "{} sessions after {polls} polls", store.len());
        if told.is_some() {
            assert_eq!(count(&store, &client.session()), Some(1));
            return;
        }
        // Nobody knows the cookie; a request without one begins another session.
        client.get("/change").await.ok();
        assert_eq!(count(&store, &client.session()), Some(1));
    }
    panic!("not ready after {MANY} polls");
}

/// The change of an id: there is one session, under the old id or under the new one, and it is whole.
#[tokio::test(start_paused = true)]
async fn a_change_of_id() {
    for polls in 0..MANY {
        let (client, store, _) = app();
        client.get("/change").await.ok();
        let old = client.session();
        let told = dropped_after(polls, client.get("/change-with-id")).await;
        everything_has_run().await;
        assert_eq!(store.len(), 1, "after {polls} polls");
        if told.is_some() {
            assert_eq!((count(&store, &old), count(&store, &client.session())), (None, Some(2)));
            return;
        }
        if let Some(count) = count(&store, &old) {
            assert_eq!(count, 1, "the old id goes with the change: {polls} polls");
            client.get("/change").await.ok();
        } else {
            // It took place, and whoever shows the old id is told.
            assert_eq!(client.get("/change").await.status, 409);
        }
    }
    panic!("not ready after {MANY} polls");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_a_handler_leaves_behind_goes_no_further() {
    for polls in 0..20 {
        let (client, store, _) = app();
        client.get("/change").await.ok();
        assert!(dropped_after(polls, client.get("/change-and-panic-when-dropped")).await.is_none());
        everything_has_run().await;
        client.get("/change").await.ok();
        assert_eq!(count(&store, &client.session()), Some(2), "after {polls} polls");
    }
}

/// A flush, once asked for, is carried out; before it the session is as it was.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_session() {
    let mut ended = false;
    for polls in 0..MANY {
        let (client, store, _) = app();
        client.get("/change").await.ok();
        let cookie = client.session();
        let told = dropped_after(polls, client.get("/change-and-end")).await;
        everything_has_run().await;
        let count = count(&store, &cookie);
        assert!(count == Some(1) || count.is_none(), "{count:?} after {polls} polls");
        assert!(!ended || count.is_none(), "asked for, and not carried out after {polls} polls");
        ended |= count.is_none();
        if told.is_some() {
            assert!(ended);
            return;
        }
        client.get("/change").await.ok();
    }
    panic!("not ready after {MANY} polls");
}

/// `Shared::update` and `Shared::read`.
#[tokio::test(start_paused = true)]
async fn shared_turns() {
    for polls in 0..MANY {
        let (client, store, kept) = app();
        client.get("/change").await.ok();
        client.get("/keep").await.ok();
        let shared = kept.lock().expect("a lock").take().expect("what was kept");
        let began = Instant::now();
        let read = dropped_after(polls, shared.read()).await;
        let update = |left: &mut Left| (left.one, left.two) = (7, 7);
        let told = dropped_after(polls, shared.update(update)).await;
        everything_has_run().await;
        let left = store.stored(&client.session(), "left");
        assert!([json!({"one": 1, "two": 1}), json!({"one": 7, "two": 7})].contains(&left), "{left}");
        shared.update(update).await.expect("a turn");
        assert!(began.elapsed() < Duration::from_secs(1), "stuck after {polls} polls");
        if let Some(told) = told {
            told.expect("a turn");
            read.expect("a quicker one").expect("a turn");
            assert_ne!(left, Value::from(1));
            assert_eq!(left["one"], 7);
            return;
        }
    }
    panic!("not ready after {MANY} polls");
}
