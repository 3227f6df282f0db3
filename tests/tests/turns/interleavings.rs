//! Any interleaving of handlers, plain `Session`s, ends and expiry equals some order of them, one after the other.
//!
//! Requests run in this process on a paused clock, and each is held in its middle until the test lets it go on; so
//! the case decides how they overlap, and the store is slow, so that commits overlap, too. What was observed is then
//! explained by a search for an order: one that keeps the order of calls that did not overlap.
//!
//! Clauses: 1, 3, 5, 7, 11.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use socketioxide_session::{Error, Session, SessionControl, Shared, StoreBackend, http_handler};
use socketioxide_session_tests::{
    app::sessions,
    client::Client,
    fixture::shop::{Left, Right},
    gate::Gate,
    soak::cases,
    stores::{Step as StoreStep, TestStore},
};
use tokio::time::sleep;

/// The keys of plain `Session`s.
const KEYS: [&str; 3] = ["x", "y", "z"];

/// What a call does. A number that a call writes is its own, so that it is known whose it is.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    /// A handler of `Left`: adds to its first field.
    Add,
    /// A handler of `Left`: sets its second field.
    Set,
    /// A handler of `Left` that fails.
    Fail,
    /// A handler that moves what is in `Left` to `Right`.
    Move,
    /// `Shared::update` on `Left`'s first field.
    SharedAdd,
    /// A handler that reads both states.
    Read,
    /// A plain `Session`: loads all keys, and after that writes (or removes) these.
    Plain(BTreeMap<usize, bool>),
    /// Ends the session.
    Flush,
}

#[derive(Clone, Debug)]
enum Step {
    Begin(Call),
    /// Lets the so-many-th call that is held go on.
    GoOn(usize),
    /// The session expires, in the store.
    Expire,
    /// Time goes by: what is on its way to the store gets farther.
    Wait(u64),
}

#[derive(Clone)]
struct App {
    gates: Arc<Mutex<HashMap<u64, Gate>>>,
    plans: Arc<Mutex<HashMap<u64, BTreeMap<usize, bool>>>>,
}

impl App {
    fn gate(&self, id: u64) -> Gate {
        self.gates.lock().expect("a lock").entry(id).or_default().clone()
    }
}

#[http_handler(left)]
async fn add(left: &mut Left, State(app): State<App>, Path(id): Path<u64>) -> Json<Value> {
    let before = json!([left.one, left.two]);
    app.gate(id).pass().await;
    left.one += 1;
    Json(before)
}

#[http_handler(left)]
async fn set(left: &mut Left, State(app): State<App>, Path(id): Path<u64>) -> Json<Value> {
    let before = json!([left.one, left.two]);
    app.gate(id).pass().await;
    left.two = id;
    Json(before)
}

#[http_handler(left)]
async fn fail(left: &mut Left, State(app): State<App>, Path(id): Path<u64>) -> Result<(), Json<Value>> {
    let before = json!([left.one, left.two]);
    (left.one, left.two) = (1000 + id, 1000 + id);
    app.gate(id).pass().await;
    Err(Json(before))
}

#[http_handler(right, left)]
async fn move_all(
    right: &mut Right,
    left: &mut Left,
    State(app): State<App>,
    Path(id): Path<u64>,
) -> Json<Value> {
    let before = json!([left.one, left.two, right.one]);
    app.gate(id).pass().await;
    right.one += std::mem::take(&mut left.one);
    Json(before)
}

async fn shared_add(
    left: Shared<Left>,
    State(app): State<App>,
    Path(id): Path<u64>,
) -> Result<Json<Value>, Error> {
    app.gate(id).pass().await;
    let add = |left: &mut Left| {
        let before = json!([left.one, left.two]);
        left.one += 1;
        before
    };
    left.update(add).await.map(Json)
}

#[http_handler(left, right)]
async fn read(left: &Left, right: &Right, State(app): State<App>, Path(id): Path<u64>) -> Json<Value> {
    app.gate(id).pass().await;
    Json(json!([left.one, left.two, right.one]))
}

async fn plain(session: Session, State(app): State<App>, Path(id): Path<u64>) -> Json<Value> {
    let mut before = Vec::new();
    for key in KEYS {
        before.push(session.get_value(key).await.expect("a session that loads"));
    }
    app.gate(id).pass().await;
    let plan = app.plans.lock().expect("a lock").remove(&id).expect("a plan");
    for (key, insert) in plan {
        if insert {
            session.insert(KEYS[key], id).await.expect("a session that takes values");
        } else {
            session.remove_value(KEYS[key]).await.expect("a session that gives values");
        }
    }
    Json(json!(before))
}

async fn flush(control: SessionControl, State(app): State<App>, Path(id): Path<u64>) -> Result<(), Error> {
    app.gate(id).pass().await;
    control.flush()
}

