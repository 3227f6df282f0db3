//! A release that changes a state: what does not decode begins anew where the state says so, a session can always be ended,
//! a state can be removed, and two structs under one key are warned of.
//!
//! Clauses: 8.

use axum::{Json, Router, routing::get};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketioxide_session::{
    Error, EventRouter, Session, SessionControl, SessionLayer, Shared, StoreBackend, http_handler,
    session_state, session_value, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    log::Log,
    redis_server::RedisServer,
    stores::TestStore,
};
use tracing::Level;

use crate::on_each_backend;

/// As an older build has stored it.
mod before {
    use super::*;

    #[session_value]
    #[derive(Default)]
    pub(super) enum Theme {
        #[default]
        Light,
        Dim,
    }

    #[session_state(key = "user")]
    pub(super) struct User {
        name: Option<String>,
        theme: Theme,
        visits: String,
        nick: String,
    }

    #[http_handler(user)]
    pub(super) async fn write(user: &mut User) {
        user.name = Some("Ada".to_owned());
        user.theme = Theme::Dim;
        user.visits = String::from("many");
        user.nick = String::from("countess");
    }
}

#[session_value]
#[derive(Default)]
enum Theme {
    #[default]
    Light,
    Dark,
}

/// Not exact.
#[derive(Default, Serialize, Deserialize)]
struct Visits(u32);

#[session_state(key = "user", on_undecodable = "default")]
struct User {
    name: Option<String>,
    theme: Theme,
    #[session(default = Visits(7))]
    visits: Visits,
    #[serde(rename = "handle", alias = "nick")]
    handle: String,
}

/// The same without a word about what does not decode.
mod strict {
    use super::*;

    #[session_state(key = "user")]
    pub(super) struct User {
        name: Option<String>,
        theme: Theme,
    }

    #[http_handler(user)]
    pub(super) async fn read(user: &User) -> String {
        format!("{:?} {}", user.name, matches!(user.theme, Theme::Dark))
    }
}

#[session_state]
struct Other {
    count: u32,
}

impl User {
    fn show(&self) -> Json<Value> {
        Json(json!([self.name, matches!(self.theme, Theme::Dark), self.visits.0, self.handle]))
    }
}

#[http_handler(user)]
async fn read(user: &User) -> Json<Value> {
    user.show()
}

