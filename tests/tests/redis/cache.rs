//! The read cache: what it saves, and that it is never stale for longer than is promised.
//!
//! Clauses: 14.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Action, Backend, BackendError, Expires, Keys, Load, SessionId},
};
use time::OffsetDateTime;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    node,
    nodes::{count_at, serve},
    proxy::Proxy,
};
use socketioxide_session_tests::{
    http,
    records::{SECOND, attributes, begin, commit, create, fields, load, milliseconds, set, take, update},
    redis_server::RedisServer,
    several::count_together,
    soak::short_or_long,
};

/// How long a dead connection can go unnoticed, as documented; and time for a call that is tried meanwhile.
const BOUND: Duration = milliseconds(2000);
const MARGIN: Duration = milliseconds(1500);

async fn cached(server: &RedisServer) -> RedisBackend {
    node(server).await.with_read_cache(1000).unwrap()
}

async fn read(backend: &RedisBackend, id: SessionId) -> Result<Option<u64>, BackendError> {
    let loaded = backend.load(id, Load::read(Keys::Only(&["a"]))).await?;
    Ok(loaded.map(|loaded| loaded.value("a").unwrap().json()["n"].as_u64().unwrap()))
}

async fn write(backend: &RedisBackend, id: SessionId, n: u64) {
    backend.commit(commit(id, Action::Update, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
}

/// A session whose counter has been read by this node.
async fn kept(backend: &RedisBackend) -> SessionId {
    let id = begin(backend, vec![set("a", json!({"n": 0}))]).await;
    assert_eq!(read(backend, id).await.unwrap(), Some(0));
    id
}

/// Reads until what is read is no longer this, and gives what it is then.
async fn until_not(backend: &RedisBackend, id: SessionId, old: u64) -> Result<Option<u64>, BackendError> {
    let deadline = Instant::now() + BOUND + MARGIN;
    loop {
        match read(backend, id).await {
            Ok(Some(n)) if n == old => assert!(Instant::now() < deadline, "{old} is still read"),
            other => return other,
        }
        tokio::task::yield_now().await;
    }
}

/// Reads until what is read is no longer this. Gives how long after this moment the last read began that was stale.
async fn last_stale(backend: &RedisBackend, id: SessionId, old: u64, since: Instant) -> Option<Duration> {
    let mut last = None;
    loop {
        let begun = since.elapsed();
        let read = timeout(milliseconds(500), read(backend, id)).await;
        if !matches!(read, Ok(Ok(Some(n))) if n == old) {
            return last;
        }
        last = Some(begun);
        sleep(milliseconds(1)).await;
    }
}

#[tokio::test]
async fn a_read_of_what_was_read_sends_nothing() {
    let server = RedisServer::start().await;
    let backend = cached(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0})), set("b", 1)]).await;
    let loads = [Keys::Only(&["a"]), Keys::Only(&["a", "none"]), Keys::All, Keys::Only(&["other", "b"])];
    for load in loads {
        backend.load(id, Load::read(load)).await.unwrap().unwrap();
    }
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..1000 {
        for (load, found) in loads.into_iter().zip([1, 1, 2, 1]) {
            let loaded = backend.load(id, Load::read(load)).await.unwrap().unwrap();
            assert_eq!(loaded.values.len(), found);
        }
    }
    for command in ["hmget", "hgetall", "client|caching", "evalsha"] {
        assert_eq!(server.calls(command).await, 0, "{command}");
    }
    // Whether a session lives is asked, not remembered.
    for _ in 0..10 {
        backend.load(id, Load::read(Keys::Only(&[]))).await.unwrap().unwrap();
    }
    assert_eq!(server.calls("hmget").await, 10);
}

#[tokio::test]
async fn without_it_each_read_asks() {
    let server = RedisServer::start().await;
    let backend = cached(&server).await.with_read_cache(0).unwrap();
    let id = kept(&backend).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..10 {
        read(&backend, id).await.unwrap();
    }
    assert_eq!(server.calls("hmget").await, 10);
    assert_eq!(server.calls("client|caching").await, 0);
}

