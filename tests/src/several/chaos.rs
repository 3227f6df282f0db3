//! Three processes, one engine that writes down all it acknowledges, a mixed load, and one blow after the other; and all
//! the time answers that are lost after the engine did what it was asked. Nothing that was acknowledged is lost, doubled or
//! out of order; nothing that was refused took place; what ended stays ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::Node;
use crate::{
    app::App,
    ledger::Ledger,
    raw::RawSocket,
    records::{SECOND, milliseconds},
};

/// Few, so that calls of all nodes meet.
const SESSIONS: u64 = 2;

/// How long the turns of a process outlive it.
pub const LEASE: Duration = SECOND;

/// No call may take longer: it waits for a turn, loads and commits, each within its limit.
const LONGEST: Duration = Duration::from_secs(45);

/// Numbers that look random, the same for the same seed.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn place(&mut self, places: usize) -> usize {
        usize::try_from(self.below(places as u64)).unwrap()
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What all clients share.
#[derive(Debug)]
pub struct World {
    nodes: Mutex<Vec<SocketAddr>>,
    /// Calls that may still be made, and how many were acknowledged, refused, or left open.
    pub left: AtomicU64,
    pub told: AtomicU64,
    pub refused: AtomicU64,
    pub open: AtomicU64,
    longest: Mutex<Duration>,
}

impl World {
    pub fn new(nodes: Vec<SocketAddr>, calls: u64) -> Self {
        let (nodes, left) = (Mutex::new(nodes), AtomicU64::new(calls));
        let (told, refused, open, longest) = Default::default();
        Self { nodes, left, told, refused, open, longest }
    }

    async fn node(&self, random: &mut Random) -> SocketAddr {
        let nodes = self.nodes.lock().await;
        nodes[random.place(nodes.len())]
    }

    /// `false` once enough calls were made.
    pub fn takes(&self, calls: u64) -> bool {
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(calls)).is_ok()
    }

    pub async fn ended(&self, begun: Instant, outcome: &Outcome) {
        let count = match outcome {
            Outcome::Told(_) => &self.told,
            Outcome::Refused => &self.refused,
            Outcome::Open => &self.open,
        };
        count.fetch_add(1, Ordering::SeqCst);
        let took = begun.elapsed();
        let mut longest = self.longest.lock().await;
        *longest = longest.max(took);
        assert!(took < LONGEST, "a call took {took:?}");
    }
}

/// How a call ended for its client.
#[derive(Debug)]
pub enum Outcome {
    Told(Value),
    /// Nothing of it took place.
    Refused,
    /// The client cannot know.
    Open,
}

impl Outcome {
    fn of_answer(status: u16, body: &str) -> Self {
        match status {
            200 => Self::Told(serde_json::from_str(body).unwrap_or_default()),
            503 => Self::Refused,
            500 if body.contains("may or may not") => Self::Open,
            _ => panic!("{status}: {body}"),
        }
    }

    pub fn of_acknowledgement(value: Value) -> Self {
        match value["code"].as_str() {
            None => Self::Told(value),
            Some("backend" | "turn_lost" | "turn_timeout") => Self::Refused,
            Some("outcome_unknown") => Self::Open,
            Some(_) => panic!("{value}"),
        }
    }
}

/// A client over HTTP, which asks any node.
#[derive(Debug)]
pub struct Browser {
    world: Arc<World>,
    client: reqwest::Client,
    pub random: Random,
    pub cookie: Option<String>,
}

impl Browser {
    pub fn new(world: &Arc<World>, seed: u64, cookie: Option<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(LONGEST).build().unwrap();
        Self { world: Arc::clone(world), client, random: Random(seed), cookie }
    }

