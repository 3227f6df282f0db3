//! A Redis Cluster of several nodes: while slots move, while a primary dies, and a change of id, which no script can
//! make at once there.
//!
//! Clauses: 10, 14.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use redis::{Client, cluster::ClusterClient};
use serde_json::json;
use socketioxide_session::{
    Expiry, RedisBackend,
    backend::{Action, Backend, BackendError, Expires, SessionId},
};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::proxy::Proxy;
use socketioxide_session_tests::{
    records::{SECOND, begin, commit, fields, in_an_hour, load, milliseconds, set, take, update, value},
    redis_cluster::RedisCluster,
    redis_server::RedisServer,
    soak::short_or_long,
};

/// The longest that a call of these tests may take.
const TIMEOUT: std::time::Duration = SECOND.saturating_mul(3);

async fn node(cluster: &RedisCluster) -> RedisBackend {
    RedisBackend::connect_cluster(cluster.urls()).await.unwrap().with_timeout(TIMEOUT)
}

/// Takes a turn and counts. Gives the number that was acknowledged.
async fn count(node: &RedisBackend, id: SessionId) -> Result<u64, BackendError> {
    let held = take(node, id, &["a"], SECOND * 5).await?.ok_or(BackendError::Gone)?;
    let n = held.value("a").unwrap().json()["n"].as_u64().unwrap() + 1;
    let counted = node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await;
    if counted.is_err() {
        node.release(id, held.lease).await;
    }
    counted.map(|()| n)
}

/// Tasks that count, until they are told to end. What they were told, and what was an error.
struct Counting {
    ends: Arc<AtomicBool>,
    tasks: JoinSet<(Vec<u64>, Vec<BackendError>)>,
}

impl Counting {
    fn begin(nodes: &[RedisBackend], id: SessionId) -> Self {
        let (ends, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        for task in 0..8 {
            let (node, ends) = (nodes[task % nodes.len()].clone(), Arc::clone(&ends));
            tasks.spawn(async move {
                let (mut counted, mut errors) = (Vec::new(), Vec::new());
                while !ends.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    match count(&node, id).await {
                        Ok(n) => counted.push(n),
                        Err(error) => errors.push(error),
                    }
                    // The wait for the turn with a last try, the commit, and giving the turn back.
                    let took = begun.elapsed();
                    assert!(took < SECOND * 5 + TIMEOUT * 3 + SECOND, "a call took {took:?}");
                }
                (counted, errors)
            });
        }
        Self { ends, tasks }
    }

    async fn end(mut self) -> (BTreeMap<u64, usize>, Vec<BackendError>) {
        self.ends.store(true, Ordering::SeqCst);
        let (mut counted, mut errors) = (BTreeMap::new(), Vec::new());
        while let Some(task) = self.tasks.join_next().await {
            let (numbers, failed) = task.unwrap();
            for number in numbers {
                *counted.entry(number).or_default() += 1;
            }
            errors.extend(failed);
        }
        (counted, errors)
    }
}