/// Turns of which nothing comes do not take out what is kept.
#[tokio::test]
async fn a_turn_without_a_write_leaves_what_is_kept() {
    let server = RedisServer::start().await;
    let (backend, other) = (cached(&server).await, node(&server).await);
    let id = kept(&backend).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for node in [&backend, &other] {
        let held = take(node, id, &["a"], SECOND).await.unwrap().unwrap();
        node.release(id, held.lease).await;
    }
    sleep(milliseconds(100)).await;
    assert_eq!(read(&backend, id).await.unwrap(), Some(0));
    assert_eq!(server.calls("client|caching").await, 0, "it was read anew");
}

#[tokio::test]
async fn what_another_node_wrote_is_seen() {
    let server = RedisServer::start().await;
    let (here, there) = (cached(&server).await, node(&server).await);
    let id = kept(&here).await;
    let mut longest = milliseconds(0);
    for n in 1..500 {
        write(&there, id, n).await;
        let written = Instant::now();
        assert_eq!(until_not(&here, id, n - 1).await.unwrap(), Some(n));
        longest = longest.max(written.elapsed());
    }
    println!("a write of another node was seen within {longest:?}, 500 times");
}

/// Readers keep the cache full of what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_this_node_wrote_is_seen_at_once() {
    let server = RedisServer::start().await;
    let backend = cached(&server).await;
    let id = kept(&backend).await;
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let backend = backend.clone();
        readers.spawn(async move {
            loop {
                read(&backend, id).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    for n in 1..short_or_long(300, 15_000) {
        if n % 2 == 0 {
            write(&backend, id, n).await;
        } else {
            let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
            let change = fields("a", [("n", Some(json!(n)))]);
            backend.commit(update(id, held.lease, vec![change])).await.unwrap();
        }
        assert_eq!(read(&backend, id).await.unwrap(), Some(n));
    }
}

/// What a turn showed of another node's work, a read after it shows, too: both hear on one connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_is_not_behind_what_this_node_saw() {
    let server = RedisServer::start().await;
    let (here, there) = (cached(&server).await, node(&server).await);
    let id = kept(&here).await;
    for n in 1..1000 {
        read(&here, id).await.unwrap();
        write(&there, id, n).await;
        let held = take(&here, id, &["a"], SECOND).await.unwrap().unwrap();
        assert_eq!(held.value("a").unwrap().json()["n"], json!(n));
        assert_eq!(read(&here, id).await.unwrap(), Some(n));
        here.release(id, held.lease).await;
    }
}

#[tokio::test]
async fn a_session_that_ends_elsewhere_is_gone() {
    let server = RedisServer::start().await;
    let (here, there) = (cached(&server).await, node(&server).await);
    for action in [Action::End, Action::ChangeId(SessionId::random())] {
        let id = kept(&here).await;
        there.commit(commit(id, action, vec![])).await.unwrap();
        assert_eq!(until_not(&here, id, 0).await.unwrap(), None);
        // And one that ends here at once.
        let id = kept(&here).await;
        here.commit(commit(id, Action::End, vec![])).await.unwrap();
        assert_eq!(read(&here, id).await.unwrap(), None);
    }
    let id = kept(&here).await;
    let () = server.command(&["FLUSHALL"]).await;
    assert_eq!(until_not(&here, id, 0).await.unwrap(), None);
}

/// Redis stands still, so nothing but the moment of expiry takes the session out.
#[tokio::test]
async fn nothing_is_read_past_its_expiry() {
    let server = RedisServer::start().await;
    let backend = cached(&server).await.with_timeout(SECOND * 20);
    let (id, expires) = (SessionId::random(), OffsetDateTime::now_utc() + milliseconds(800));
    let mut new = create(id, vec![set("a", json!({"n": 0}))]);
    new.expires = Some(Expires::reckoned(expires, &attributes("k")));
    backend.commit(new).await.unwrap();
    assert_eq!(read(&backend, id).await.unwrap(), Some(0));
    server.signal("STOP");
    let since = Instant::now();
    let left = Duration::try_from(expires - OffsetDateTime::now_utc()).unwrap();
    let last = last_stale(&backend, id, 0, since).await;
    server.signal("CONT");
    // The time of day is read to the millisecond.
    assert!(last.is_some_and(|last| last <= left + milliseconds(1)), "{last:?} of {left:?}");
    assert_eq!(until_not(&backend, id, 0).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_connection_takes_everything_along() {
    let server = RedisServer::start().await;
    let (here, there) = (cached(&server).await, node(&server).await);
    let id = kept(&here).await;
    for n in 1..100 {
        assert_eq!(read(&here, id).await.unwrap(), Some(n - 1));
        let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
        assert!(server.command::<u64>(&kill).await > 0);
        write(&there, id, n).await;
        assert_eq!(until_not(&here, id, n - 1).await.unwrap(), Some(n));
    }
}

#[tokio::test]
async fn nothing_outlives_a_restart() {
    let mut server = RedisServer::start().await;
    let here = cached(&server).await;
    let id = kept(&here).await;
    server.kill();
    let last = last_stale(&here, id, 0, Instant::now()).await;
    println!("the last read of what was kept began {last:?} after the end of Redis");
    assert!(last.unwrap_or_default() < SECOND, "it was not known at once: {last:?}");
    server.run().await;
    assert_eq!(until_not(&here, id, 0).await.unwrap(), None);
    // And it is in use again.
    let id = kept(&here).await;
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    assert_eq!(read(&here, id).await.unwrap(), Some(0));
    assert_eq!(server.calls("hmget").await, 0);
}

/// Neither is it given up: its timeout is longer than it is trusted.
#[tokio::test]
async fn a_connection_that_is_dead_without_a_sign_is_not_trusted_for_long() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let here = RedisBackend::connect(&*proxy.url).await.unwrap().with_timeout(SECOND * 20);
    let here = here.with_read_cache(1000).unwrap();
    let there = node(&server).await;
    let id = kept(&here).await;
    proxy.silence(true);
    write(&there, id, 1).await;
    let last = last_stale(&here, id, 0, Instant::now()).await.unwrap();
    println!("of a dead connection the last stale read began {last:?} after the write");
    assert!(last < BOUND, "it is still trusted: {last:?}");
    proxy.silence(false);
    // What was heard meanwhile counts.
    for n in 2..20 {
        assert_eq!(until_not(&here, id, n - 2).await.unwrap(), Some(n - 1));
        write(&there, id, n).await;
    }
}

#[tokio::test]
async fn a_frozen_redis_is_not_trusted_for_long() {
    let server = RedisServer::start().await;
    for limit in [SECOND, SECOND * 20] {
        let here = cached(&server).await.with_timeout(limit);
        let id = kept(&here).await;
        server.signal("STOP");
        let last = last_stale(&here, id, 0, Instant::now()).await;
        server.signal("CONT");
        assert!(last.is_none_or(|last| last < BOUND), "it is still trusted: {last:?}");
        let deadline = Instant::now() + BOUND + MARGIN;
        while read(&here, id).await.is_err() {
            assert!(Instant::now() < deadline);
        }
        write(&here, id, 1).await;
        assert_eq!(read(&here, id).await.unwrap(), Some(1));
    }
}

#[tokio::test]
async fn no_more_is_kept_than_was_allowed() {
    let server = RedisServer::start().await;
    let few = node(&server).await.with_read_cache(10).unwrap();
    let many = cached(&server).await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(begin(&few, vec![set("a", json!({"n": 0}))]).await);
    }
    for (backend, asked) in [(&few, 90..=100), (&many, 0..=0)] {
        for id in &ids {
            read(backend, *id).await.unwrap();
        }
        let () = server.command(&["CONFIG", "RESETSTAT"]).await;
        for id in ids.iter().rev() {
            read(backend, *id).await.unwrap();
        }
        let calls = server.calls("hmget").await;
        assert!(asked.contains(&calls), "{calls}");
    }
    // One that is read all the time stays.
    for id in &ids {
        read(&few, *id).await.unwrap();
        let before = server.calls("hmget").await;
        read(&few, *id).await.unwrap();
        read(&few, ids[0]).await.unwrap();
        assert!(server.calls("hmget").await - before <= 1);
    }
}

/// Two nodes count, and readers on both: no counter goes back, and none is behind what its node committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_among_writers_never_go_back() {
    let server = RedisServer::start().await;
    let nodes = [cached(&server).await, cached(&server).await];
    let nodes = nodes.map(|node| node.with_lease(SECOND * 10));
    let id = begin(&nodes[0], vec![set("a", json!({"n": 0}))]).await;
    let done = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicU64::new(0));
    let each = short_or_long(50, 2_000);
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    for node in &nodes {
        let committed = Arc::new(AtomicU64::new(0));
        for _ in 0..4 {
            let (node, committed) = (node.clone(), Arc::clone(&committed));
            writers.spawn(async move {
                for _ in 0..each {
                    let held = take(&node, id, &["a"], SECOND * 30).await.unwrap().unwrap();
                    let n = held.value("a").unwrap().json()["n"].as_u64().unwrap() + 1;
                    let change = fields("a", [("n", Some(json!(n)))]);
                    node.commit(update(id, held.lease, vec![change])).await.unwrap();
                    committed.fetch_max(n, Ordering::SeqCst);
                    // Somewhat more reads than writes find something kept.
                    sleep(milliseconds(n % 3)).await;
                }
            });
        }
        for _ in 0..4 {
            let (node, committed) = (node.clone(), Arc::clone(&committed));
            let (done, reads) = (Arc::clone(&done), Arc::clone(&reads));
            readers.spawn(async move {
                let mut seen = 0;
                while !done.load(Ordering::SeqCst) {
                    let known = committed.load(Ordering::SeqCst).max(seen);
                    seen = read(&node, id).await.unwrap().unwrap();
                    assert!(seen >= known, "{seen} was read after {known}");
                    reads.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            });
        }
    }
    let asked = server.calls("hmget").await;
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    let asked = server.calls("hmget").await - asked;
    println!("increments on two nodes, {reads:?} reads meanwhile, {asked} of them asked Redis");
    for node in &nodes {
        let n = load(node, id).await.unwrap().unwrap().value("a").unwrap().json()["n"].clone();
        assert_eq!(n, json!(8 * each));
    }
}