    pub async fn ask(&mut self, reads: bool, path: &str) -> Outcome {
        let begun = Instant::now();
        let url = format!("http://{}{path}", self.world.node(&mut self.random).await);
        let mut request = if reads { self.client.get(url) } else { self.client.post(url) };
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let outcome = match request.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let cookie = answer.headers().get("set-cookie").map(|line| line.to_str().unwrap().to_owned());
                match answer.text().await {
                    Ok(body) => {
                        if let Some(cookie) = cookie.filter(|_| status == 200) {
                            self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
                        }
                        Outcome::of_answer(status, &body)
                    }
                    Err(_) => Outcome::Open,
                }
            }
            Err(error) if error.is_connect() => Outcome::Refused,
            Err(_) => Outcome::Open,
        };
        self.world.ended(begun, &outcome).await;
        if matches!(outcome, Outcome::Refused) {
            // Perhaps it asked a node that is not there.
            sleep(milliseconds(5)).await;
        }
        outcome
    }

    pub async fn read(&mut self) -> Option<Ledger> {
        match self.ask(true, "/ledger").await {
            Outcome::Told(ledger) => Some(serde_json::from_value(ledger).unwrap()),
            Outcome::Refused | Outcome::Open => None,
        }
    }
}

/// What is known of a session: how many notes there are at least, and which counts were given.
#[derive(Default)]
struct Known {
    at_least: AtomicU64,
    counts: Mutex<BTreeSet<u64>>,
}

impl Known {
    /// A call was told this count. There were so many notes when it began.
    async fn told(&self, count: &Value, before: u64, what: &str) {
        let count = count.as_u64().unwrap_or_else(|| panic!("{what} came late or twice: {count}"));
        assert!(count > before, "{what} is note {count}, and there were {before} before it");
        assert!(self.counts.lock().await.insert(count), "{what} is note {count}, as another is");
        self.at_least.fetch_max(count, Ordering::SeqCst);
    }
}

