//! Three processes on one Redis that are restarted one after the other, as a release does it, while clients write over HTTP
//! and sockets: nothing that was acknowledged is lost, nothing takes place twice, and nobody waits for a node that is gone.
//!
//! `tests/soak --test redis restart -- --nocapture` restarts for two minutes.
//!
//! Clauses: 5, 6, 14.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use socketioxide_session_tests::{
    app::App,
    http,
    ledger::Ledger,
    raw::RawSocket,
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    several::Node,
    soak::short_or_long,
    soon,
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::processes::node_at;

const SESSIONS: usize = 3;

/// A turn that a node leaves behind would hold the next writer of its session for so long.
const LEASE: Duration = Duration::from_mins(1);

/// No call may take longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(20);

/// What all clients share.
struct World {
    nodes: Mutex<Vec<SocketAddr>>,
    over: AtomicBool,
    told: AtomicU64,
    /// Attempts that were not told anything, and were made again elsewhere.
    again: AtomicU64,
    longest: Mutex<Duration>,
}

impl World {
    async fn app(&self, number: u64) -> App {
        let nodes = self.nodes.lock().await;
        let number = usize::try_from(number).unwrap();
        App::elsewhere(nodes[number % nodes.len()])
    }

    /// Waits until so many more calls were acknowledged.
    async fn goes_on(&self, calls: u64) {
        let enough = self.told.load(Ordering::SeqCst) + calls;
        let told = async {
            while self.told.load(Ordering::SeqCst) < enough {
                sleep(milliseconds(5)).await;
            }
        };
        soon("acknowledgements", told).await;
    }
}

/// What came of one attempt of a call.
enum Attempt {
    Told(Value),
    /// Nothing of it took place.
    Refused,
    /// It may have taken place.
    Open,
}

/// Somebody who writes, by one way or the other.
enum Way {
    Http(reqwest::Client),
    Socket(Box<Option<RawSocket>>),
}

struct Client {
    world: Arc<World>,
    cookie: String,
    name: String,
    way: Way,
    /// Makes another node of each attempt.
    attempts: u64,
}

impl Client {
    async fn attempt(&mut self, number: u64) -> Attempt {
        self.attempts += 1;
        let app = self.world.app(self.attempts).await;
        match &mut self.way {
            Way::Http(client) => {
                let url = app.url(&format!("/note/{}/{number}", self.name));
                over_http(client.post(url).header("cookie", &self.cookie)).await
            }
            Way::Socket(socket) => {
                if socket.is_none() {
                    **socket = opened(&app, &self.cookie).await;
                }
                let Some(connection) = &mut **socket else { return Attempt::Refused };
                let attempt = by_event(connection, &[json!(self.name), json!(number)]).await;
                if !matches!(attempt, Attempt::Told(_)) {
                    **socket = None;
                }
                attempt
            }
        }
    }

    /// One call, tried until it is acknowledged.
    async fn call(&mut self, number: u64) {
        let (begun, mut may_be_there) = (Instant::now(), false);
        loop {
            match self.attempt(number).await {
                Attempt::Told(count) => {
                    assert!(
                        count.is_u64() || may_be_there,
                        "call {number} of {} took place twice",
                        self.name
                    );
                    break;
                }
                Attempt::Refused => {}
                Attempt::Open => may_be_there = true,
            }
            self.world.again.fetch_add(1, Ordering::SeqCst);
            let waits = begun.elapsed();
            assert!(waits < LONGEST, "call {number} of {} is not acknowledged after {waits:?}", self.name);
            sleep(milliseconds(10)).await;
        }
        self.world.told.fetch_add(1, Ordering::SeqCst);
        let mut longest = self.world.longest.lock().await;
        *longest = longest.max(begun.elapsed());
    }

    /// Gives how many of its calls were acknowledged.
    async fn run(mut self) -> (String, String, u64) {
        let mut number = 0;
        while !self.world.over.load(Ordering::SeqCst) {
            number += 1;
            self.call(number).await;
        }
        (self.cookie, self.name, number)
    }
}

async fn over_http(request: reqwest::RequestBuilder) -> Attempt {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Attempt::Refused,
        Err(_) => return Attempt::Open,
    };
    match (answer.status().as_u16(), answer.text().await) {
        (200, Ok(body)) => Attempt::Told(serde_json::from_str(&body).unwrap()),
        (503, _) => Attempt::Refused,
        (200, Err(_)) => Attempt::Open,
        other => panic!("{other:?}"),
    }
}

