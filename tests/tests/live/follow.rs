//! `Shared::changes` and `Shared::ended`: who follows a session without a socket.
//!
//! Clauses: 10, 11, 15.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::{Stream, StreamExt, poll};
use socketioxide_session::{
    Ending, Expiry, MemoryBackend, SessionControl, SessionLayer, Shared, StoreBackend,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    soon,
    stores::TestStore,
};
use tokio::sync::{
    Semaphore,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch::channel,
};

use crate::stage::{Tools, User, commit_and_fail_to_read, router, routes, visitor};

/// What a follower has seen: names, and then how the session ended.
#[derive(Debug, PartialEq)]
enum Seen {
    Name(Option<String>),
    End,
    Ended(Option<Ending>),
}

fn name(name: &str) -> Seen {
    Seen::Name(Some(name.to_owned()))
}

type Sees = UnboundedSender<Seen>;

/// Follows on a task of its own.
async fn follow(user: Shared<User>, Extension(sees): Extension<Sees>) {
    let changes = user.changes();
    tokio::spawn(report(changes, sees));
}

async fn report(mut changes: impl Stream<Item = User> + Unpin, sees: Sees) {
    while let Some(user) = changes.next().await {
        sees.send(Seen::Name(user.name)).ok();
    }
    sees.send(Seen::End).ok();
}

/// Asks again after the end.
async fn follow_on(user: Shared<User>, Extension(sees): Extension<Sees>) {
    let mut changes = user.changes();
    tokio::spawn(async move {
        for _ in 0..4 {
            let user = changes.next().await;
            sees.send(user.map_or(Seen::End, |user| Seen::Name(user.name))).ok();
        }
    });
}

async fn wait_for_the_end(user: Shared<User>, Extension(sees): Extension<Sees>) {
    tokio::spawn(async move { sees.send(Seen::Ended(user.ended().await)).ok() });
}

/// Asks for the end when the test lets it.
async fn ask_for_the_end_later(
    user: Shared<User>,
    Extension(sees): Extension<Sees>,
    Extension(later): Extension<Arc<Semaphore>>,
) {
    tokio::spawn(async move {
        later.acquire().await.expect("a test that waits").forget();
        sees.send(Seen::Ended(user.ended().await)).ok()
    });
}

/// Follows from the very request that changes the id.
async fn follow_and_log_in(user: Shared<User>, control: SessionControl, Extension(sees): Extension<Sees>) {
    tokio::spawn(report(user.changes(), sees.clone()));
    let ending = user.clone();
    tokio::spawn(async move { sees.send(Seen::Ended(ending.ended().await)).ok() });
    user.update(|user| user.name = Some("ada".to_owned())).await.expect("an update");
    control.cycle_id().expect("a new id");
}

/// The same, of who has listened before the id changes.
async fn follow_then_log_in(user: Shared<User>, control: SessionControl, Extension(sees): Extension<Sees>) {
    let mut changes = user.changes();
    let first = changes.next().await.expect("a state");
    sees.send(Seen::Name(first.name)).ok();
    let listening = user.clone();
    let mut ended = Box::pin(async move { listening.ended().await });
    assert!(poll!(&mut ended).is_pending());
    tokio::spawn(report(changes, sees.clone()));
    tokio::spawn(async move { sees.send(Seen::Ended(ended.await)).ok() });
    user.update(|user| user.name = Some("ada".to_owned())).await.expect("an update");
    control.cycle_id().expect("a new id");
}

async fn events(user: Shared<User>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(user.changes().map(|user| Ok(Event::default().data(user.name.unwrap_or_default()))))
}

fn with_followers(app: Router<Tools>) -> (Router<Tools>, UnboundedReceiver<Seen>) {
    let (sees, told) = unbounded_channel();
    let app = app
        .route("/follow", get(follow))
        .route("/follow-on", get(follow_on))
        .route("/await", get(wait_for_the_end))
        .route("/await-later", get(ask_for_the_end_later))
        .route("/follow-and-login", get(follow_and_log_in))
        .route("/follow-then-login", get(follow_then_log_in))
        .route("/events", get(events))
        .layer(Extension(sees));
    (app, told)
}

struct Stage {
    app: App,
    seen: UnboundedReceiver<Seen>,
    /// Lets one ask who was to ask later.
    later: Arc<Semaphore>,
}

impl Stage {
    fn on(layer: SessionLayer) -> Self {
        let (routes, seen) = with_followers(routes());
        let permits = Arc::new(Semaphore::new(0));
        let routes = routes.layer(Extension(Arc::clone(&permits)));
        let app = App::new(router(&Tools::default(), routes, layer.with_live::<User>()));
        Self { app, seen, later: permits }
    }

    fn new() -> Self {
        Self::on(sessions(MemoryBackend::default()))
    }

    fn on_each_backend() -> [Self; 2] {
        [Self::new(), Self::on(sessions(StoreBackend::new(TestStore::default())))]
    }

    async fn sees(&mut self) -> Seen {
        soon("what is seen", self.seen.recv()).await.expect("a follower")
    }
}