/// What a client's calls came to, by their numbers.
#[derive(Default)]
struct Calls {
    told: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

impl Calls {
    fn verify(&self, client: &str, ledger: &Ledger) {
        for number in &self.told {
            assert!(ledger.has(client, *number), "{client}'s call {number} was acknowledged and is lost");
        }
        for number in &self.refused {
            assert!(!ledger.has(client, *number), "{client}'s call {number} was refused and took place");
        }
    }
}

async fn counts_over_http(mut browser: Browser, known: Arc<Known>, client: String) -> (String, Calls) {
    let mut calls = Calls::default();
    let mut number = 0;
    while browser.world.takes(1) {
        let before = known.at_least.load(Ordering::SeqCst);
        if browser.random.below(3) == 0 {
            if let Some(ledger) = browser.read().await {
                assert!(ledger.notes >= before, "{} notes were read, and {before} known", ledger.notes);
            }
            continue;
        }
        number += 1;
        let kind = if browser.random.below(2) == 0 { "note" } else { "shared-note" };
        match browser.ask(false, &format!("/{kind}/{client}/{number}")).await {
            Outcome::Told(count) => {
                known.told(&count, before, &format!("{client}'s call {number}")).await;
                calls.told.insert(number);
            }
            Outcome::Refused => drop(calls.refused.insert(number)),
            Outcome::Open => {}
        }
    }
    (client, calls)
}

/// A socket of any node; `None` if it cannot be had now.
pub async fn any_socket(world: &World, cookie: &str, random: &mut Random) -> Option<RawSocket> {
    let app = App::elsewhere(world.node(random).await);
    if let Ok(mut socket) = RawSocket::open(&app, Some(cookie)).await
        && socket.join("/").await.is_ok()
    {
        return Some(socket);
    }
    sleep(milliseconds(20)).await;
    None
}

/// Up to eight events are in flight.
async fn counts_by_events(
    world: Arc<World>,
    cookie: String,
    known: Arc<Known>,
    client: String,
    seed: u64,
) -> (String, Calls) {
    let (mut calls, mut random) = (Calls::default(), Random(seed));
    let (mut number, mut socket) = (0, None::<RawSocket>);
    loop {
        let Some(connection) = &mut socket else {
            socket = any_socket(&world, &cookie, &mut random).await;
            continue;
        };
        let burst = 1 + random.below(8);
        if !world.takes(burst) {
            return (client, calls);
        }
        let (begun, mut before) = (Instant::now(), known.at_least.load(Ordering::SeqCst));
        let mut asked = Vec::new();
        for _ in 0..burst {
            number += 1;
            asked.push((number, connection.ask_later("/", "note", &[json!(client), json!(number)]).await));
        }
        let mut lost = false;
        for (number, acknowledgement) in asked {
            let outcome = match if lost { None } else { connection.try_answer(acknowledgement).await } {
                Some(value) => Outcome::of_acknowledgement(value),
                None => Outcome::Open,
            };
            lost |= matches!(outcome, Outcome::Open);
            world.ended(begun, &outcome).await;
            match outcome {
                Outcome::Told(count) => {
                    known.told(&count, before, &format!("{client}'s event {number}")).await;
                    // The events of a socket take effect in their order.
                    before = before.max(count.as_u64().unwrap());
                    calls.told.insert(number);
                }
                Outcome::Refused => drop(calls.refused.insert(number)),
                Outcome::Open => {}
            }
        }
        if lost {
            socket = None;
        }
    }
}

/// A plain `Session` that writes a key of its own.
async fn writes_plainly(mut browser: Browser) {
    let (mut number, mut told, mut open) = (0, 0, BTreeSet::new());
    while browser.world.takes(1) {
        number += 1;
        match browser.ask(false, &format!("/plain/{number}")).await {
            Outcome::Told(before) => {
                let before = before.as_u64().unwrap_or_default();
                // Of one that nobody knows of, the engine may still have read what its node had sent when that died.
                let is_late = open.contains(&before);
                let is_next = (told..number).contains(&before);
                assert!(is_next || is_late, "{before} was there, and {told} was acknowledged");
                told = number;
            }
            Outcome::Open => drop(open.insert(number)),
            Outcome::Refused => {}
        }
        sleep(milliseconds(20)).await;
    }
}

/// Sessions that begin, change their id and end.
async fn comes_and_goes(world: Arc<World>, seed: u64) {
    let mut visit = 0;
    while world.takes(8) {
        visit += 1;
        let mut browser = Browser::new(&world, seed + visit, None);
        let (mut told, mut number) = (Vec::new(), 0);
        for step in 0..6 {
            number += 1;
            let kind = if step == 3 { "enter" } else { "note" };
            match browser.ask(false, &format!("/{kind}/a/{number}")).await {
                Outcome::Told(count) => {
                    let count = count.as_u64().unwrap();
                    assert!(count > told.len() as u64, "{count} after {told:?}");
                    told.push(number);
                }
                // The answer with the cookie may be what was lost.
                Outcome::Open if step == 3 || browser.cookie.is_none() => break,
                _ if browser.cookie.is_none() => break,
                _ => {}
            }
        }
        let Some(ledger) = browser.read().await.filter(|_| number == 6) else { continue };
        for number in told {
            assert!(ledger.has("a", number), "call {number} before or after a change of id is lost");
        }
        let shown = browser.cookie.clone();
        if matches!(browser.ask(false, "/leave").await, Outcome::Told(_)) {
            browser.cookie = shown;
            if let Some(ledger) = browser.read().await {
                assert_eq!(ledger.notes, 0, "a session is there after its end was acknowledged");
            }
        }
    }
}

/// An engine that suffers.
pub trait Suffers {
    /// How many kinds of blows it has.
    const BLOWS: u64;

    /// The next answer to the node with this number is lost.
    fn loses_an_answer(&self, node: usize);

    /// The node with this number, whose turns outlive it for [`LEASE`].
    fn node(&self, number: usize) -> impl Future<Output = Node>;

