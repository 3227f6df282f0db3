//! Every ending of a request with everything that may be asked of the session itself, whoever asks: what is stored, under
//! which id and for how long, and the cookie that the client gets. One table.
//!
//! Clauses: 1, 5, 6, 10, 11.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketioxide_session::{
    Backend, Expiry, MemoryBackend, Session, SessionControl, StoreBackend, backend::SessionId, http_handler,
};
use socketioxide_session_tests::{
    app::sessions,
    client::Client,
    fixture::shop::Counter,
    gate::Gate,
    http::Answer,
    records,
    stores::{self, TestStore},
};
use time::OffsetDateTime;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Normal,
    /// An answer of 404 that is no `Err`.
    NotFound,
    /// An `Err` of 422.
    Err,
    /// An answer of 503.
    Unavailable,
    Panic,
    /// Its client goes away.
    Dropped,
    /// A layer inside of the session's gives the handler up, and answers 408.
    GivenUp,
}

const ENDS: [End; 7] =
    [End::Normal, End::NotFound, End::Err, End::Unavailable, End::Panic, End::Dropped, End::GivenUp];

/// What is asked of the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Intent {
    Nothing,
    CycleId,
    SetExpiry,
    KeepChanges,
    KeepAndCycle,
    Flush,
}

/// Who changes something, and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A handler under the attribute, by `SessionControl`.
    Annotated,
    /// A handler without one, by `SessionControl`; it changes a value of the plain `Session`.
    Control,
    /// A plain `Session`, by its own methods.
    Plain,
    /// A handler that has nothing to do with the session.
    Nobody,
}

impl Who {
    fn can_ask(self, intent: Intent) -> bool {
        match self {
            Self::Annotated | Self::Control => true,
            Self::Plain => !matches!(intent, Intent::KeepChanges | Intent::KeepAndCycle),
            Self::Nobody => intent == Intent::Nothing,
        }
    }

    /// What it writes.
    fn change(self) -> Option<(&'static str, Value)> {
        match self {
            Self::Annotated => Some(("counter", json!({ "count": 2 }))),
            Self::Control | Self::Plain => Some(("beside", json!(2))),
            Self::Nobody => None,
        }
    }
}

/// What an ending is to who asks.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Good,
    Failed,
    /// There is no answer of its own.
    Lost,
}

fn outcome(who: Who, end: End) -> Outcome {
    match (who, end) {
        (_, End::Unavailable) | (Who::Annotated, End::Err) => Outcome::Failed,
        (_, End::Panic | End::Dropped) | (Who::Annotated, End::GivenUp) => Outcome::Lost,
        // Without the attribute only the answer counts, and this one is no 5xx.
        (_, End::Normal | End::NotFound | End::Err | End::GivenUp) => Outcome::Good,
    }
}

/// What is left of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// As it was.
    Same,
    /// With the change.
    Written,
    /// With the change, and the expiry that was asked for.
    Longer,
    /// With the change, under another id.
    Moved,
    /// Nothing.
    Gone,
}

#[rustfmt::skip]
const TABLE: [(Intent, [Left; 3]); 6] = [
    //                      good           failed         lost
    (Intent::Nothing,      [Left::Written, Left::Same,    Left::Same]),
    (Intent::CycleId,      [Left::Moved,   Left::Same,    Left::Same]),
    (Intent::SetExpiry,    [Left::Longer,  Left::Same,    Left::Same]),
    (Intent::KeepChanges,  [Left::Written, Left::Written, Left::Same]),
    (Intent::KeepAndCycle, [Left::Moved,   Left::Moved,   Left::Same]),
    (Intent::Flush,        [Left::Gone,    Left::Gone,    Left::Gone]),
];

/// The status that a client is told; `None`: it is told nothing.
fn status(who: Who, end: End) -> Option<u16> {
    match end {
        End::Normal => Some(200),
        End::NotFound => Some(404),
        End::Err => Some(422),
        End::Unavailable => Some(503),
        // Without the attribute nobody catches it: the connection ends.
        End::Panic => (who == Who::Annotated).then_some(500),
        End::Dropped => None,
        End::GivenUp => Some(408),
    }
}