#[http_handler(user)]
async fn touch(user: &mut User) -> Json<Value> {
    user.show()
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<Value> {
    user.visits.0 += 1;
    user.show()
}

#[http_handler(user)]
async fn darken(user: &mut User) -> Json<Value> {
    user.theme = Theme::Dark;
    user.show()
}

#[http_handler(user)]
async fn rename(user: &mut User) -> Json<Value> {
    user.handle = String::from("ada");
    user.show()
}

#[http_handler(user)]
async fn log_out(user: &mut User, control: SessionControl) -> Result<(), Error> {
    user.visits.0 += 1;
    control.flush()
}

#[http_handler(other)]
async fn log_out_of_another(other: &Other, control: SessionControl) -> Result<String, Error> {
    control.flush()?;
    Ok(other.count.to_string())
}

#[socket_handler(user)]
async fn log_out_on_socket(user: &User, control: SessionControl) -> Result<u32, Error> {
    control.flush()?;
    Ok(user.visits.0)
}

#[http_handler(user, other)]
async fn forget(user: &mut User, other: &mut Other, control: SessionControl) -> Result<(), Error> {
    user.theme = Theme::Dark;
    other.count += 1;
    control.remove::<User>()
}

/// It does not name what it removes.
#[http_handler(other)]
async fn forget_unnamed(other: &mut Other, control: SessionControl) -> Result<(), Error> {
    other.count += 1;
    control.remove::<strict::User>()?;
    control.remove::<Nobody>()
}

#[session_state]
struct Nobody {}

#[http_handler(other)]
async fn forget_and_fail(other: &mut Other, control: SessionControl) -> Result<(), Error> {
    other.count += 1;
    control.remove::<User>()?;
    control.set_expiry(None)?;
    Err(socketioxide_session::ErrorKind::Unavailable.into())
}

/// Without an attribute.
async fn forget_plainly(control: SessionControl) -> Result<(), Error> {
    control.remove::<User>()
}

#[socket_handler(user)]
async fn forget_on_socket(user: Option<&User>, control: SessionControl) -> Result<bool, Error> {
    control.remove::<User>()?;
    Ok(user.is_some())
}

#[http_handler(user)]
async fn is_there(user: Option<&User>) -> String {
    user.is_some().to_string()
}

async fn share(user: Shared<User>) -> Result<Json<Value>, Error> {
    Ok(user.read().await?.show())
}

async fn stored(session: Session) -> Json<Option<Value>> {
    Json(session.get_value("user").await.unwrap())
}

async fn spoil(session: Session) {
    session.insert("user", json!(["no", "object"])).await.unwrap();
}

fn events() -> EventRouter {
    EventRouter::new().on("log out", log_out_on_socket).on("forget", forget_on_socket)
}

fn app(layer: SessionLayer) -> App {
    let routes = Router::new()
        .route("/before", get(before::write))
        .route("/strict", get(strict::read))
        .route("/read", get(read))
        .route("/touch", get(touch))
        .route("/visit", get(visit))
        .route("/darken", get(darken))
        .route("/rename", get(rename))
        .route("/log-out", get(log_out))
        .route("/log-out-of-another", get(log_out_of_another))
        .route("/forget", get(forget))
        .route("/forget-unnamed", get(forget_unnamed))
        .route("/forget-and-fail", get(forget_and_fail))
        .route("/forget-plainly", get(forget_plainly))
        .route("/is-there", get(is_there))
        .route("/share", get(share))
        .route("/stored", get(stored))
        .route("/spoil", get(spoil));
    App::new(with_sockets(routes, (), |io| io.ns("/", events())).layer(layer))
}

#[tokio::test]
async fn each_field_that_does_not_decode_begins_with_its_default_and_is_overwritten_when_it_changes() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        let browser = Client::new(&app);
        browser.get("/before").await.ok();
        let mut stored = browser.get("/stored").await.json();
        assert_eq!(browser.get("/strict").await.status, 500, "{name}");
        for path in ["/read", "/touch", "/share"] {
            assert_eq!(
                browser.get(path).await.json(),
                json!(["Ada", false, 7, "countess"]),
                "{name}: {path}"
            );
            assert_eq!(browser.get("/stored").await.json(), stored, "{name}: {path}");
        }
        assert_eq!(browser.get("/visit").await.json(), json!(["Ada", false, 8, "countess"]), "{name}");
        stored["visits"] = json!(8);
        assert_eq!(browser.get("/stored").await.json(), stored, "{name}");
        assert_eq!(browser.get("/darken").await.json(), json!(["Ada", true, 8, "countess"]), "{name}");
        stored["theme"] = json!("Dark");
        assert_eq!(browser.get("/stored").await.json(), stored, "{name}");
        assert_eq!(browser.get("/strict").await.ok(), "Some(\"Ada\") true", "{name}");
    }
}

#[tokio::test]
async fn a_field_is_written_under_its_name_and_read_under_its_aliases() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        let browser = Client::new(&app);
        browser.get("/before").await.ok();
        browser.get("/rename").await.ok();
        let stored = browser.get("/stored").await.json();
        assert_eq!((&stored["handle"], stored.get("nick")), (&json!("ada"), None), "{name}");
        assert_eq!(browser.get("/read").await.json()[3], "ada", "{name}");
    }
}

#[tokio::test]
async fn what_is_no_object_is_replaced_at_the_first_write() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        let browser = Client::new(&app);
        browser.get("/spoil").await.ok();
        assert_eq!(browser.get("/strict").await.status, 500, "{name}");
        assert_eq!(browser.get("/touch").await.json(), json!([null, false, 7, ""]), "{name}");
        assert_eq!(browser.get("/stored").await.json(), json!(["no", "object"]), "{name}");
        assert_eq!(browser.get("/visit").await.json(), json!([null, false, 8, ""]), "{name}");
        assert_eq!(browser.get("/stored").await.json(), json!({ "visits": 8 }), "{name}");
        assert_eq!(browser.get("/strict").await.ok(), "None false", "{name}");
    }
}

