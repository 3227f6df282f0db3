//! Every outcome of a handler, on both sides: what its client is told, and what is stored before and after. One table.
//!
//! Clauses: 5, 6.

use std::{collections::HashMap, time::Duration};

use axum::{
    Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketioxide::extract::{Data, State as SocketState};
use socketioxide_session::{
    Backend, Error, EventRouter, SessionControl, Shared, StoreBackend,
    backend::{self, BackendError, Commit, Load, Loaded, Registry, SessionId},
    http_handler, socket_handler,
    testing::Packet,
};
use socketioxide_session_tests::{
    app::{sessions, with_sockets},
    client::{self, Client},
    fixture::shop::{self, Cart, Counter, User},
    gate::Gate,
    http::Answer,
    stores::{Step, TestStore},
};
use tokio::task::JoinHandle;

/// The limits of all applications here, in the time of a paused clock.
const WAIT: Duration = Duration::from_secs(5);
const HOLD: Duration = Duration::from_secs(10);

/// How a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    Normal,
    /// An answer of 404 that is no `Err`.
    NotFound,
    /// An answer of 503 that is no `Err`.
    Unavailable,
    /// `Err`, of 422 in HTTP.
    Err,
    /// `Err` after `keep_changes`.
    ErrKept,
    Panic,
    /// Normal, after the gate was opened.
    Held,
    /// Normal, after a wait that is longer than a turn may be held.
    TooLong,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Order {
    end: End,
    /// After `flush`.
    flush: bool,
}

/// Every handler changes two states: both changes are there afterwards, or neither is.
async fn act(
    counter: &mut Counter,
    cart: &mut Cart,
    order: Order,
    control: &SessionControl,
    gate: &Gate,
) -> Result<StatusCode, Refused> {
    counter.count += 1;
    cart.items.push(counter.count);
    if order.flush {
        control.flush().expect("a session to end");
    }
    match order.end {
        End::Normal => Ok(StatusCode::OK),
        End::NotFound => Ok(StatusCode::NOT_FOUND),
        End::Unavailable => Ok(StatusCode::SERVICE_UNAVAILABLE),
        End::Err => Err(Refused),
        End::ErrKept => {
            control.keep_changes().expect("changes to keep");
            Err(Refused)
        }
        End::Panic => panic!("as the test wants"),
        End::Held => {
            gate.pass().await;
            Ok(StatusCode::OK)
        }
        End::TooLong => {
            tokio::time::sleep(HOLD + Duration::from_secs(1)).await;
            Ok(StatusCode::OK)
        }
    }
}

#[derive(Debug)]
struct Refused;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::UNPROCESSABLE_ENTITY, "refused").into_response()
    }
}

#[http_handler(counter, cart)]
async fn http_act(
    counter: &mut Counter,
    cart: &mut Cart,
    control: SessionControl,
    State(gate): State<Gate>,
    Query(order): Query<Order>,
) -> Result<(StatusCode, String), Refused> {
    let status = act(counter, cart, order, &control, &gate).await?;
    Ok((status, counter.count.to_string()))
}

#[socket_handler(counter, cart)]
async fn socket_act(
    counter: &mut Counter,
    cart: &mut Cart,
    control: SessionControl,
    SocketState(gate): SocketState<Gate>,
    Data(order): Data<Order>,
) -> Result<u64, &'static str> {
    act(counter, cart, order, &control, &gate).await.map_err(|_| "refused")?;
    Ok(counter.count)
}

#[http_handler(counter)]
async fn http_nested(counter: &mut Counter, user: Shared<User>) -> Result<(), Error> {
    counter.count += 1;
    user.update(|user| user.visits += 1).await
}

#[socket_handler(counter)]
async fn socket_nested(counter: &mut Counter, user: Shared<User>) -> Result<(), Error> {
    counter.count += 1;
    user.read().await.map(drop)
}

fn connected() -> EventRouter {
    EventRouter::new().on("act", socket_act).on("nested", socket_nested)
}

/// What goes wrong around the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    /// The client goes away while its handler runs.
    ClientLeaves,
    /// Another request ends the session while the handler runs.
    Ended,
    /// Another request changes the session's id while the handler runs.
    IdChanged,
    /// The session expires while the handler runs.
    Expired,
    LoadFails,
    WriteFails,
    /// The commit takes place, and its answer is lost.
    AnswerLost,
    /// Another handler holds the turn for longer than one waits.
    TurnTimeout,
    /// Another handler holds the turn, and as many wait as may.
    TooManyWaiters,
    /// The handler uses `Shared` inside its turn.
    Nested,
    /// What is stored is no `Counter`.
    Undecodable,
}