/// The layer's own is two weeks.
const LONG: Expiry = Expiry::OnInactivity(time::Duration::days(30));

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Order {
    end: End,
    intent: Intent,
}

/// Where handlers hang, and what lets a layer give them up.
#[derive(Clone, Default)]
struct Gates {
    inside: Gate,
    give_up: Gate,
}

async fn end(end: End, gates: &Gates) -> Result<StatusCode, Refused> {
    match end {
        End::Normal => Ok(StatusCode::OK),
        End::NotFound => Ok(StatusCode::NOT_FOUND),
        End::Err => Err(Refused),
        End::Unavailable => Ok(StatusCode::SERVICE_UNAVAILABLE),
        End::Panic => panic!("as the test wants"),
        End::Dropped | End::GivenUp => {
            gates.inside.pass().await;
            Ok(StatusCode::OK)
        }
    }
}

struct Refused;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        StatusCode::UNPROCESSABLE_ENTITY.into_response()
    }
}

fn ask(control: &SessionControl, intent: Intent) {
    let asked = match intent {
        Intent::Nothing => Ok(()),
        Intent::CycleId => control.cycle_id(),
        Intent::SetExpiry => control.set_expiry(LONG),
        Intent::KeepChanges => control.keep_changes(),
        Intent::KeepAndCycle => control.keep_changes().and_then(|()| control.cycle_id()),
        Intent::Flush => control.flush(),
    };
    asked.expect("a session of which something can be asked");
}

#[http_handler(counter)]
async fn annotated(
    counter: &mut Counter,
    control: SessionControl,
    State(gates): State<Gates>,
    Query(order): Query<Order>,
) -> Result<StatusCode, Refused> {
    counter.count += 1;
    ask(&control, order.intent);
    end(order.end, &gates).await
}

async fn control(
    session: Session,
    control: SessionControl,
    State(gates): State<Gates>,
    Query(order): Query<Order>,
) -> Result<StatusCode, Refused> {
    session.insert("beside", 2).await.expect("a session that takes values");
    ask(&control, order.intent);
    end(order.end, &gates).await
}

async fn plain(
    session: Session,
    State(gates): State<Gates>,
    Query(order): Query<Order>,
) -> Result<StatusCode, Refused> {
    session.insert("beside", 2).await.expect("a session that takes values");
    match order.intent {
        Intent::CycleId => session.cycle_id().await.expect("a session whose id can change"),
        Intent::SetExpiry => session.set_expiry(Some(LONG)),
        Intent::Flush => session.flush().await.expect("a session to end"),
        Intent::Nothing | Intent::KeepChanges | Intent::KeepAndCycle => {}
    }
    end(order.end, &gates).await
}

async fn nobody(State(gates): State<Gates>, Query(order): Query<Order>) -> Result<StatusCode, Refused> {
    end(order.end, &gates).await
}

/// As tower-http's `TimeoutLayer` does when its time is over: the inner future goes, the answer is 408.
async fn give_up(State(gates): State<Gates>, request: Request, next: Next) -> Response {
    tokio::select! {
        biased;
        () = gates.give_up.pass() => StatusCode::REQUEST_TIMEOUT.into_response(),
        response = next.run(request) => response,
    }
}

#[http_handler(counter)]
async fn seed(counter: &mut Counter, session: Session) {
    counter.count = 1;
    session.insert("beside", 1).await.expect("a session that takes values");
}

/// The values of a session, and for how long it lives.
type Stored = Option<(BTreeMap<String, Value>, time::Duration)>;

/// An application with one session.
struct Stage<B> {
    backend: B,
    gates: Gates,
    browser: Client,
    cookie: String,
}

impl<B: Backend + Clone> Stage<B> {
    async fn new(backend: B) -> Self {
        let gates = Gates::default();
        let routes = Router::new()
            .route("/Annotated", get(annotated))
            .route("/Control", get(control))
            .route("/Plain", get(plain))
            .route("/Nobody", get(nobody))
            .layer(from_fn_with_state(gates.clone(), give_up))
            .route("/seed", get(seed))
            .with_state(gates.clone());
        let browser = Client::of(routes.layer(sessions(backend.clone())));
        browser.get("/seed").await.ok();
        let cookie = browser.session();
        Self { backend, gates, browser, cookie }
    }