#[tokio::test]
async fn where_redis_does_not_tell_of_changes_nothing_is_kept() {
    let server = RedisServer::start().await;
    let there = node(&server).await;
    for forbidden in ["-client|tracking", "-client|caching"] {
        let rule = ["ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "&*", "+@all", forbidden];
        let () = server.command(&rule).await;
        let url = format!("redis://app:secret@127.0.0.1:{}/", server.port);
        let here = RedisBackend::connect(url).await.unwrap().with_read_cache(1000).unwrap();
        let id = kept(&here).await;
        for n in 1..10 {
            write(&there, id, n).await;
            assert_eq!(read(&here, id).await.unwrap(), Some(n));
        }
    }
}

#[tokio::test]
async fn a_handler_that_reads_sends_nothing() {
    let server = RedisServer::start().await;
    let apps = [serve(cached(&server).await), serve(cached(&server).await)];
    let cookie = http::get(&apps[0], "/add", None).await.new_cookie();
    assert_eq!(count_at(&apps[1], &cookie).await, json!(1));
    let () = server.command(&["CONFIG", "RESETSTAT"]).await;
    for _ in 0..100 {
        assert_eq!(count_at(&apps[1], &cookie).await, json!(1));
    }
    for command in ["hmget", "hgetall", "exists", "evalsha"] {
        assert_eq!(server.calls(command).await, 0, "{command}");
    }
    let (acknowledged, open) = count_together(apps.each_ref(), &cookie, 10).await;
    assert_eq!((acknowledged.len(), open), (160, Vec::new()));
}

#[tokio::test]
async fn in_a_cluster_it_is_refused() {
    let server = RedisServer::start_cluster().await;
    let backend = RedisBackend::connect_cluster([server.url()]).await.unwrap();
    let refused = backend.with_read_cache(1000).unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().contains("Cluster"));
}