fn path(call: &Call, id: u64) -> String {
    let name = match call {
        Call::Add => "add",
        Call::Set => "set",
        Call::Fail => "fail",
        Call::Move => "move",
        Call::SharedAdd => "shared-add",
        Call::Read => "read",
        Call::Plain(_) => "plain",
        Call::Flush => "flush",
    };
    format!("/{name}/{id}")
}

/// What one call was observed to do: an atomic step, for the search.
#[derive(Clone, Debug)]
struct Event {
    call: Atom,
    id: u64,
    /// What the call says it has found, if it says something.
    found: Option<Value>,
    began: usize,
    ended: usize,
}

#[derive(Clone, Debug)]
enum Atom {
    Add,
    Set,
    /// Finds, and changes nothing.
    ReadLeft,
    Move,
    ReadBoth,
    ReadPlain,
    WritePlain(BTreeMap<usize, bool>),
    End,
}

/// The session, said in the simplest way. `None`: it has ended; who comes then finds nothing, and what it writes goes
/// into a session of its own.
type Model = Option<Stored>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Stored {
    left: [u64; 2],
    right: u64,
    plain: [Option<u64>; 3],
}

impl Event {
    /// What comes of it after `before`; `None` if it cannot have found what it says.
    fn after(&self, before: &Model) -> Option<Model> {
        let alive = before.is_some();
        let mut state = before.clone().unwrap_or_default();
        let (left, right) = (state.left, state.right);
        let finds = match &self.call {
            Atom::Add => {
                state.left[0] += 1;
                json!(left)
            }
            Atom::Set => {
                state.left[1] = self.id;
                json!(left)
            }
            Atom::ReadLeft => json!(left),
            Atom::Move => {
                state.right += left[0];
                state.left[0] = 0;
                json!([left[0], left[1], right])
            }
            Atom::ReadBoth => json!([left[0], left[1], right]),
            Atom::ReadPlain => json!(state.plain),
            Atom::WritePlain(plan) => {
                for (key, insert) in plan {
                    state.plain[*key] = insert.then_some(self.id);
                }
                Value::Null
            }
            Atom::End => return Some(None),
        };
        let fits = self.found.as_ref().is_none_or(|found| *found == finds);
        fits.then(|| alive.then_some(state))
    }
}

/// Whether some order of these, one after the other, leads from `model` to `last`.
fn some_order_explains(events: &[Event], model: &Model, last: &Model) -> bool {
    if events.is_empty() {
        return model == last;
    }
    let first_end = events.iter().map(|event| event.ended).min().unwrap_or(usize::MAX);
    events.iter().enumerate().filter(|(_, event)| event.began < first_end).any(|(at, event)| {
        let Some(after) = event.after(model) else { return false };
        let mut rest = events.to_vec();
        rest.remove(at);
        some_order_explains(&rest, &after, last)
    })
}

/// A call that runs, or has run.
struct Running {
    id: u64,
    call: Call,
    began: usize,
    /// When it was let go on: the changes of a plain `Session` come after that.
    went_on: Option<usize>,
    task: tokio::task::JoinHandle<(u16, Value, usize)>,
}

struct Stage {
    client: Client,
    store: TestStore,
    app: App,
    moment: Arc<AtomicUsize>,
    running: Vec<Running>,
    next: u64,
    ends: Vec<Event>,
    cookie: String,
}

impl Stage {
    async fn new(slow: [u64; 2]) -> Self {
        let store = TestStore::default();
        let app = App { gates: Arc::default(), plans: Arc::default() };
        let routes = Router::new()
            .route("/add/{id}", get(add))
            .route("/set/{id}", get(set))
            .route("/fail/{id}", get(fail))
            .route("/move/{id}", get(move_all))
            .route("/shared-add/{id}", get(shared_add))
            .route("/read/{id}", get(read))
            .route("/plain/{id}", get(plain))
            .route("/flush/{id}", get(flush))
            .with_state(app.clone());
        let client = Client::of(routes.layer(sessions(StoreBackend::new(store.clone()))));
        // The session begins with a count of 1.
        app.gate(0).open();
        client.get("/add/0").await.ok();
        let cookie = client.session();
        for (step, delay) in [(StoreStep::Load, slow[0]), (StoreStep::Write, slow[1])] {
            if delay > 0 {
                store.slow(step, Duration::from_millis(delay));
            }
        }
        let (moment, running, ends) = Default::default();
        Self { client, store, app, moment, running, next: 1, ends, cookie }
    }