    async fn stored(&self, cookie: &str) -> Stored {
        let id = SessionId::from(stores::id(cookie));
        let loaded = records::load(&self.backend, id).await.expect("a backend that loads")?;
        let values = loaded.values.into_iter();
        let values = values.map(|(key, value)| (key.into_owned(), value.json().clone())).collect();
        Some((values, loaded.expires - OffsetDateTime::now_utc()))
    }

    /// The answer, if there is one.
    async fn act(&self, who: Who, order: Order) -> Option<Answer> {
        let path = format!("/{who:?}?end={:?}&intent={:?}", order.end, order.intent);
        let request = tokio::spawn(self.browser.get(&path));
        match order.end {
            End::Dropped => {
                self.gates.inside.reached().await;
                request.abort();
            }
            End::GivenUp => {
                self.gates.inside.reached().await;
                self.gates.give_up.open();
            }
            End::Normal | End::NotFound | End::Err | End::Unavailable | End::Panic => {}
        }
        let answer = request.await.ok();
        // A paused clock goes on when everything that can run has run.
        tokio::time::sleep(Duration::from_millis(1)).await;
        answer
    }

    async fn check(
        &self,
        who: Who,
        order: Order,
        left: Left,
        answer: Option<&Answer>,
        (mut values, life): (BTreeMap<String, Value>, time::Duration),
    ) {
        assert_eq!(answer.map(|answer| answer.status), status(who, order.end));
        // What its client learns.
        let lines = answer.map(Answer::set_cookies).unwrap_or_default();
        let removes = lines.iter().any(|line| line.contains("Max-Age=0"));
        let expected = match (answer, left) {
            (None, _) | (_, Left::Same | Left::Written) => (0, false),
            (_, Left::Longer | Left::Moved) => (1, false),
            (_, Left::Gone) => (1, true),
        };
        assert_eq!((lines.len(), removes), expected, "{lines:?}");
        let now = if answer.is_some() { self.browser.cookie() } else { Some(self.cookie.clone()) };
        if left == Left::Gone {
            assert_eq!(self.stored(&self.cookie).await, None);
            assert_eq!(now.is_none(), answer.is_some());
            return;
        }
        let now = now.expect("a session cookie");
        assert_eq!(now != self.cookie, left == Left::Moved);
        if left == Left::Moved {
            assert_eq!(self.stored(&self.cookie).await, None, "the old id is dead");
        }
        if left != Left::Same {
            values.extend(who.change().map(|(key, value)| (key.to_owned(), value)));
        }
        let (stored, left_to_live) = self.stored(&now).await.expect("a stored session");
        assert_eq!(stored, values);
        let expected = if left == Left::Longer { time::Duration::days(30) } else { life };
        assert!((left_to_live - expected).abs() < time::Duration::minutes(1), "{left_to_live}");
    }
}

async fn every_row<B: Backend + Clone>(backend: impl Fn() -> B) {
    for who in [Who::Annotated, Who::Control, Who::Plain, Who::Nobody] {
        for (intent, lefts) in TABLE.iter().filter(|(intent, _)| who.can_ask(*intent)) {
            for end in ENDS {
                let order = Order { end, intent: *intent };
                let left = lefts[outcome(who, end) as usize];
                println!("{who:?}, {order:?}: {left:?}");
                let stage = Stage::new(backend()).await;
                let before = stage.stored(&stage.cookie).await.expect("a stored session");
                let answer = stage.act(who, order).await;
                stage.check(who, order, left, answer.as_ref(), before).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_ending_with_every_intent_in_memory() {
    every_row(MemoryBackend::default).await;
}

#[tokio::test(start_paused = true)]
async fn every_ending_with_every_intent_in_a_store() {
    every_row(|| StoreBackend::new(TestStore::default())).await;
}
