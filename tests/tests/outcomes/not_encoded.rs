//! A returned value that does not serialise fails its call, before anything is saved.
//!
//! Clauses: 5, 6.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv6Addr,
};

use axum::Router;
use serde::{Deserialize, Serialize, Serializer, ser::Error as _};
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide_session::{EventRouter, MemoryBackend, SessionControl, connect_handler, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    fixture::shop::{self, Counter},
    node::{Connect, OfficialClients, Transport},
};

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Trouble {
    Fails,
    Panics,
}

impl Serialize for Trouble {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fails => Err(S::Error::custom("as the test wants")),
            Self::Panics => panic!("as the test wants"),
        }
    }
}

/// The trouble is somewhere inside.
#[derive(Serialize)]
struct Report {
    lines: Vec<(u8, Option<Trouble>)>,
}

impl Report {
    fn with(trouble: Trouble) -> Self {
        Self { lines: vec![(1, None), (2, Some(trouble))] }
    }
}

#[socket_handler(counter)]
async fn value(counter: &mut Counter, Data(trouble): Data<Trouble>) -> Report {
    counter.count += 1;
    Report::with(trouble)
}

#[socket_handler(counter)]
async fn ok(counter: &mut Counter, Data(trouble): Data<Trouble>) -> Result<Report, ()> {
    counter.count += 1;
    Ok(Report::with(trouble))
}

#[socket_handler(counter)]
async fn err(counter: &mut Counter, Data(trouble): Data<Trouble>) -> Result<(), Trouble> {
    counter.count += 1;
    Err(trouble)
}

#[socket_handler(counter)]
async fn keep(counter: &mut Counter, control: SessionControl, Data(trouble): Data<Trouble>) -> Report {
    counter.count += 1;
    control.keep_changes().ok();
    Report::with(trouble)
}

#[socket_handler(counter)]
async fn flush(counter: &mut Counter, control: SessionControl, Data(trouble): Data<Trouble>) -> Report {
    counter.count += 1;
    control.flush().ok();
    Report::with(trouble)
}

struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[socket_handler(counter)]
async fn binary(counter: &mut Counter) -> Vec<Bytes> {
    counter.count += 1;
    vec![Bytes(&[0, 255]), Bytes(&[])]
}

/// Values of each kind: returned by an annotated handler, and as socketioxide itself encodes them.
macro_rules! values {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        mod returned {
            use super::*;

            $(#[socket_handler(counter)]
            pub(super) async fn $name(counter: &mut Counter) -> $type {
                counter.count += 1;
                $value
            })*
        }

        fn values(router: EventRouter) -> EventRouter {
            router$(
                .on(stringify!($name), returned::$name)
                .on(concat!("encode ", stringify!($name)), async |socket: SocketRef, ack: AckSender| {
                    let value: $type = $value;
                    ack.send(&socket.emit("value", &value).is_ok()).ok();
                })
            )*
        }

        const VALUES: &[&str] = &[$(stringify!($name)),*];
    };
}

#[derive(Serialize)]
struct Wrapped<T>(T);

#[derive(Serialize)]
enum Choice<T> {
    One(T),
    Two(T, T),
    Three { field: T },
}

/// An enum in a map of which serde makes no map.
#[derive(Serialize)]
struct Flat {
    #[serde(flatten)]
    number: u8,
}

values! {
    boolean: bool = true;
    text: &'static str = "text";
    number: f64 = 0.5;
    no_number: Vec<f32> = vec![f32::NAN, f32::INFINITY];
    nothing: Option<char> = None;
    pair: (u8, char) = (1, 'a');
    address: Ipv6Addr = Ipv6Addr::LOCALHOST;
    structs: Vec<Wrapped<Choice<u8>>> = vec![Wrapped(Choice::Two(1, 2))];
    variants: [Choice<i64>; 3] = [Choice::One(1), Choice::Two(1, 2), Choice::Three { field: 1 }];
    keys_of_text: HashMap<String, u8> = HashMap::from([("a".to_owned(), 1)]);
    keys_of_numbers: BTreeMap<i16, u8> = BTreeMap::from([(-1, 1), (1, 2)]);
    keys_of_letters: BTreeMap<char, bool> = BTreeMap::from([('a', true)]);
    keys_of_pairs: BTreeMap<(u8, u8), u8> = BTreeMap::from([((1, 2), 3)]);
    keys_of_lists_inside: Option<Vec<BTreeMap<Vec<u8>, u8>>> = Some(vec![BTreeMap::from([(vec![1], 3)])]);
    keys_of_nothing: BTreeMap<Option<u8>, u8> = BTreeMap::from([(None, 3)]);
    flat: Flat = Flat { number: 1 };
    huge: u128 = u128::MAX;
    huge_inside: Vec<i128> = vec![i128::MIN];
    some_huge: Option<u128> = Some(u128::MAX);
    wrapped_huge: Choice<Wrapped<i128>> = Choice::One(Wrapped(1));
    field_huge: Choice<Wrapped<i128>> = Choice::Three { field: Wrapped(1) };
    pair_huge: Choice<u128> = Choice::Two(1, 2);
    failing: Vec<Trouble> = vec![Trouble::Fails];
    no_failing: Vec<Trouble> = vec![];
}