/// What is stored afterwards, compared with what was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Exactly the same.
    Same,
    /// Both changes of this one handler, and nothing else.
    Committed,
    /// The same, under the session's new id.
    Moved,
    /// No session.
    Gone,
}

/// What an HTTP client is told: the status and what the body contains.
type Http = Option<(u16, &'static str)>;

/// What a socket's client is told.
#[derive(Clone, Copy, Debug)]
enum Socket {
    /// This outcome is HTTP's own.
    No,
    /// The value; without an acknowledgement, nothing.
    Value,
    /// `{"error": "refused"}`.
    Refused,
    /// An error of the crate, with this code.
    Code(&'static str),
    /// Only that it is disconnected.
    Disconnected,
}

struct Case {
    end: End,
    flush: bool,
    trouble: Trouble,
    http: Http,
    socket: Socket,
    left: Left,
}

const fn ends(end: End, http: Http, socket: Socket, left: Left) -> Case {
    Case { end, flush: false, trouble: Trouble::Nothing, http, socket, left }
}

const fn flushes(end: End, http: Http, socket: Socket) -> Case {
    Case { end, flush: true, trouble: Trouble::Nothing, http, socket, left: Left::Gone }
}

const fn meets(trouble: Trouble, end: End, http: Http, socket: Socket, left: Left) -> Case {
    Case { end, flush: false, trouble, http, socket, left }
}

#[rustfmt::skip]
const TABLE: &[Case] = &[
    ends(End::Normal,      Some((200, "2")),        Socket::Value,            Left::Committed),
    ends(End::NotFound,    Some((404, "2")),        Socket::No,               Left::Committed),
    ends(End::Unavailable, Some((503, "2")),        Socket::No,               Left::Same),
    ends(End::Err,         Some((422, "refused")),  Socket::Refused,          Left::Same),
    ends(End::ErrKept,     Some((422, "refused")),  Socket::Refused,          Left::Committed),
    ends(End::Panic,       Some((500, "panicked")), Socket::Code("panicked"), Left::Same),

    flushes(End::Normal,      Some((200, "2")),        Socket::Value),
    flushes(End::NotFound,    Some((404, "2")),        Socket::No),
    flushes(End::Unavailable, Some((503, "2")),        Socket::No),
    flushes(End::Err,         Some((422, "refused")),  Socket::Refused),
    flushes(End::ErrKept,     Some((422, "refused")),  Socket::Refused),
    flushes(End::Panic,       Some((500, "panicked")), Socket::Code("panicked")),

    meets(Trouble::ClientLeaves,   End::Held,    None,                           Socket::No,                        Left::Same),
    meets(Trouble::Ended,          End::Held,    Some((409, "has ended")),       Socket::Disconnected,              Left::Gone),
    meets(Trouble::Expired,        End::Held,    Some((409, "has ended")),       Socket::Code("session_ended"),     Left::Gone),
    meets(Trouble::IdChanged,      End::Held,    Some((409, "id has changed")),  Socket::Disconnected,              Left::Moved),
    meets(Trouble::LoadFails,      End::Normal,  Some((503, "backend failed")),  Socket::Code("backend"),           Left::Same),
    meets(Trouble::WriteFails,     End::Normal,  Some((500, "may or may not")),  Socket::Code("outcome_unknown"),   Left::Same),
    meets(Trouble::AnswerLost,     End::Normal,  Some((500, "may or may not")),  Socket::Code("outcome_unknown"),   Left::Committed),
    meets(Trouble::Nothing,        End::TooLong, Some((503, "held too long")),   Socket::Code("turn_lost"),         Left::Same),
    meets(Trouble::TurnTimeout,    End::Normal,  Some((503, "in time")),         Socket::Code("turn_timeout"),      Left::Same),
    meets(Trouble::TooManyWaiters, End::Normal,  Some((503, "too many calls")),  Socket::Code("too_many_waiters"),  Left::Same),
    meets(Trouble::Nested,         End::Normal,  Some((500, "name the state")),  Socket::Code("nested_turn"),       Left::Same),
    meets(Trouble::Undecodable,    End::Normal,  Some((500, "does not decode")), Socket::Code("undecodable"),       Left::Same),
];

/// A backend that can lose the answers of commits that took place.
#[derive(Clone, Debug)]
struct Lossy {
    inner: StoreBackend<TestStore>,
    loses: bool,
}

impl Backend for Lossy {
    fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    fn load(&self, id: SessionId, load: Load) -> backend::Answer<Result<Option<Loaded>, BackendError>> {
        self.inner.load(id, load)
    }

    fn commit(&self, commit: Commit) -> backend::Answer<Result<(), BackendError>> {
        let Self { inner, loses } = self.clone();
        backend::Answer::pending(async move {
            inner.commit(commit).await?;
            if loses {
                return Err(BackendError::OutcomeUnknown("the answer is lost, as the test wants".into()));
            }
            Ok(())
        })
    }
}

/// An application with one session, in which the counter is at 1.
struct Stage {
    client: Client,
    store: TestStore,
    gate: Gate,
    cookie: String,
}

fn app(backend: Lossy, gate: &Gate) -> Client {
    let routes = Router::new()
        .route("/act", get(http_act))
        .route("/nested", get(http_nested))
        .route("/flush", get(shop::http::flush))
        .route("/cycle", get(shop::http::cycle));
    let application = with_sockets(routes, gate.clone(), |io| io.ns("/", connected()));
    let layer = sessions(backend).with_turn_timeout(WAIT).with_turn_limit(HOLD).with_max_waiters(1);
    Client::of(application.layer(layer))
}

fn path(order: Order) -> String {
    format!("/act?end={:?}&flush={}", order.end, order.flush)
}

const NORMAL: Order = Order { end: End::Normal, flush: false };
const REFUSED: Order = Order { end: End::Err, flush: false };
const HELD: Order = Order { end: End::Held, flush: false };

impl Stage {
    async fn new(case: &Case) -> Self {
        let (store, gate) = (TestStore::default(), Gate::default());
        let inner = StoreBackend::new(store.clone());
        // The first write is one whose answer arrives.
        let first = app(Lossy { inner: inner.clone(), loses: false }, &gate);
        first.get(&path(NORMAL)).await.ok();
        let loses = case.trouble == Trouble::AnswerLost;
        let client = app(Lossy { inner, loses }, &gate).another(first.cookie().as_deref());
        let cookie = client.session();
        if case.trouble == Trouble::Undecodable {
            store.put(&cookie, "counter", json!({ "count": "no number" }));
        }
        Self { client, store, gate, cookie }
    }

    fn record(&self) -> HashMap<String, Value> {
        self.store.record(&self.cookie).expect("a stored session")
    }

    /// A request that holds the turn at the gate.
    async fn hold_the_turn(&self) -> JoinHandle<Answer> {
        let holder = tokio::spawn(self.client.another(Some(&self.cookie)).get(&path(HELD)));
        self.gate.reached().await;
        holder
    }

    /// What goes wrong before the call.
    fn before(&self, trouble: Trouble) {
        match trouble {
            Trouble::LoadFails => self.store.break_down(Step::Load),
            Trouble::WriteFails => self.store.break_down(Step::Write),
            _ => {}
        }
    }

    /// What goes wrong while the handler is at the gate. Gives who did it.
    async fn meanwhile(&self, trouble: Trouble) -> Client {
        let somebody = self.client.another(Some(&self.cookie));
        match trouble {
            Trouble::Ended => drop(somebody.get("/flush").await.ok()),
            Trouble::IdChanged => drop(somebody.get("/cycle").await.ok()),
            Trouble::Expired => self.store.expire(&self.cookie),
            _ => {}
        }
        somebody
    }

    /// Compares what is stored with what was.
    fn compare(&self, before: HashMap<String, Value>, left: Left, now: &Client) {
        let mut expected = before;
        match left {
            Left::Same => assert_eq!(self.record(), expected),
            Left::Committed => {
                expected.insert("counter".to_owned(), json!({ "count": 2 }));
                expected.insert("cart".to_owned(), json!({ "items": [1, 2] }));
                assert_eq!(self.record(), expected);
            }
            Left::Moved => {
                assert_eq!(self.store.record(&self.cookie), None);
                assert_eq!(self.store.record(&now.session()), Some(expected));
            }
            Left::Gone => {
                // A store may keep what has expired, but nobody wrote to it.
                let kept = self.store.record(&self.cookie);
                assert!(kept.is_none_or(|kept| kept == expected));
            }
        }
        let sessions = usize::from(left != Left::Gone || self.store.has(&self.cookie));
        assert_eq!(self.store.len(), sessions, "no session was left behind");
    }

    /// The turn has ended: the next one comes at once.
    async fn the_next_goes_on(&self, left: Left, now: &Client) {
        self.store.recover();
        let client = if left == Left::Moved { now.clone() } else { self.client.clone() };
        let began = tokio::time::Instant::now();
        let answer = client.get(&path(NORMAL)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!([200, 500].contains(&answer.status), "{answer:?}");
    }
}

fn check_answer(answer: &Answer, case: &Case, (status, text): (u16, &str)) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.body.contains(text), "{answer:?}");
    let own_503 = status == 503 && case.end != End::Unavailable;
    assert_eq!(answer.headers.contains_key("retry-after"), own_503, "{answer:?}");
    assert!(!answer.body.contains("as the test wants"), "the cause is nobody's business: {answer:?}");
    // Only the response that ends the session removes the cookie; none sets another.
    let removes = answer.set_cookies().iter().any(|line| line.contains("Max-Age=0"));
    assert_eq!((answer.set_cookies().len(), removes), (usize::from(case.flush), case.flush), "{answer:?}");
}

async fn in_http(case: &Case) {
    let stage = Stage::new(case).await;
    let before = stage.record();
    let order = Order { end: case.end, flush: case.flush };
    let path = if case.trouble == Trouble::Nested { "/nested".to_owned() } else { path(order) };
    stage.before(case.trouble);
    let mut somebody = stage.client.clone();
    match (case.trouble, case.http) {
        (Trouble::ClientLeaves, _) => {
            let leaving = tokio::spawn(stage.client.get(&path));
            stage.gate.reached().await;
            leaving.abort();
            assert!(leaving.await.expect_err("a request that was dropped").is_cancelled());
        }
        (Trouble::TurnTimeout | Trouble::TooManyWaiters, Some(told)) => {
            let holder = stage.hold_the_turn().await;
            let waiting = tokio::spawn(stage.client.get(&path));
            tokio::task::yield_now().await;
            if case.trouble == Trouble::TurnTimeout {
                check_answer(&waiting.await.expect("an answer"), case, told);
            } else {
                check_answer(&stage.client.get(&path).await, case, told);
                waiting.abort();
            }
            assert_eq!(stage.record(), before);
            holder.abort();
            holder.await.expect_err("a holder that was dropped");
        }
        (_, Some(told)) => {
            let call = tokio::spawn(stage.client.get(&path));
            if case.end == End::Held {
                stage.gate.reached().await;
                somebody = stage.meanwhile(case.trouble).await;
                stage.gate.open();
            }
            check_answer(&call.await.expect("an answer"), case, told);
        }
        (_, None) => unreachable!("only who leaves is told nothing"),
    }
    stage.compare(before, case.left, &somebody);
    stage.the_next_goes_on(case.left, &somebody).await;
}

/// A paused clock goes on when everything that can run has run.
async fn everything_has_run() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// What the client of a socket is told: by the acknowledgement, or without one by `session_error` or not at all.
async fn check_told(socket: &client::Socket, ack: Option<u64>, told: Socket) {
    let value = match (told, ack) {
        (Socket::Value, None) | (Socket::No, _) => return,
        (Socket::Disconnected, _) => {
            match socket.next().await {
                Some(Packet::Event { name, .. }) if name == "session_ended" => {}
                packet => assert!(matches!(packet, None | Some(Packet::Disconnect { .. })), "{packet:?}"),
            }
            return;
        }
        (_, Some(number)) => match socket.next().await {
            Some(Packet::Ack { id, args: values, .. }) if id == number => values,
            other => panic!("no acknowledgement: {other:?}"),
        },
        (_, None) => match socket.next().await {
            Some(Packet::Event { name, args: values, .. }) if name == "session_error" => values,
            other => panic!("no session_error: {other:?}"),
        },
    };
    let [value] = &value[..] else { panic!("not one value: {value:?}") };
    match told {
        Socket::Value => assert_eq!(value, &json!(2)),
        Socket::Refused => assert_eq!(value, &json!({ "error": "refused" })),
        Socket::Code(code) => {
            assert_eq!(value["code"], code, "{value}");
            let text = value["error"].as_str().expect("a text");
            assert!(!text.contains("as the test wants"), "the cause is nobody's business: {text}");
        }
        Socket::Disconnected | Socket::No => unreachable!("they returned above"),
    }
}

async fn emit(socket: &mut client::Socket, event: &str, order: &Value, acknowledged: bool) -> Option<u64> {
    let order = std::slice::from_ref(order);
    if acknowledged {
        return Some(socket.ask_later("/", event, order).await);
    }
    socket.emit(event, order).await;
    None
}

async fn on_a_socket(case: &Case, acknowledged: bool) {
    let stage = Stage::new(case).await;
    let before = stage.record();
    let order = json!(Order { end: case.end, flush: case.flush });
    let event = if case.trouble == Trouble::Nested { "nested" } else { "act" };
    let mut socket = stage.client.socket().await;
    stage.before(case.trouble);
    let mut somebody = stage.client.clone();
    match case.trouble {
        Trouble::TurnTimeout | Trouble::TooManyWaiters => {
            let holder = stage.hold_the_turn().await;
            let mut waiting = None;
            if case.trouble == Trouble::TooManyWaiters {
                waiting = Some(tokio::spawn(stage.client.get(&path(NORMAL))));
                tokio::task::yield_now().await;
            }
            let ack = emit(&mut socket, event, &order, acknowledged).await;
            check_told(&socket, ack, case.socket).await;
            assert_eq!(stage.record(), before);
            waiting.inspect(JoinHandle::abort);
            holder.abort();
            holder.await.expect_err("a holder that was dropped");
        }
        _ => {
            let ack = emit(&mut socket, event, &order, acknowledged).await;
            if case.end == End::Held {
                stage.gate.reached().await;
                somebody = stage.meanwhile(case.trouble).await;
            }
            let told_first = matches!(case.socket, Socket::Disconnected);
            if told_first {
                check_told(&socket, ack, case.socket).await;
            }
            stage.gate.open();
            if told_first {
                everything_has_run().await;
            } else {
                check_told(&socket, ack, case.socket).await;
            }
            if case.flush {
                // Its answer first, then its end.
                check_told(&socket, None, Socket::Disconnected).await;
            }
        }
    }
    if matches!(case.socket, Socket::Value) && !acknowledged && !case.flush {
        // The next packet answers an event behind it: nothing was said of this one.
        assert_eq!(socket.ask("act", &[json!(REFUSED)]).await, json!({ "error": "refused" }));
    }
    stage.compare(before, case.left, &somebody);
    stage.the_next_goes_on(case.left, &somebody).await;
}

#[tokio::test(start_paused = true)]
async fn every_outcome_in_http() {
    for case in TABLE {
        println!("{:?}, flush: {}, {:?}", case.end, case.flush, case.trouble);
        in_http(case).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_outcome_on_a_socket_with_an_acknowledgement() {
    for case in TABLE.iter().filter(|case| !matches!(case.socket, Socket::No)) {
        println!("{:?}, flush: {}, {:?}", case.end, case.flush, case.trouble);
        on_a_socket(case, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_outcome_on_a_socket_without_one() {
    for case in TABLE.iter().filter(|case| !matches!(case.socket, Socket::No)) {
        println!("{:?}, flush: {}, {:?}", case.end, case.flush, case.trouble);
        on_a_socket(case, false).await;
    }
}

/// A request whose client leaves is dropped; an event's handler runs to its end, for socketioxide drops none.
#[tokio::test(start_paused = true)]
async fn an_event_whose_client_leaves() {
    let case = ends(End::Held, None, Socket::No, Left::Committed);
    let stage = Stage::new(&case).await;
    let before = stage.record();
    let mut socket = stage.client.socket().await;
    socket.ask_later("/", "act", &[json!(HELD)]).await;
    stage.gate.reached().await;
    drop(socket);
    stage.gate.open();
    // The next one in the queue changes nothing, and comes after it.
    assert_eq!(stage.client.get(&path(REFUSED)).await.status, 422);
    stage.compare(before, case.left, &stage.client);
    stage.the_next_goes_on(case.left, &stage.client).await;
}

/// A flush is carried out though its client has gone.
#[tokio::test(start_paused = true)]
async fn a_flush_whose_client_leaves() {
    let case = flushes(End::Held, None, Socket::No);
    for by_socket in [false, true] {
        let stage = Stage::new(&case).await;
        let order = Order { end: End::Held, flush: true };
        if by_socket {
            let mut socket = stage.client.socket().await;
            socket.ask_later("/", "act", &[json!(order)]).await;
            stage.gate.reached().await;
            drop(socket);
            stage.gate.open();
        } else {
            let leaving = tokio::spawn(stage.client.get(&path(order)));
            stage.gate.reached().await;
            leaving.abort();
        }
        everything_has_run().await;
        assert!(stage.store.is_empty());
    }
}
