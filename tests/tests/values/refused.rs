//! What JSON cannot bring back is refused before anything is told saved, and all goes on.
//!
//! Clauses: 6.

use std::collections::BTreeMap;

use axum::{Router, extract::Path, routing::get};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use socketioxide::extract::Data;
use socketioxide_session::{
    Error, EventRouter, MemoryBackend, Session, SessionLayer, Shared, http_handler, session_state,
    socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    log::Log,
    redis_server::RedisServer,
};
use tracing::Level;

use crate::on_each_backend;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Line {
    price: f64,
}

/// Its own `Serialize` refuses, too.
#[derive(Default, Deserialize)]
struct Shy(bool);

impl Serialize for Shy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 { Err(serde::ser::Error::custom("it is shy today")) } else { self.0.serialize(serializer) }
    }
}

#[session_state]
struct Cart {
    visits: u32,
    total: f64,
    lines: BTreeMap<String, Vec<Line>>,
    #[allow(clippy::option_option, reason = "what JSON cannot tell apart")]
    note: Option<Option<u8>>,
    big: u128,
    keys: BTreeMap<Option<u8>, u8>,
    shy: Shy,
}

impl Cart {
    fn spoil(&mut self, how: &str) {
        self.visits += 1;
        match how {
            "nan" => self.total = f64::NAN,
            "inside" => {
                self.lines.insert("a secret".to_owned(), vec![Line { price: f64::INFINITY }]);
            }
            "some" => self.note = Some(None),
            "big" => self.big = u128::MAX,
            "keys" => self.keys = [(Some(1), 1)].into(),
            "shy" => self.shy.0 = true,
            _ => {}
        }
    }
}

/// How it is spoilt, and what is said of it.
const SPOILT: [(&str, &str); 6] = [
    ("nan", "field `total` is a float that is not finite"),
    ("inside", "field `lines[..][].price` is a float that is not finite"),
    ("some", "field `note` is a `Some` of what is `null` in JSON"),
    ("big", "field `big` is an integer of more than 64 bits"),
    ("keys", "field `keys` has a map key that is no text in JSON"),
    ("shy", "field `shy` does not serialise"),
];

#[http_handler(cart)]
async fn write(cart: &mut Cart, Path(how): Path<String>) -> String {
    cart.spoil(&how);
    cart.visits.to_string()
}

async fn share(cart: Shared<Cart>, Path(how): Path<String>) -> Result<(), Error> {
    cart.update(|cart| cart.spoil(&how)).await
}

#[http_handler(cart)]
async fn read(cart: &Cart) -> String {
    format!("{} {:?}", cart.visits, cart.note)
}

#[socket_handler(cart)]
async fn write_on_socket(cart: &mut Cart, Data(how): Data<String>) -> u32 {
    cart.spoil(&how);
    cart.visits
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inside, _| Value::Array(vec![inside]))
}

/// A plain `Session` stores JSON of its own.
async fn plain(session: Session, Path(levels): Path<usize>) {
    session.insert("deep", deep(levels)).await.unwrap();
    // Whether it was saved is seen at the end of the request, too.
    session.save().await.ok();
}

/// Left to be saved with the response.
async fn plain_later(session: Session, Path(levels): Path<usize>) {
    session.insert("deep", deep(levels)).await.unwrap();
}

fn app(layer: SessionLayer) -> App {
    let routes = Router::new()
        .route("/write/{how}", get(write))
        .route("/share/{how}", get(share))
        .route("/plain/{levels}", get(plain))
        .route("/plain-later/{levels}", get(plain_later))
        .route("/read", get(read));
    App::new(
        with_sockets(routes, (), |io| io.ns("/", EventRouter::new().on("write", write_on_socket)))
            .layer(layer),
    )
}

#[tokio::test]
async fn a_field_that_cannot_be_read_back_is_an_error_that_names_it() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        let browser = Client::new(&app);
        assert_eq!(browser.get("/write/well").await.ok(), "1");
        let mut socket = Socket::connect(&app, Some(&browser.session())).await;
        for (how, why) in SPOILT {
            let expected = format!("state `Cart` cannot be stored: {why}");
            for path in ["write", "share"] {
                let answer = browser.get(&format!("/{path}/{how}")).await;
                assert_eq!(answer.status, 500, "{name}: {how}");
                assert!(answer.body.starts_with(&expected), "{name}: {}", answer.body);
                assert!(!answer.body.contains("secret"), "{name}: {}", answer.body);
            }
            let told = socket.ask("write", &[json!(how)]).await;
            assert_eq!(told["code"], "encode", "{name}: {told}");
            assert!(told["error"].as_str().unwrap().starts_with(&expected), "{name}: {told}");
            assert_eq!(browser.get("/read").await.ok(), "1 None", "{name}: {how}");
        }
        assert_eq!(browser.get("/write/well").await.ok(), "2", "{name}");
        assert_eq!(socket.ask("write", &[json!("well")]).await, 3, "{name}");
    }
}

#[tokio::test]
async fn the_log_has_the_cause() {
    let app = app(sessions(MemoryBackend::default()));
    let browser = Client::new(&app);
    let (log, _logging) = Log::begin(Level::WARN);
    for (how, _) in SPOILT {
        assert_eq!(browser.get(&format!("/write/{how}")).await.status, 500);
    }
    assert_eq!(
        log.lines("state `Cart` cannot be stored: field `shy` does not serialise"),
        1,
        "{}",
        log.text()
    );
    assert_eq!(log.lines("it is shy today"), 1, "{}", log.text());
    assert_eq!(log.lines("cause="), SPOILT.len(), "{}", log.text());
}

#[tokio::test]
async fn a_plain_session_stores_no_more_levels_than_are_read() {
    let server = RedisServer::start().await;
    for (name, layer) in on_each_backend(&server).await {
        let app = app(layer);
        let browser = Client::new(&app);
        assert_eq!(browser.get("/write/well").await.ok(), "1");
        for path in ["/plain/128", "/plain-later/128", "/plain-later/1000"] {
            let refused = browser.get(path).await;
            assert_eq!(refused.status, 500, "{name}: {path}");
            let expected = "the value under `deep` cannot be stored: it is nested too deep";
            assert!(refused.body.starts_with(expected), "{name}: {}", refused.body);
        }
        assert_eq!(browser.get("/write/well").await.ok(), "2", "{name}");
        for path in ["/plain/127", "/plain-later/126"] {
            browser.get(path).await.ok();
            assert_eq!(browser.get("/plain/1").await.status, 200, "{name} reads it");
        }
        assert_eq!(browser.get("/write/well").await.ok(), "3", "{name}");
    }
}