fn events() -> EventRouter {
    values(shop::events())
        .on("value", value)
        .on("ok", ok)
        .on("err", err)
        .on("keep", keep)
        .on("flush", flush)
        .on("binary", binary)
}

#[connect_handler(counter)]
async fn connected_with_trouble(counter: &mut Counter, Data(trouble): Data<Trouble>) -> Result<(), Trouble> {
    counter.count += 1;
    Err(trouble)
}

fn app() -> App {
    let namespaces = |io: &socketioxide::SocketIo| {
        io.ns("/", events());
        io.ns("/trouble", connected_with_trouble);
    };
    shop::open_with(sessions(MemoryBackend::default()), Router::new(), namespaces).0
}

const TROUBLES: [(&str, &str); 2] = [("fails", "encode"), ("panics", "panicked")];

#[tokio::test]
async fn nothing_is_saved() {
    let app = app();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let mut socket = browser.socket().await;
    for (trouble, code) in TROUBLES {
        for event in ["value", "ok", "err"] {
            assert_eq!(socket.ask(event, &[json!(trouble)]).await["code"], code, "{event}");
            assert_eq!(browser.get("/count").await.json(), 1, "{event} {trouble}");
        }
        // Nobody waits for this value.
        socket.emit("err", &[json!(trouble)]).await;
        assert_eq!(socket.event("session_error").await[0]["code"], code);
    }
    assert_eq!(socket.ask("add", &[]).await, 2);
    assert_eq!(socket.unasked(), []);
}

#[tokio::test]
async fn what_was_asked_for_in_spite_of_a_failure_is_done() {
    let app = app();
    let browser = Client::new(&app);
    for (trouble, code) in TROUBLES {
        browser.get("/add").await.ok();
        let mut socket = browser.socket().await;
        assert_eq!(socket.ask("keep", &[json!(trouble)]).await["code"], code);
        assert_eq!(browser.get("/count").await.json(), 2);
        assert_eq!(socket.ask("flush", &[json!(trouble)]).await["code"], code);
        socket.disconnected("/").await;
        assert_eq!(browser.get("/count").await.json(), 0);
    }
}

#[tokio::test]
async fn a_connect_handlers_error_is_told_as_far_as_it_can_be() {
    let app = app();
    let browser = Client::new(&app);
    for (trouble, code) in TROUBLES {
        let mut socket = browser.socket().await;
        socket.connection.join_with("/trouble", &trouble).await.unwrap();
        assert_eq!(socket.event("session_error").await[0]["code"], code);
        assert_eq!(browser.get("/count").await.json(), 0);
        assert_eq!(socket.ask("echo", &[]).await, "echo");
    }
}

#[tokio::test]
async fn a_value_is_saved_exactly_if_it_can_be_told() {
    let app = app();
    let browser = Client::new(&app);
    browser.get("/add").await.ok();
    let mut socket = browser.socket().await;
    let mut count = 1;
    let mut told = 0;
    for name in VALUES {
        let encodes = socket.ask(&format!("encode {name}"), &[]).await == true;
        let number = socket.ask_later("/", name, &[]).await;
        if encodes {
            count += 1;
            told += 1;
        } else {
            assert_eq!(socket.answer("/", number).await["code"], "encode", "{name}");
        }
        assert_eq!(socket.ask("add", &[]).await, count + 1, "{name} encodes: {encodes}");
        count += 1;
    }
    assert!(told > 10 && told + 5 < VALUES.len(), "values of both kinds: {told}");
}

#[tokio::test]
async fn what_is_binary_stays_so() {
    let app = app();
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let socket = clients.connect(Connect::to(&app, transport)).await;
        let buffer = |data: Value| json!({ "type": "Buffer", "data": data });
        let told = socket.ask("binary", &[]).await;
        assert_eq!(told, json!([buffer(json!([0, 255])), buffer(json!([]))]));
        assert_eq!(socket.ask("add", &[]).await, 2);
    }
}