#[tokio::test]
async fn changes_begin_with_what_there_is_and_end_with_the_session() {
    for mut stage in Stage::on_each_backend() {
        let ada = visitor(&stage.app, "ada").await;
        ada.get("/follow").await.ok();
        assert_eq!(stage.sees().await, name("ada"));
        ada.get("/rename?name=bea").await.ok();
        assert_eq!(stage.sees().await, name("bea"));
        ada.get("/plain?name=cleo").await.ok();
        assert_eq!(stage.sees().await, name("cleo"));
        ada.get("/logout").await.ok();
        assert_eq!(stage.sees().await, Seen::End);
    }
}

/// Also fields that no client is sent: this is the server.
#[tokio::test]
async fn every_change_counts_and_what_is_no_change_does_not() {
    for mut stage in Stage::on_each_backend() {
        let ada = visitor(&stage.app, "ada").await;
        ada.get("/follow").await.ok();
        assert_eq!(stage.sees().await, name("ada"));
        ada.get("/rename?name=ada").await.ok();
        ada.get("/fail").await.ok();
        assert_eq!(stage.sees().await, name("ada"));
        ada.get("/rename?name=bea").await.ok();
        assert_eq!(stage.sees().await, name("bea"));
    }
}

/// Who did not look meanwhile is given the last one: it was changed.
#[tokio::test]
async fn a_change_back_is_a_change() {
    for layer in [sessions(MemoryBackend::default()), sessions(StoreBackend::new(TestStore::default()))] {
        let (hands_over, mut kept) = unbounded_channel();
        let keep = async move |user: Shared<User>| assert!(hands_over.send(user.changes()).is_ok(), "a test");
        let app = App::new(router(&Tools::default(), routes().route("/keep", get(keep)), layer));
        let ada = visitor(&app, "ada").await;
        ada.get("/keep").await.ok();
        let mut changes = kept.recv().await.expect("changes");
        for after in ["at first", "after the change back"] {
            let user = soon(after, changes.next()).await.expect("a state");
            assert_eq!(user.name.as_deref(), Some("ada"), "{after}");
            ada.get("/rename?name=bea").await.ok();
            ada.get("/rename?name=ada").await.ok();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_fails_is_asked_again() {
    let store = TestStore::default();
    let mut stage = Stage::on(sessions(StoreBackend::new(store.clone())));
    let ada = visitor(&stage.app, "ada").await;
    ada.get("/follow").await.ok();
    assert_eq!(stage.sees().await, name("ada"));
    commit_and_fail_to_read(&store, ada.get("/rename?name=bea")).await;
    store.recover();
    assert_eq!(stage.sees().await, name("bea"));
}

#[tokio::test]
async fn who_followed_the_old_id_is_at_its_end_with_a_login() {
    for mut stage in Stage::on_each_backend() {
        let ada = visitor(&stage.app, "nobody").await;
        ada.get("/follow").await.ok();
        assert_eq!(stage.sees().await, name("nobody"));
        ada.get("/login?name=ada").await.ok();
        ada.get("/rename?name=bea").await.ok();
        assert_eq!(stage.sees().await, Seen::End);
    }
}

async fn goes_on_from_the_request(path: &str) {
    for mut stage in Stage::on_each_backend() {
        let ada = visitor(&stage.app, "nobody").await;
        ada.get(path).await.ok();
        let mut seen = stage.sees().await;
        while seen != name("ada") {
            assert_eq!(seen, name("nobody"));
            seen = stage.sees().await;
        }
        ada.get("/rename?name=bea").await.ok();
        assert_eq!(stage.sees().await, name("bea"));
        ada.get("/logout").await.ok();
        let mut both = [stage.sees().await, stage.sees().await];
        both.sort_by_key(|seen| *seen == Seen::End);
        assert_eq!(both, [Seen::Ended(Some(Ending::Ended)), Seen::End]);
    }
}

#[tokio::test]
async fn who_follows_from_the_very_request_that_changes_the_id_goes_on() {
    goes_on_from_the_request("/follow-and-login").await;
}

#[tokio::test]
async fn who_has_listened_in_it_before_the_id_changes_goes_on_as_well() {
    goes_on_from_the_request("/follow-then-login").await;
}

#[tokio::test]
async fn the_end_says_which_it_is() {
    for (path, ending) in [("/logout", Ending::Ended), ("/login?name=ada", Ending::IdChanged)] {
        let mut stage = Stage::new();
        let ada = visitor(&stage.app, "ada").await;
        ada.get("/await").await.ok();
        ada.get(path).await.ok();
        assert_eq!(stage.sees().await, Seen::Ended(Some(ending)), "{path}");
    }
}

/// Whoever asks after the end is told the same: a stream's last event, a loop that was busy meanwhile.
#[tokio::test]
async fn the_end_is_known_to_who_asks_after_it() {
    for (path, ending) in [("/logout", Ending::Ended), ("/login?name=ada", Ending::IdChanged)] {
        for mut stage in Stage::on_each_backend() {
            let ada = visitor(&stage.app, "ada").await;
            ada.get("/await-later").await.ok();
            ada.get(path).await.ok();
            stage.later.add_permits(1);
            assert_eq!(stage.sees().await, Seen::Ended(Some(ending)), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_an_end() {
    let hour = Expiry::OnInactivity(time::Duration::hours(1));
    let mut stage = Stage::on(sessions(MemoryBackend::default()).with_expiry(hour));
    let ada = visitor(&stage.app, "ada").await;
    ada.get("/await").await.ok();
    ada.get("/follow").await.ok();
    assert_eq!(stage.sees().await, name("ada"));
    tokio::time::sleep(Duration::from_mins(61)).await;
    let both = [stage.sees().await, stage.sees().await];
    assert!(both.contains(&Seen::Ended(Some(Ending::Expired))), "{both:?}");
    assert!(both.contains(&Seen::End), "{both:?}");
}

/// Until the session that the request begins is there.
#[tokio::test]
async fn without_a_session_there_is_the_default() {
    let mut stage = Stage::new();
    let nobody = Client::new(&stage.app);
    nobody.get("/follow").await.ok();
    assert_eq!(stage.sees().await, Seen::Name(None));
    nobody.get("/follow-and-login").await.ok();
    let mut seen = stage.sees().await;
    while seen != name("ada") {
        assert_eq!(seen, Seen::Name(None));
        seen = stage.sees().await;
    }
}

#[tokio::test]
async fn a_shutdown_ends_who_follows() {
    let (sees, mut told) = unbounded_channel();
    let layer = sessions(MemoryBackend::default());
    let (tell, told_to_ask) = channel(false);
    let asks_later = async move |user: Shared<User>, sees: Extension<Sees>| {
        let mut told_to_ask = told_to_ask.clone();
        tokio::spawn(async move {
            told_to_ask.wait_for(|told| *told).await.expect("a test");
            wait_for_the_end(user, sees).await;
        });
    };
    let routes = routes().route("/follow", get(follow)).route("/await", get(wait_for_the_end));
    let routes = routes.route("/await-later", get(asks_later));
    let app = App::new(router(&Tools::default(), routes.layer(Extension(sees)), layer.clone()));
    let ada = visitor(&app, "ada").await;
    ada.get("/await-later").await.ok();
    ada.get("/follow").await.ok();
    ada.get("/await").await.ok();
    assert_eq!(soon("a name", told.recv()).await, Some(name("ada")));
    assert!(layer.shutdown(Duration::from_secs(5)).await);
    let both = [soon("an end", told.recv()).await.unwrap(), soon("an end", told.recv()).await.unwrap()];
    assert!(both.contains(&Seen::End) && both.contains(&Seen::Ended(None)), "{both:?}");
    tell.send(true).expect("who asks later");
    assert_eq!(soon("an end", told.recv()).await, Some(Seen::Ended(None)), "also who asks after it");
}

/// Or the page of a visitor without a session would hold up the process's end.
#[tokio::test]
async fn a_shutdown_ends_who_waits_for_a_session() {
    let (routes, mut told) = with_followers(routes());
    let layer = sessions(MemoryBackend::default());
    let app = App::new(router(&Tools::default(), routes, layer.clone()));
    let nobody = Client::new(&app);
    nobody.get("/follow").await.ok();
    nobody.get("/await").await.ok();
    assert_eq!(soon("the default", told.recv()).await, Some(Seen::Name(None)));
    assert!(layer.shutdown(Duration::from_secs(5)).await);
    let both = [soon("an end", told.recv()).await.unwrap(), soon("an end", told.recv()).await.unwrap()];
    assert!(both.contains(&Seen::End) && both.contains(&Seen::Ended(None)), "{both:?}");
    nobody.get("/await").await.ok();
    assert_eq!(soon("an end", told.recv()).await, Some(Seen::Ended(None)), "also who asks after it");
}

/// As a loop over several streams does.
#[tokio::test]
async fn changes_may_be_asked_for_after_their_end() {
    for mut stage in Stage::on_each_backend() {
        let ada = visitor(&stage.app, "ada").await;
        ada.get("/follow-on").await.ok();
        assert_eq!(stage.sees().await, name("ada"));
        ada.get("/logout").await.ok();
        for _ in 0..3 {
            assert_eq!(stage.sees().await, Seen::End);
        }
    }
}

/// Over a connection, as a page has it.
#[tokio::test]
async fn a_page_hears_it_as_server_sent_events() {
    let stage = Stage::new();
    let ada = visitor(&stage.app, "ada").await;
    let request =
        reqwest::Client::new().get(stage.app.url("/events")).header("cookie", ada.cookie().unwrap());
    let mut response = soon("a response", request.send()).await.expect("a response");
    let mut told = String::new();
    for (path, expected) in
        [("/rename?name=ada", "data: ada\n\n"), ("/rename?name=bea", "data: ada\n\ndata: bea\n\n")]
    {
        ada.get(path).await.ok();
        while told != expected {
            let chunk = soon("an event", response.chunk()).await.expect("bytes").expect("an event");
            told.push_str(std::str::from_utf8(&chunk).expect("a text"));
        }
    }
    ada.get("/logout").await.ok();
    assert_eq!(soon("the end", response.chunk()).await.expect("an orderly end"), None);
}