    /// One of the blows, which has passed when this is over; it takes as long as `pause` or less. Gives its name.
    fn suffer(&mut self, blow: u64, pause: Duration) -> impl Future<Output = &'static str>;
}

/// One blow after the other until all calls are made; how often each fell. In the end everything runs.
async fn blows<E: Suffers>(
    world: Arc<World>,
    engine: &mut E,
    nodes: &mut [Node],
    seed: u64,
) -> BTreeMap<&'static str, u32> {
    let (mut random, mut fell) = (Random(seed), BTreeMap::new());
    while world.left.load(Ordering::SeqCst) > 50 {
        for _ in 0..4 {
            sleep(milliseconds(20 + random.below(100))).await;
            engine.loses_an_answer(random.place(nodes.len()));
            *fell.entry("answers lost").or_default() += 1;
        }
        let (at, pause) = (random.place(nodes.len()), milliseconds(200 + random.below(1800)));
        let blow = match random.below(E::BLOWS + 3) {
            0 | 1 => {
                nodes[at].process.signal("KILL");
                nodes[at] = engine.node(at).await;
                world.nodes.lock().await[at] = nodes[at].app.address();
                "a process killed"
            }
            2 => {
                nodes[at].process.signal("STOP");
                sleep(pause).await;
                nodes[at].process.signal("CONT");
                "a process stopped"
            }
            blow => engine.suffer(blow - 3, pause).await,
        };
        *fell.entry(blow).or_default() += 1;
    }
    fell
}

/// The run of so many calls, and its figures.
pub async fn run(mut engine: impl Suffers, calls: u64) {
    let seed =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into();
    println!("seed {seed}");
    let mut nodes = Vec::new();
    for number in 0..3 {
        nodes.push(engine.node(number).await);
    }
    let world = Arc::new(World::new(nodes.iter().map(|node| node.app.address()).collect(), calls));
    let (begun, mut clients, mut others, mut cookies) =
        (Instant::now(), Vec::new(), JoinSet::new(), Vec::new());
    for session in 0..SESSIONS {
        let mut first = Browser::new(&world, seed, None);
        assert!(matches!(first.ask(false, "/note/first/1").await, Outcome::Told(_)));
        let (cookie, known) = (first.cookie.unwrap(), Arc::new(Known::default()));
        let (mut counting, seed) = (JoinSet::new(), seed + 100 * session);
        for client in 0..4 {
            let browser = Browser::new(&world, seed + client, Some(cookie.clone()));
            counting.spawn(counts_over_http(browser, Arc::clone(&known), format!("browser {client}")));
            let name = format!("socket {client}");
            counting.spawn(counts_by_events(
                Arc::clone(&world),
                cookie.clone(),
                Arc::clone(&known),
                name,
                seed + 50 + client,
            ));
        }
        others.spawn(writes_plainly(Browser::new(&world, seed + 90, Some(cookie.clone()))));
        others.spawn(comes_and_goes(Arc::clone(&world), seed + 95));
        clients.push(counting);
        cookies.push((cookie, known));
    }
    let fell = blows(Arc::clone(&world), &mut engine, &mut nodes, seed).await;
    let mut counted = Vec::new();
    for counting in clients {
        counted.push(counting.join_all().await);
    }
    others.join_all().await;
    let took = begun.elapsed();

    for ((cookie, known), calls) in cookies.into_iter().zip(counted) {
        let mut browser = Browser::new(&world, seed, Some(cookie));
        let ledger = loop {
            if let Some(ledger) = browser.read().await {
                break ledger;
            }
        };
        assert!(ledger.notes >= known.at_least.load(Ordering::SeqCst));
        let noted = ledger.clients.values().map(|noted| noted.last - noted.missing.len() as u64);
        assert_eq!(
            ledger.notes,
            noted.sum::<u64>(),
            "a note is counted that is not there, or the other way round"
        );
        for (client, calls) in calls {
            calls.verify(&client, &ledger);
        }
    }
    let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
    println!(
        "{} calls acknowledged, {} refused, {} left open in {took:?}, the longest {:?}; {fell:?}",
        count(&world.told),
        count(&world.refused),
        count(&world.open),
        world.longest.lock().await
    );
    assert!(count(&world.told) > calls / 2, "most calls were carried out");
}
