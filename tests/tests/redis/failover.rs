//! Failovers of a Redis Cluster under load: sessions in all slots, requests and events, and one primary after the other killed
//! or told to hand over. What was acknowledged is counted: an orderly handover loses nothing, a killed primary at most what
//! its replica had not heard of yet; nothing is doubled or out of order, and nobody restarts anything.
//!
//! Clauses: 3, 6, 14.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use socketioxide_session::{EventRouter, RedisBackend};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    ledger::{self, Ledger},
    raw::RawSocket,
    records::{SECOND, milliseconds},
    redis_cluster::RedisCluster,
    several::chaos::{Browser, Outcome, Random, World, any_socket},
    soak::short_or_long,
};
use tokio::{
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

/// So many that some are in each third of the slots.
const SESSIONS: u64 = 18;

/// A replica notices after a second that its primary is dead, and is elected. What is longer is the machine.
const BACK_WITHIN: Duration = SECOND.saturating_mul(20);

/// No replica is further behind than this where nothing holds it up.
const BEHIND: Duration = SECOND;

/// For so long a replica hears nothing before its primary is killed.
const AHEAD: Duration = milliseconds(300);

/// What happens to a primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// It is killed, having acknowledged what its replica has not heard.
    KilledAhead,
    /// It is told to hand over.
    HandedOver,
    Killed,
    /// It is killed so, but acknowledges nothing without a replica that hears it.
    KilledGuarded,
}

/// The short form has the first two.
const BLOWS: [Blow; 3] = [Blow::KilledAhead, Blow::HandedOver, Blow::Killed];

/// What is known of one session.
#[derive(Default)]
struct Known {
    third: usize,
    cookie: String,
    told: Mutex<Vec<Told>>,
    refused: Mutex<BTreeSet<(String, u64)>>,
}

/// A call that was acknowledged.
struct Told {
    client: String,
    number: u64,
    count: u64,
    begun: Instant,
    at: Instant,
}

impl Known {
    async fn note(&self, client: &str, number: u64, begun: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Told(count) => {
                let count = count.as_u64();
                let count = count.unwrap_or_else(|| panic!("{client}'s call {number} took place twice"));
                let (client, at) = (client.to_owned(), Instant::now());
                self.told.lock().await.push(Told { client, number, count, begun, at });
            }
            Outcome::Refused => drop(self.refused.lock().await.insert((client.to_owned(), number))),
            Outcome::Open => {}
        }
    }

    /// Whether something was acknowledged since then.
    async fn was_told_since(&self, moment: Instant) -> bool {
        self.told.lock().await.last().is_some_and(|told| told.at > moment)
    }

    /// Which acknowledged calls are not there.
    async fn lost(&self, ledger: &Ledger) -> Vec<Told> {
        let noted = ledger.clients.values().map(|noted| noted.last - noted.missing.len() as u64);
        assert_eq!(ledger.notes, noted.sum::<u64>(), "a note is there twice, or counted and not there");
        for (client, number) in &*self.refused.lock().await {
            assert!(!ledger.has(client, *number), "{client}'s call {number} was refused and took place");
        }
        let told = std::mem::take(&mut *self.told.lock().await);
        let (kept, lost): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|told| ledger.has(&told.client, told.number));
        if lost.is_empty() {
            let counts: BTreeSet<_> = kept.iter().map(|told| told.count).collect();
            assert_eq!(counts.len(), kept.len(), "a count was given twice");
            for client in ledger.clients.keys() {
                let of_client = kept.iter().filter(|told| told.client == *client);
                assert!(
                    of_client.is_sorted_by_key(|told| (told.number, told.count)),
                    "{client}: out of order"
                );
            }
        }
        lost
    }
}

async fn asks(mut browser: Browser, world: Arc<World>, known: Arc<Known>) {
    let mut number = 0;
    while world.takes(1) {
        if browser.random.below(4) == 0 {
            browser.read().await;
            continue;
        }
        number += 1;
        let begun = Instant::now();
        let outcome = browser.ask(false, &format!("/note/browser/{number}")).await;
        known.note("browser", number, begun, outcome).await;
    }
}

/// Up to four events are in flight.
async fn emits(mut random: Random, world: Arc<World>, known: Arc<Known>) {
    let (mut number, mut socket) = (0, None::<RawSocket>);
    while world.takes(1) {
        let Some(connection) = &mut socket else {
            socket = any_socket(&world, &known.cookie, &mut random).await;
            continue;
        };
        let (begun, mut asked) = (Instant::now(), Vec::new());
        for _ in 0..=random.below(4) {
            number += 1;
            let arguments = [json!("socket"), json!(number)];
            asked.push((number, connection.ask_later("/", "note", &arguments).await));
        }
        let mut is_lost = false;
        for (number, acknowledgement) in asked {
            let value = if is_lost { None } else { connection.try_answer(acknowledgement).await };
            is_lost |= value.is_none();
            let outcome = value.map_or(Outcome::Open, Outcome::of_acknowledgement);
            world.ended(begun, &outcome).await;
            known.note("socket", number, begun, outcome).await;
        }
        if is_lost {
            socket = None;
        }
    }
}

/// Waits until something was acknowledged after that in each session there. Gives how long that took.
async fn back_after(all: &[Arc<Known>], third: usize, moment: Instant) -> Duration {
    for known in all.iter().filter(|known| known.third == third) {
        while !known.was_told_since(moment).await {
            assert!(moment.elapsed() < BACK_WITHIN, "a session of third {third} is not back");
            sleep(milliseconds(20)).await;
        }
    }
    moment.elapsed()
}