/// A socket of this node, if it can be had now.
async fn opened(app: &App, cookie: &str) -> Option<RawSocket> {
    let mut socket = RawSocket::open(app, Some(cookie)).await.ok()?;
    socket.join("/").await.ok()?;
    Some(socket)
}

async fn by_event(socket: &mut RawSocket, note: &[Value]) -> Attempt {
    let asked = socket.ask_later("/", "note", note).await;
    match socket.try_answer(asked).await {
        Some(value) if value["code"].is_null() => Attempt::Told(value),
        Some(value) => {
            assert_eq!(value["code"], "backend", "{value}");
            Attempt::Refused
        }
        None => Attempt::Open,
    }
}

fn clients_of(world: &Arc<World>, session: usize, cookie: &str) -> Vec<Client> {
    let client = || reqwest::Client::builder().no_proxy().timeout(LONGEST).build().unwrap();
    let ways =
        [Way::Http(client()), Way::Http(client()), Way::Socket(Box::default()), Way::Socket(Box::default())];
    let clients = ways.into_iter().enumerate().map(|(at, way)| Client {
        world: Arc::clone(world),
        cookie: cookie.to_owned(),
        name: format!("s{session}c{at}"),
        way,
        attempts: (session * 4 + at) as u64,
    });
    clients.collect()
}

/// Ends a node as a release does, and gives how long that took.
async fn terminate(mut node: Node) -> Duration {
    let begun = Instant::now();
    node.process.signal("TERM");
    let ended = async {
        while node.process.is_running() {
            sleep(milliseconds(5)).await;
        }
    };
    soon("the end of a process", ended).await;
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_loses_nothing_and_holds_nobody_up() {
    let redis = RedisServer::start().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node_at(&redis.url(), LEASE).await);
    }
    let addresses = nodes.iter().map(|node| node.app.address()).collect();
    let world = Arc::new(World {
        nodes: Mutex::new(addresses),
        over: AtomicBool::default(),
        told: AtomicU64::default(),
        again: AtomicU64::default(),
        longest: Mutex::default(),
    });
    let mut clients = JoinSet::new();
    for session in 0..SESSIONS {
        let cookie = http::get(&nodes[0].app, "/rename/Ada", None).await.new_cookie();
        for client in clients_of(&world, session, &cookie) {
            clients.spawn(client.run());
        }
    }

    let (begun, time) = (Instant::now(), short_or_long(SECOND * 8, Duration::from_mins(2)));
    let (mut restarts, mut slowest_end) = (0, Duration::ZERO);
    while begun.elapsed() < time {
        world.goes_on(50).await;
        let at = restarts % nodes.len();
        slowest_end = slowest_end.max(terminate(nodes.remove(at)).await);
        nodes.insert(at, node_at(&redis.url(), LEASE).await);
        world.nodes.lock().await[at] = nodes[at].app.address();
        restarts += 1;
    }
    world.over.store(true, Ordering::SeqCst);

    let mut told = BTreeMap::<String, Vec<(String, u64)>>::new();
    while let Some(client) = soon("the end of the clients", clients.join_next()).await {
        let (cookie, name, calls) = client.unwrap();
        told.entry(cookie).or_default().push((name, calls));
    }
    for (cookie, clients) in told {
        let ledger: Ledger =
            serde_json::from_value(http::get(&nodes[0].app, "/ledger", Some(&cookie)).await.json()).unwrap();
        let all: u64 = clients.iter().map(|(_, calls)| calls).sum();
        assert_eq!(ledger.notes, all, "each call took place once");
        for (client, calls) in clients {
            assert!((1..=calls).all(|number| ledger.has(&client, number)), "all {calls} calls of {client}");
        }
    }
    println!(
        "{restarts} restarts in {:.1?}: {} calls acknowledged, {} attempts made again, the longest call took {:?}, the \
         slowest process {slowest_end:?} to end",
        begun.elapsed(),
        world.told.load(Ordering::SeqCst),
        world.again.load(Ordering::SeqCst),
        world.longest.lock().await,
    );
    assert!(restarts >= 3, "each node was restarted: {restarts}");
}
