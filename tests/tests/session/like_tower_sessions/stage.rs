//! Runs a program under one layer, and writes down all that can be seen of it. Each method is called when the program
//! says so, so that nothing depends on who is scheduled first.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant as StdInstant},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request as HttpRequest, StatusCode, header},
    response::Response,
    routing::get,
};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Value, json};
use socketioxide_session::{MemoryBackend, SameSite, SessionLayer, StoreBackend, backend::SessionId};
use socketioxide_session_tests::{
    records, soon,
    stores::{Step as StoreStep, TestStore},
};
use time::OffsetDateTime;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower::ServiceExt;
use tower_sessions::{Expiry, Session, SessionManagerLayer, session, session::Id};

use super::program::{End, Life, Op, Program, Request, Shows, Step};

/// What stands beside the values of a record in a store, and is none of them.
const NOT_A_VALUE: &str = "socketioxide-session";

/// Under whose layer a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    TowerSessions,
    OursInMemory,
    OursInAStore,
}

/// What was seen, in the order in which it was.
pub(super) type Trace = Vec<Seen>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// A method was called: by which request, what it returned, and the `Session`'s id after it.
    Called {
        who: usize,
        op: Op,
        returned: Returned,
        id: Option<usize>,
    },
    Looked(Look),
}

/// What a method returned; an error by its kind.
pub(super) type Returned = Result<Value, &'static str>;

/// What there is after a request has ended, or some time has passed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) after: After,
    /// What the browser has.
    pub(super) cookie: Option<Cookie>,
    /// The sessions that are alive, by their ids: the so-many-th that was seen.
    pub(super) sessions: BTreeMap<usize, Stored>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum After {
    Request { who: usize, answer: Option<Answer> },
    Wait,
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) set_cookie: Option<SetCookie>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct SetCookie {
    pub(super) removes: bool,
    /// All but the value and the life.
    pub(super) attributes: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cookie {
    pub(super) id: usize,
    /// How many seconds it has to live; `None`: until the browser is closed.
    pub(super) life: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) values: BTreeMap<String, Value>,
    /// How many seconds it has to live.
    pub(super) life: i64,
}

/// Runs a program on a paused clock.
pub(super) fn run(program: &Program, layer: Layer) -> Trace {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let mut stage = Stage::new(program, layer);
        for step in &program.steps {
            stage.step(step).await;
        }
        stage.trace
    })
}

/// What the handler of a request is told to do next.
enum Command {
    Call(Op, oneshot::Sender<(Returned, Option<Id>)>),
    Answer(u16),
}

/// Where handlers find who tells them what to do.
#[derive(Clone)]
struct Desk {
    clock: Clock,
    commands: Arc<Mutex<HashMap<usize, mpsc::UnboundedReceiver<Command>>>>,
}

async fn handler(State(desk): State<Desk>, Path(who): Path<usize>, session: Session) -> StatusCode {
    let commands = desk.commands.lock().expect("a desk").remove(&who);
    let mut commands = commands.expect("one who says what to do");
    loop {
        match commands.recv().await.expect("a command") {
            Command::Call(op, answer) => {
                let returned = call(&session, &op, desk.clock).await;
                answer.send((returned, session.id())).expect("one who listens");
            }
            Command::Answer(status) => return StatusCode::from_u16(status).expect("a status"),
        }
    }
}

struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("broken, as the test wants"))
    }
}

/// So that nothing and a `null` are told apart.
fn maybe<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |value| json!([value.into()]))
}