async fn node(cluster: &RedisCluster) -> App {
    let backend = RedisBackend::cluster_builder(cluster.urls()).with_lease(SECOND).connect().await.unwrap();
    let events = EventRouter::new().on("note", ledger::socket_note);
    let application = with_sockets(ledger::routes(), (), |io| io.ns("/", events));
    App::new(application.layer(sessions(backend)))
}

/// A session of which one note is there.
async fn begin(cluster: &RedisCluster, world: &Arc<World>, seed: u64) -> Arc<Known> {
    let before = all_records(cluster).await;
    let mut first = Browser::new(world, seed, None);
    assert!(matches!(first.ask(false, "/note/first/1").await, Outcome::Told(_)));
    let (third, _) = all_records(cluster).await.difference(&before).next().unwrap().clone();
    Arc::new(Known { third, cookie: first.cookie.unwrap(), ..Known::default() })
}

async fn all_records(cluster: &RedisCluster) -> BTreeSet<(usize, String)> {
    let mut all = BTreeSet::new();
    for third in 0..3 {
        all.extend(cluster.keys(third, "session:*}").await.into_iter().map(|record| (third, record)));
    }
    all
}

/// Clients of all sessions, while the blows fall. What was acknowledged and is lost, by the blow that it was lost in.
async fn lost_under(cluster: &mut RedisCluster, blows: &[Blow]) -> BTreeMap<Blow, usize> {
    let nodes = [node(cluster).await, node(cluster).await];
    let world = Arc::new(World::new(nodes.iter().map(App::address).collect(), u64::MAX));
    let mut all = Vec::new();
    for seed in 0..SESSIONS {
        all.push(begin(cluster, &world, seed).await);
    }
    let mut clients = JoinSet::new();
    for (known, seed) in all.iter().zip(100..) {
        let browser = Browser::new(&world, seed, Some(known.cookie.clone()));
        clients.spawn(asks(browser, Arc::clone(&world), Arc::clone(known)));
        clients.spawn(emits(Random(seed + 100), Arc::clone(&world), Arc::clone(known)));
    }
    let mut fell = Vec::new();
    for (round, blow) in blows.iter().enumerate() {
        let third = round / BLOWS.len() % 3;
        sleep(milliseconds(500)).await;
        let at = Instant::now();
        let (until, back) = strike(cluster, *blow, third, &all).await;
        fell.push(Fell { blow: *blow, third, at, until });
        println!("third {third}: {blow:?}, all back after {back:?}");
    }
    world.left.store(0, Ordering::SeqCst);
    clients.join_all().await;

    let mut lost = BTreeMap::new();
    for (known, seed) in all.iter().zip(500..) {
        let mut browser = Browser::new(&world, seed, Some(known.cookie.clone()));
        let ledger = loop {
            if let Some(ledger) = browser.read().await {
                break ledger;
            }
        };
        for told in known.lost(&ledger).await {
            let fell = fell.iter().find(|fell| fell.explains(known.third, &told));
            let fell = fell.unwrap_or_else(|| panic!("{} {} is lost for nothing", told.client, told.number));
            *lost.entry(fell.blow).or_default() += 1;
        }
    }
    let count = |count: &AtomicU64| count.load(Ordering::SeqCst);
    println!(
        "{} calls acknowledged, {lost:?} of them lost; {} refused, {} left open",
        count(&world.told),
        count(&world.refused),
        count(&world.open),
    );
    lost
}

struct Fell {
    blow: Blow,
    third: usize,
    at: Instant,
    /// The primary is none any more; a guarded one acknowledges nothing more.
    until: Instant,
}

impl Fell {
    /// Only what was acknowledged just before a primary died can be lost, and only there: what began afterwards, another
    /// primary acknowledged.
    fn explains(&self, third: usize, told: &Told) -> bool {
        self.third == third && told.at + BEHIND > self.at && told.begun < self.until
    }
}

/// Strikes a primary. Gives when it was none any more, and how long it took until all its sessions were acknowledged
/// something again.
async fn strike(
    cluster: &mut RedisCluster,
    blow: Blow,
    third: usize,
    all: &[Arc<Known>],
) -> (Instant, Duration) {
    let begun = Instant::now();
    let until = match blow {
        Blow::KilledAhead => cluster.kill_primary_ahead(third, AHEAD).await[1],
        // What it acknowledged before it knew can be lost, nothing after that.
        Blow::KilledGuarded => cluster.kill_primary_ahead(third, AHEAD).await[0],
        Blow::HandedOver => cluster.hand_over(third).await,
        Blow::Killed => cluster.kill_primary(third).await,
    };
    if blow == Blow::KilledGuarded {
        // Without a replica of its own the new one acknowledges nothing.
        cluster.revive_replica(third).await;
    }
    let changed = begun.elapsed();
    let back = back_after(all, third, begun + changed).await + changed;
    if matches!(blow, Blow::KilledAhead | Blow::Killed) {
        cluster.revive_replica(third).await;
    }
    (until, back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn primaries_die_and_hand_over_under_load() {
    let mut cluster = RedisCluster::start().await;
    let blows: Vec<_> = BLOWS.into_iter().cycle().take(short_or_long(2, 27)).collect();
    let lost = lost_under(&mut cluster, &blows).await;
    assert!(lost.contains_key(&Blow::KilledAhead), "what is lost is not missed here: {lost:?}");
    assert!(!lost.contains_key(&Blow::HandedOver), "{lost:?}");
}

/// As the page on several machines has it: what can be lost is what the replica was behind while it was still connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_knows_that_it_has_no_replica_acknowledges_nothing_that_is_lost() {
    let mut cluster = RedisCluster::start().await;
    cluster.configure("min-replicas-max-lag", "2").await;
    cluster.configure("min-replicas-to-write", "1").await;
    lost_under(&mut cluster, &[Blow::KilledGuarded; 9][..short_or_long(1, 9)]).await;
}