/// The key of a session's record, where there is only one.
async fn key_of(cluster: &RedisCluster) -> String {
    for node in &cluster.nodes[..3] {
        if let Some(key) = node.keys("session:*}").await.pop() {
            return key;
        }
    }
    panic!("no session is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_its_slot_moves_a_session_counts_on() {
    let cluster = RedisCluster::start().await;
    let nodes = [node(&cluster).await, node(&cluster).await];
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let key = key_of(&cluster).await;
    let mut at = cluster.primary_of(&key).await;
    let counting = Counting::begin(&nodes, id);
    for _ in 0..4 {
        sleep(milliseconds(300)).await;
        let to = (at + 1) % 3;
        cluster.migrate(&key, at, to, milliseconds(200)).await;
        at = to;
    }
    sleep(milliseconds(300)).await;
    let (counted, errors) = counting.end().await;
    println!("{} increments while a slot moved four times, {} errors", counted.len(), errors.len());
    assert!(errors.is_empty(), "calls are tried again, and yet: {errors:?}");
    let last = counted.len() as u64;
    assert!(counted.into_iter().eq((1..=last).map(|n| (n, 1))), "each number is told once");
    assert_eq!(value(&nodes[0], id, "a").await, Some(json!({"n": last})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_dies_and_its_replica_goes_on() {
    let mut cluster = RedisCluster::start().await;
    let nodes = [node(&cluster).await, node(&cluster).await];
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let primary = cluster.primary_of(&key_of(&cluster).await).await;
    let counting = Counting::begin(&nodes, id);
    sleep(milliseconds(500)).await;
    let died = Instant::now();
    cluster.nodes[primary].kill();
    // Nothing is restarted.
    let deadline = died + SECOND * 30;
    let mut tries = 0;
    while let Err(error) = count(&nodes[0], id).await {
        tries += 1;
        assert!(Instant::now() < deadline, "{error:?}");
    }
    println!("a turn after {:?}, when {tries} calls had failed", died.elapsed());
    sleep(milliseconds(500)).await;
    let (counted, errors) = counting.end().await;
    let last = value(&nodes[1], id, "a").await.unwrap()["n"].as_u64().unwrap();
    let told: usize = counted.values().sum();
    let twice = counted.values().filter(|times| **times > 1).count();
    println!("{told} increments were told, {twice} numbers twice, {last} are there; {} errors", errors.len());
    for error in &errors {
        assert!(
            matches!(
                error,
                BackendError::Failed(_)
                    | BackendError::OutcomeUnknown(_)
                    | BackendError::TurnLost
                    | BackendError::TurnTimeout
            ),
            "{error:?}"
        );
    }
    // What was told is there, except what a failover can lose; and nothing was counted twice. One more was counted by
    // the call that looked for the end of the failover.
    let unknown = errors.iter().filter(|error| matches!(error, BackendError::OutcomeUnknown(_))).count();
    assert!(last <= (told + 1 + unknown + tries) as u64);
    assert!(last >= *counted.keys().next_back().unwrap());
}

/// All commands of a cluster's client go over the proxy, as if it were the node.
async fn cluster_behind_proxy() -> (RedisServer, Proxy, RedisBackend) {
    let server = RedisServer::start_cluster().await;
    let proxy = Proxy::before(server.port).await;
    let port = proxy.url.trim_end_matches('/').rsplit(':').next().unwrap();
    let () = server.command(&["CONFIG", "SET", "cluster-announce-ip", "127.0.0.1"]).await;
    let () = server.command(&["CONFIG", "SET", "cluster-announce-port", port]).await;
    let client = ClusterClient::new([&*proxy.url]).unwrap();
    let nodes = [Client::open(server.url()).unwrap()];
    let backend = RedisBackend::from_cluster_client(client, nodes).unwrap().with_timeout(SECOND * 2);
    // The scripts are known; and this node has just heard of itself, so that for a while nothing is answered but calls.
    let id = begin(&backend, vec![set("a", 1)]).await;
    backend.commit(commit(id, Action::ChangeId(SessionId::random()), vec![])).await.unwrap();
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    while server.calls("publish").await == 0 {
        sleep(milliseconds(20)).await;
    }
    assert!(load(&backend, id).await.unwrap().is_none());
    (server, proxy, backend)
}

async fn records(server: &RedisServer) -> usize {
    server.keys("session:*}").await.len()
}

#[tokio::test]
async fn a_change_of_id_whose_answers_are_lost_takes_place_once() {
    let (server, proxy, backend) = cluster_behind_proxy().await;
    for step in 0..3 {
        let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        let before = records(&server).await;
        let new = SessionId::random();
        let mut change = commit(id, Action::ChangeId(new), vec![fields("a", [("n", Some(json!(1)))])]);
        change.lease = held.lease;
        proxy.swallow_answers_after(step, 1);
        backend.commit(change).await.unwrap();
        assert!(proxy.all_swallowed());
        assert_eq!(records(&server).await, before);
        assert!(load(&backend, id).await.unwrap().is_none());
        assert_eq!(value(&backend, new, "a").await, Some(json!({"n": 1})));
        let late = backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await;
        assert!(matches!(late, Err(BackendError::Gone)), "{late:?}");
    }
}

/// A node changes the id, having loaded the session before another node gave it an expiry of its own: whenever that
/// comes, it holds under the new id, or whoever set it is told that the old one is over.
#[tokio::test]
async fn an_expiry_that_is_set_beside_a_change_of_id_is_not_overwritten() {
    let (server, proxy, backend) = cluster_behind_proxy().await;
    let other = RedisBackend::connect_cluster([server.url()]).await.unwrap();
    let own = Expiry::OnInactivity(time::Duration::hours(7));
    proxy.delay(10);
    let (mut before, mut after) = (0, 0);
    for round in 0..short_or_long(20, 400) {
        let id = begin(&other, vec![set("a", json!({"n": 0}))]).await;
        let loaded = load(&other, id).await.unwrap().unwrap();
        let (new, soon) = (SessionId::random(), OffsetDateTime::now_utc() + milliseconds(600_000));
        let mut change = commit(id, Action::ChangeId(new), vec![set("b", 1)]);
        change.expires = Some(Expires::reckoned(soon, &loaded.attributes));
        let mut expiring = commit(id, Action::Update, vec![]);
        expiring.attributes.expiry = Some(Some(own));
        let mut attributes = loaded.attributes.clone();
        attributes.expiry = Some(own);
        let late = in_an_hour();
        expiring.expires = Some(Expires::reckoned(late, &attributes));
        let sets = async {
            sleep(milliseconds(round % 5 * 15)).await;
            other.commit(expiring).await
        };
        let changes = async {
            sleep(milliseconds(round % 4 * 15)).await;
            backend.commit(change).await
        };
        let (moved, was_set) = tokio::join!(changes, sets);
        moved.unwrap();
        let now = load(&other, new).await.unwrap().unwrap();
        if let Err(error) = was_set {
            after += 1;
            assert!(matches!(error, BackendError::Gone), "{error:?}");
            assert_eq!(now.attributes.expiry, None);
        } else {
            before += 1;
            assert_eq!((now.attributes.expiry, now.expires), (Some(own), late), "round {round}");
        }
    }
    println!("an expiry was set {before} times before and {after} times after a change of id");
    assert!(before > 0 && after > 0);
}

/// As if the time was over for which a record is shut that is being moved to another id: twenty seconds.
async fn time_passes(server: &RedisServer) {
    for record in server.keys("session:*").await {
        // Not every key is a record.
        let shut: Option<String> = server.try_command(&["HGET", &record, "l"]).await.unwrap_or_default();
        if let Some((by, _)) = shut.as_deref().and_then(|shut| shut.split_once(' ')) {
            let _: u64 = server.command(&["HSET", &record, "l", &format!("{by} 0")]).await;
        }
    }
}

/// The process does not come through from some step on. Whoever holds the old id can go on with it, or is told that
/// it is over; the new one was told to nobody.
#[tokio::test]
async fn a_change_of_id_that_is_cut_off_leaves_one_id() {
    let (mut tries, begun) = (JoinSet::new(), Instant::now());
    for step in 0..3 {
        tries.spawn(async move {
            let (server, proxy, backend) = cluster_behind_proxy().await;
            let other = RedisBackend::connect_cluster([server.url()]).await.unwrap().with_timeout(SECOND);
            let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
            let new = SessionId::random();
            let change = commit(id, Action::ChangeId(new), vec![set("a", json!({"n": 1}))]);
            proxy.swallow_answers_after(step, u32::MAX);
            let cut_off = backend.commit(change).await;
            assert!(matches!(cut_off, Err(BackendError::OutcomeUnknown(_))), "step {step}: {cut_off:?}");
            proxy.swallow_answers(0);
            if step == 2 {
                // The last step was carried out, though nobody heard of it.
                assert!(load(&other, id).await.unwrap().is_none());
                assert_eq!(value(&other, new, "a").await, Some(json!({"n": 1})));
                return;
            }
            // A reader sees the old one as it was; a writer waits until it is open again.
            assert_eq!(value(&other, id, "a").await, Some(json!({"n": 0})));
            while let Err(error) =
                other.commit(commit(id, Action::Update, vec![fields("a", [("n", Some(json!(5)))])])).await
            {
                assert!(matches!(error, BackendError::Failed(_)), "{error:?}");
                assert!(begun.elapsed() < SECOND * 40);
                if short_or_long(true, false) {
                    time_passes(&server).await;
                }
            }
            assert_eq!(value(&other, id, "a").await, Some(json!({"n": 5})));
            assert_eq!(
                load(&other, new).await.unwrap().is_some(),
                step == 1,
                "it was made in the second step"
            );
        });
    }
    while let Some(done) = tries.join_next().await {
        done.unwrap();
    }
    println!("a change of id that was cut off held up writers for {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_of_a_cluster_needs_a_node_to_listen_to() {
    let client = ClusterClient::new(["redis://127.0.0.1:1/"]).unwrap();
    assert!(RedisBackend::from_cluster_client(client, []).is_err());
}