async fn call(session: &Session, op: &Op, clock: Clock) -> Returned {
    let done = |()| Value::Null;
    let returned = match op {
        Op::Insert(key, value) => session.insert(key, value).await.map(done),
        Op::InsertValue(key, value) => session.insert_value(key, value.clone()).await.map(maybe),
        Op::InsertBroken(key) => session.insert(key, Broken).await.map(done),
        Op::Get(key) => session.get::<u64>(key).await.map(maybe),
        Op::GetValue(key) => session.get_value(key).await.map(maybe),
        Op::Remove(key) => session.remove::<u64>(key).await.map(maybe),
        Op::RemoveValue(key) => session.remove_value(key).await.map(maybe),
        Op::Clear => {
            session.clear().await;
            Ok(Value::Null)
        }
        Op::IsEmpty => Ok(session.is_empty().await.into()),
        Op::IsModified => Ok(session.is_modified().into()),
        Op::Id => Ok(session.id().is_some().into()),
        Op::Expiry => Ok(told(session.expiry()).into()),
        Op::Load => session.load().await.map(done),
        Op::Save | Op::SaveFails => session.save().await.map(done),
        Op::CycleId => session.cycle_id().await.map(done),
        Op::Flush => session.flush().await.map(done),
        Op::Delete => session.delete().await.map(done),
        Op::SetExpiry(life) => {
            session.set_expiry(life.map(|life| expiry(life, clock.now())));
            Ok(Value::Null)
        }
    };
    returned.map_err(|error| match error {
        session::Error::SerdeJson(_) => "not of this type",
        session::Error::Store(_) => "the store",
    })
}

/// By which clock a layer reckons.
#[derive(Clone, Copy)]
enum Clock {
    Machine,
    Tokio,
}

impl Clock {
    /// How far it is ahead of the machine's.
    fn ahead(self) -> time::Duration {
        match self {
            Self::Machine => time::Duration::ZERO,
            Self::Tokio => {
                let tokio = tokio::time::Instant::now().into_std();
                let machine = StdInstant::now();
                let ahead = tokio.saturating_duration_since(machine);
                let behind = machine.saturating_duration_since(tokio);
                time::Duration::try_from(ahead).expect("a duration")
                    - time::Duration::try_from(behind).expect("a duration")
            }
        }
    }

    fn now(self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.ahead()
    }
}

fn expiry(life: Life, now: OffsetDateTime) -> Expiry {
    match life {
        Life::SessionEnd => Expiry::OnSessionEnd,
        Life::Inactivity(minutes) => Expiry::OnInactivity(time::Duration::minutes(minutes)),
        Life::At(minutes) => Expiry::AtDateTime(now + time::Duration::minutes(minutes)),
    }
}

fn told(expiry: Option<Expiry>) -> String {
    match expiry {
        // When it is said to come depends on when it was set, by a clock that runs.
        Some(Expiry::AtDateTime(_)) => "AtDateTime".to_owned(),
        other => format!("{other:?}"),
    }
}

enum Sessions {
    InMemory(MemoryBackend),
    InAStore(TestStore),
}

/// A request that is under way.
struct Flight<'a> {
    who: usize,
    request: &'a Request,
    /// How many methods it has called.
    called: usize,
    commands: mpsc::UnboundedSender<Command>,
    task: JoinHandle<Response>,
}

struct Stage {
    layer: Layer,
    sessions: Sessions,
    router: Router,
    desk: Desk,
    /// Ids in the order in which they were seen.
    ids: Vec<Id>,
    /// What the browser has, and when that expires.
    cookie: Option<(Id, Option<Duration>)>,
    /// How much time has passed.
    passed: Duration,
    begun: usize,
    trace: Trace,
}