#[tokio::test]
async fn the_log_says_once_what_begins_anew() {
    #[session_state(key = "user", on_undecodable = "default")]
    struct Quiet {
        theme: Theme,
        visits: u32,
    }
    #[http_handler(quiet)]
    async fn look(quiet: &Quiet) -> String {
        format!("{} {}", matches!(quiet.theme, Theme::Light), quiet.visits)
    }
    let routes = Router::new()
        .route("/before", get(before::write))
        .route("/look", get(look))
        .route("/spoil", get(spoil));
    let app = App::new(routes.layer(sessions(StoreBackend::new(TestStore::default()))));
    let (log, _logging) = Log::begin(Level::WARN);
    for _ in 0..3 {
        let browser = Client::new(&app);
        browser.get("/before").await.ok();
        assert_eq!(browser.get("/look").await.ok(), "true 0");
        browser.get("/spoil").await.ok();
        assert_eq!(browser.get("/look").await.ok(), "true 0");
    }
    for place in ["field `theme`", "field `visits`", "it is no object"] {
        let what = format!("Quiet`: {place}; it begins with its default");
        assert_eq!(log.lines(&what), 1, "{place}: {}", log.text());
    }
    assert!(!log.text().contains("many") && !log.text().contains("Dim"), "no stored value: {}", log.text());
}

#[tokio::test]
async fn a_session_ends_whatever_decodes() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        for (spoil, path) in [
            ("/before", "/log-out"),
            ("/spoil", "/log-out"),
            ("/before", "/log-out-of-another"),
            ("/spoil", "/log-out-of-another"),
        ] {
            let browser = Client::new(&app);
            browser.get(spoil).await.ok();
            let cookie = browser.session();
            assert_eq!(browser.get(path).await.status, 200, "{name}: {spoil}, {path}");
            assert_eq!(browser.cookie(), None, "{name}");
            assert_eq!(browser.another(Some(&cookie)).get("/is-there").await.ok(), "false", "{name}");
        }
        let browser = Client::new(&app);
        browser.get("/before").await.ok();
        let mut socket = Socket::connect(&app, Some(&browser.session())).await;
        assert_eq!(socket.ask("log out", &[]).await, 7, "{name}");
        assert_eq!(browser.get("/is-there").await.ok(), "false", "{name}");
    }
}

#[tokio::test]
async fn a_removed_state_is_not_there() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        for path in ["/forget", "/forget-unnamed", "/forget-plainly"] {
            for spoil in ["/before", "/spoil", "/visit"] {
                let browser = Client::new(&app);
                browser.get(spoil).await.ok();
                let cookie = browser.session();
                assert_eq!(browser.get("/forget-and-fail").await.status, 500, "{name}");
                assert_eq!(browser.get("/is-there").await.ok(), "true", "{name}");
                browser.get(path).await.ok();
                assert_eq!(browser.get("/is-there").await.ok(), "false", "{name}: {spoil}, {path}");
                assert_eq!(browser.get("/read").await.json(), json!([null, false, 7, ""]), "{name}");
                assert_eq!(browser.session(), cookie, "{name}: the session goes on");
                browser.get("/visit").await.ok();
                assert_eq!(browser.get("/stored").await.json(), json!({ "visits": 8 }), "{name}");
                let mut socket = Socket::connect(&app, Some(&cookie)).await;
                assert_eq!(socket.ask("forget", &[]).await, true, "{name}");
                assert_eq!(socket.ask("forget", &[]).await, false, "{name}");
            }
        }
        let nobody = Client::new(&app);
        nobody.get("/forget-plainly").await.ok();
        assert_eq!(nobody.cookie(), None, "{name}: no session begins for it");
    }
}

#[tokio::test]
async fn two_structs_under_one_key_are_warned_of_once() {
    mod view {
        use super::*;

        #[session_state(key = "user")]
        pub(super) struct User {
            name: Option<String>,
        }

        #[http_handler(user)]
        pub(super) async fn look(user: &User) -> String {
            format!("{:?}", user.name)
        }
    }
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let routes = Router::new()
            .route("/before", get(before::write))
            .route("/read", get(read))
            .route("/look", get(view::look));
        let app = App::new(routes.layer(layer));
        let (log, _logging) = Log::begin(Level::WARN);
        let alone = Client::new(&app);
        alone.get("/read").await.ok();
        assert_eq!(log.lines("two structs"), 0, "{name}: {}", log.text());
        for _ in 0..3 {
            let browser = Client::new(&app);
            browser.get("/before").await.ok();
            for _ in 0..2 {
                assert_eq!(browser.get("/look").await.ok(), "Some(\"Ada\")", "{name}: it is no error");
                browser.get("/before").await.ok();
            }
        }
        assert_eq!(log.lines("two structs"), 1, "{name}: {}", log.text());
        let line = log.text();
        for each in ["under the key `user`", "anew::before::User`", "view::User`"] {
            assert!(line.contains(each), "{name} names {each}: {line}");
        }
    }
}