    fn now(&self) -> usize {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Begin(call) => {
                let id = self.next;
                self.next += 1;
                if let Call::Plain(plan) = &call {
                    self.app.plans.lock().expect("a lock").insert(id, plan.clone());
                }
                // Each call shows the cookie of the session that the case is about.
                let request = self.client.another(Some(&self.cookie)).get(&path(&call, id));
                let (began, moment) = (self.now(), Arc::clone(&self.moment));
                let task = tokio::spawn(async move {
                    let answer = request.await;
                    let value = serde_json::from_str(&answer.body).unwrap_or_default();
                    (answer.status, value, moment.fetch_add(1, Ordering::SeqCst))
                });
                self.running.push(Running { id, call, began, went_on: None, task });
            }
            Step::GoOn(which) => {
                let now = self.now();
                let mut held: Vec<_> =
                    self.running.iter_mut().filter(|running| running.went_on.is_none()).collect();
                if !held.is_empty() {
                    let at = which % held.len();
                    held[at].went_on = Some(now);
                    self.app.gate(held[at].id).open();
                }
            }
            Step::Expire => {
                // Not in the middle of a write: it would bring back the moment that it has read.
                sleep(Duration::from_millis(50)).await;
                if self.store.has(&self.cookie) {
                    let began = self.now();
                    self.store.expire(&self.cookie);
                    self.ends.push(Event { call: Atom::End, id: 0, found: None, began, ended: self.now() });
                }
            }
            Step::Wait(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
        }
        // A paused clock goes on when everything that can run has run.
        sleep(Duration::from_millis(1)).await;
    }

    /// Lets everything go on, and gives what was observed.
    async fn conclude(mut self) -> (Vec<Event>, Model) {
        for _ in 0..self.running.len() {
            self.step(Step::GoOn(0)).await;
        }
        let mut events = self.ends;
        for running in self.running {
            let Running { id, call, began, went_on, task } = running;
            let (status, found, ended) = task.await.expect("an answer");
            let event = |call, found| Event { call, id, found, began, ended };
            match (call, status) {
                // It was told that nothing was saved.
                (_, 409) => {}
                (Call::Fail, 200) => events.push(event(Atom::ReadLeft, Some(found))),
                (Call::Add | Call::SharedAdd, 200) => events.push(event(Atom::Add, Some(found))),
                (Call::Set, 200) => events.push(event(Atom::Set, Some(found))),
                (Call::Move, 200) => events.push(event(Atom::Move, Some(found))),
                (Call::Read, 200) => events.push(event(Atom::ReadBoth, Some(found))),
                (Call::Flush, 200) => events.push(event(Atom::End, None)),
                (Call::Plain(plan), 200) => {
                    let went_on = went_on.expect("a call that went on");
                    // Removing what its copy does not have changes nothing.
                    let changes = |(key, insert): &(usize, bool)| *insert || !found[*key].is_null();
                    let plan: BTreeMap<_, _> = plan.into_iter().filter(changes).collect();
                    events.push(Event { began: went_on, ..event(Atom::WritePlain(plan), None) });
                    events.push(Event { ended: went_on, ..event(Atom::ReadPlain, Some(found)) });
                }
                (call, status) => panic!("{status} for {call:?}"),
            }
        }
        let alive = self.store.has(&self.cookie) && self.store.lives(&self.cookie).is_positive();
        let record = self.store.record(&self.cookie).filter(|_| alive);
        let last = record.map(|record| {
            let number = |key: &str, field: &str| record.get(key).and_then(|state| state[field].as_u64());
            Stored {
                left: ["one", "two"].map(|field| number("left", field).unwrap_or_default()),
                right: number("right", "one").unwrap_or_default(),
                plain: KEYS.map(|key| record.get(key).and_then(Value::as_u64)),
            }
        });
        (events, last)
    }
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => Just(Call::Add),
        2 => Just(Call::Set),
        1 => Just(Call::Fail),
        2 => Just(Call::Move),
        2 => Just(Call::SharedAdd),
        2 => Just(Call::Read),
        4 => prop::collection::btree_map(0..KEYS.len(), any::<bool>(), 1..=KEYS.len()).prop_map(Call::Plain),
        1 => Just(Call::Flush),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => calls().prop_map(Step::Begin),
        8 => (0..8_usize).prop_map(Step::GoOn),
        1 => Just(Step::Expire),
        2 => (1..8_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..16)
}

proptest! {
    #![proptest_config(cases(400, 20_000))]

    #[test]
    fn any_interleaving_equals_some_order_one_after_the_other(
        steps in steps(),
        slow in prop::array::uniform2(0..4_u64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        let (events, last) = runtime.expect("a runtime").block_on(async {
            let mut stage = Stage::new(slow).await;
            for step in steps {
                stage.step(step).await;
            }
            stage.conclude().await
        });
        let begin = Some(Stored { left: [1, 0], ..Stored::default() });
        prop_assert!(some_order_explains(&events, &begin, &last), "{events:#?} do not lead to {last:?}");
    }
}