impl Stage {
    fn new(program: &Program, layer: Layer) -> Self {
        let clock = if layer == Layer::TowerSessions { Clock::Machine } else { Clock::Tokio };
        let desk = Desk { clock, commands: Arc::default() };
        let application = Router::new().route("/{who}", get(handler)).with_state(desk.clone());
        let store = TestStore::default();
        let memory = MemoryBackend::default();
        let expiry = program.expiry.map(|life| expiry(life, OffsetDateTime::now_utc()));
        // The builders have the same methods, and no trait that says so.
        macro_rules! under {
            ($layer:expr) => {{
                let layer = $layer.with_same_site(SameSite::Lax).with_always_save(program.always_save);
                match expiry {
                    Some(expiry) => application.layer(layer.with_expiry(expiry)),
                    None => application.layer(layer),
                }
            }};
        }
        let router = match layer {
            Layer::TowerSessions => under!(SessionManagerLayer::new(store.clone())),
            Layer::OursInMemory => under!(SessionLayer::new(memory.clone())),
            Layer::OursInAStore => under!(SessionLayer::new(StoreBackend::new(store.clone()))),
        };
        let sessions = match layer {
            Layer::OursInMemory => Sessions::InMemory(memory),
            Layer::TowerSessions | Layer::OursInAStore => Sessions::InAStore(store),
        };
        Self {
            layer,
            sessions,
            router,
            desk,
            ids: Vec::new(),
            cookie: None,
            passed: Duration::ZERO,
            begun: 0,
            trace: Trace::new(),
        }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Alone(request) => {
                let mut flight = self.begin(request).await;
                while self.go_on(&mut flight).await {}
            }
            Step::Both { first, second, turns } => {
                let mut first = self.begin(first).await;
                let mut second = self.begin(second).await;
                let mut under_way = [true, true];
                for turn in turns {
                    let which = usize::from(*turn);
                    if under_way[which] {
                        let flight = if *turn { &mut second } else { &mut first };
                        under_way[which] = self.go_on(flight).await;
                    }
                }
                while under_way[0] && self.go_on(&mut first).await {}
                while under_way[1] && self.go_on(&mut second).await {}
            }
            Step::Wait(seconds) => {
                self.wait(Duration::from_secs(*seconds)).await;
                let look = self.look(After::Wait).await;
                self.trace.push(Seen::Looked(look));
            }
        }
    }

    /// Time passes. tower-sessions reads the machine's clock: so its records are made older instead.
    async fn wait(&mut self, time: Duration) {
        self.passed += time;
        if self.cookie.as_ref().is_some_and(|(_, dies)| dies.is_some_and(|dies| dies <= self.passed)) {
            self.cookie = None;
        }
        match &self.sessions {
            Sessions::InAStore(store) if self.layer == Layer::TowerSessions => {
                for id in store.ids() {
                    let line = format!("id={id}");
                    let time = time::Duration::try_from(time).expect("a duration");
                    store.expire_in(&line, store.lives(&line) - time);
                }
            }
            _ => tokio::time::advance(time).await,
        }
        settle().await;
    }

    async fn begin<'a>(&mut self, request: &'a Request) -> Flight<'a> {
        let who = self.begun;
        self.begun += 1;
        let (commands, receiver) = mpsc::unbounded_channel();
        self.desk.commands.lock().expect("a desk").insert(who, receiver);
        let id = match request.shows {
            Shows::Own => self.cookie.as_ref().map(|(id, _)| *id),
            Shows::Nothing => None,
            Shows::Id(which) => self.ids.get(which).copied(),
        };
        let mut http = HttpRequest::get(format!("/{who}"));
        if let Some(id) = id {
            http = http.header(header::COOKIE, format!("id={id}"));
        }
        let http = http.body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(http);
        let task = tokio::spawn(async move { response.await.unwrap_or_else(|never| match never {}) });
        settle().await;
        Flight { who, request, called: 0, commands, task }
    }

    /// The next step of a request; `false`: it was the last one.
    async fn go_on(&mut self, flight: &mut Flight<'_>) -> bool {
        if let Some(op) = flight.request.ops.get(flight.called) {
            flight.called += 1;
            self.call(flight, op).await;
            return true;
        }
        let answer = match flight.request.end {
            End::Answer(status) => {
                flight.commands.send(Command::Answer(status)).expect("a handler that listens");
                let response = soon("an answer", &mut flight.task).await.expect("an answer");
                Some(self.receive(&response))
            }
            End::Dropped => {
                flight.task.abort();
                (&mut flight.task).await.expect_err("a task that was aborted");
                None
            }
        };
        settle().await;
        let look = self.look(After::Request { who: flight.who, answer }).await;
        self.trace.push(Seen::Looked(look));
        false
    }

    async fn call(&mut self, flight: &Flight<'_>, op: &Op) {
        let fails = match &self.sessions {
            Sessions::InAStore(store) if *op == Op::SaveFails => Some(store.clone()),
            _ => None,
        };
        if let Some(store) = &fails {
            store.break_down(StoreStep::Write);
        }
        let (answer, returned) = oneshot::channel();
        flight.commands.send(Command::Call(op.clone(), answer)).expect("a handler that listens");
        let (returned, id) = soon("a method", returned).await.expect("a method that returns");
        if let Some(store) = &fails {
            store.recover();
        }
        let id = id.map(|id| self.number(id));
        self.trace.push(Seen::Called { who: flight.who, op: op.clone(), returned, id });
    }

    fn number(&mut self, id: Id) -> usize {
        self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        })
    }

    /// What the browser makes of a response.
    fn receive(&mut self, response: &Response) -> Answer {
        let lines = set_cookies(response.headers());
        assert!(lines.len() <= 1, "one Set-Cookie at most: {lines:?}");
        let set_cookie = lines.first().map(|line| self.keep(line));
        Answer { status: response.status().as_u16(), set_cookie }
    }

    fn keep(&mut self, set_cookie: &str) -> SetCookie {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        let mut attributes = BTreeSet::from([name.to_owned()]);
        let mut max_age = None;
        for part in parts {
            match part.split_once('=') {
                Some(("Max-Age", seconds)) => max_age = Some(seconds.parse::<i64>().expect("a number")),
                Some(("Expires", _)) => {}
                _ => {
                    attributes.insert(part.to_owned());
                }
            }
        }
        let removes = max_age.is_some_and(|life| life <= 0);
        if removes {
            self.cookie = None;
        } else {
            let id = value.parse().expect("an id");
            self.number(id);
            let dies = max_age.map(|life| self.passed + Duration::from_secs(life.unsigned_abs()));
            self.cookie = Some((id, dies));
        }
        SetCookie { removes, attributes }
    }

    async fn look(&self, after: After) -> Look {
        let mut sessions = BTreeMap::new();
        for (number, id) in self.ids.iter().enumerate() {
            if let Some(stored) = self.stored(*id).await {
                sessions.insert(number, stored);
            }
        }
        let cookie = self.cookie.map(|(id, dies)| Cookie {
            id: self.ids.iter().position(|known| *known == id).expect("an id that was seen"),
            life: dies.map(|dies| dies.saturating_sub(self.passed).as_secs().cast_signed()),
        });
        Look { after, cookie, sessions }
    }

    async fn stored(&self, id: Id) -> Option<Stored> {
        let (values, life) = match &self.sessions {
            Sessions::InMemory(memory) => {
                let loaded =
                    records::load(memory, SessionId::from(id)).await.expect("a backend that loads")?;
                let values = loaded.values.into_iter();
                let values = values.map(|(key, value)| (key.into_owned(), value.json().clone())).collect();
                (values, loaded.expires - self.desk.clock.now())
            }
            Sessions::InAStore(store) => {
                let line = format!("id={id}");
                let mut values: BTreeMap<_, _> = store.record(&line)?.into_iter().collect();
                values.remove(NOT_A_VALUE);
                (values, store.lives(&line) - self.desk.clock.ahead())
            }
        };
        life.is_positive().then(|| Stored { values, life: life.whole_seconds() })
    }
}

fn set_cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(header::SET_COOKIE).iter();
    lines.map(|line| line.to_str().expect("a readable cookie").to_owned()).collect()
}

/// A paused clock goes on when everything that can run has run.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Called { who, op, returned, id } => {
                let id = id.map_or_else(|| "none".to_owned(), |id| id.to_string());
                write!(f, "request {who}: {op} = {returned:?}, id {id}")
            }
            Self::Looked(look) => write!(f, "{look}"),
        }
    }
}

impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            After::Request { who, answer: Some(answer) } => write!(f, "request {who} -> {}", answer.status)?,
            After::Request { who, answer: None } => write!(f, "request {who} dropped")?,
            After::Wait => f.write_str("later")?,
        }
        match &self.cookie {
            Some(Cookie { id, life: Some(life) }) => write!(f, "; cookie: id {id} for {life} s")?,
            Some(Cookie { id, life: None }) => write!(f, "; cookie: id {id}")?,
            None => f.write_str("; no cookie")?,
        }
        for (id, Stored { values, life }) in &self.sessions {
            write!(f, "; id {id}: {} for {life} s", json!(values))?;
        }
        Ok(())
    }
}
