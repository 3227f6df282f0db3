//! A live state is named to the layer; one that is not is warned of.
//!
//! Clauses: 15.

use socketioxide_session::{MemoryBackend, session_state};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    log::Log,
};
use tracing::Level;

use crate::stage::{Tools, next_event, router, routes, sent, visitor};

#[tokio::test]
async fn a_commit_of_one_that_is_not_named_warns_once_and_sends_nothing() {
    let (log, _logging) = Log::begin(Level::WARN);
    let app = App::new(router(&Tools::default(), routes(), sessions(MemoryBackend::default())));
    let ada = visitor(&app, "ada").await;
    let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
    for _ in 0..3 {
        ada.get("/visit").await.ok();
    }
    assert_eq!(log.lines("with_live"), 1, "{}", log.text());
    assert!(log.text().contains("`user`"), "{}", log.text());
    assert!(socket.unasked().is_empty());
}

#[tokio::test]
async fn one_that_is_named_does_not() {
    let (log, _logging) = Log::begin(Level::WARN);
    let layer = sessions(MemoryBackend::default()).with_live::<crate::stage::User>();
    let app = App::new(router(&Tools::default(), routes(), layer));
    let ada = visitor(&app, "ada").await;
    ada.get("/visit").await.ok();
    assert_eq!(log.text(), "");
}

mod shown {
    use super::session_state;

    /// Another view of what is stored under `user`, which is sent as another event.
    #[session_state(key = "user", emit = "visits")]
    pub(crate) struct Visits {
        pub(crate) visits: u32,
    }
}

/// One state a key: the one that was named last.
#[tokio::test]
async fn of_two_under_one_key_the_last_one_is_sent() {
    let layer =
        sessions(MemoryBackend::default()).with_live::<shown::Visits>().with_live::<crate::stage::User>();
    let app = App::new(router(&Tools::default(), routes(), layer));
    let ada = Client::new(&app);
    ada.get("/visit").await.ok();
    let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(next_event(&socket).await.1, sent(serde_json::Value::Null, 1));
}
