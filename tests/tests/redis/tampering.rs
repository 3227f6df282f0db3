//! What lies in Redis that nobody of this crate wrote so: keys of another kind, numbers out of bounds, a clock that went
//! back; and sessions that go without a word.
//!
//! Clauses: 4, 11, 14.

use futures_util::StreamExt;
use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Action, Backend, BackendError, Lease, SessionId},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{node, nodes::serve, somebody_waits};
use socketioxide_session_tests::{
    client::{self, Socket},
    records::{SECOND, begin, commit, fields, load, milliseconds, set, take, update, value},
    redis_server::RedisServer,
    soon,
};

/// The key of the only session's record.
async fn record(server: &RedisServer) -> String {
    server.keys("session:*}").await.pop().unwrap()
}

/// Takes a turn and counts.
async fn count(node: &RedisBackend, id: SessionId) -> Result<(), BackendError> {
    let held = take(node, id, &["a"], SECOND * 5).await?.ok_or(BackendError::Gone)?;
    let n = held.value("a").unwrap().json()["n"].as_u64().unwrap() + 1;
    node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await
}

#[tokio::test]
async fn a_logout_takes_place_whatever_lies_beside_the_record() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let news = server.client().get_async_pubsub().await.unwrap();
    let (mut sink, mut news) = news.split();
    sink.subscribe("session:events").await.unwrap();
    let strange: [&[&str]; 3] =
        [&["SET", "KEY", "text"], &["RPUSH", "KEY", "1"], &["HSET", "KEY", "l:a", "x", "w:1", "\u{1}"]];
    for kind in ["turns", "end", "commits"] {
        for words in strange {
            let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
            let key = format!("{}:{kind}", record(&server).await);
            let words: Vec<_> = words.iter().map(|word| if *word == "KEY" { &*key } else { word }).collect();
            let () = server.command(&["DEL", &key]).await;
            server.command::<redis::Value>(&words).await;
            let ended = backend.commit(commit(id, Action::End, vec![])).await;
            assert!(ended.is_ok(), "{words:?}: {ended:?}");
            assert!(load(&backend, id).await.unwrap().is_none());
            let told = soon("what other nodes are told", news.next()).await.unwrap();
            assert!(told.get_payload::<String>().unwrap().starts_with("E "), "{words:?}");
            let () = server.command(&["FLUSHALL"]).await;
        }
    }
}

/// It takes place, or it is an error and nothing has changed.
#[tokio::test]
async fn a_change_of_id_beside_strange_keys_is_all_or_nothing() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    for kind in ["turns", "end", "commits"] {
        let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
        let key = format!("{}:{kind}", record(&server).await);
        let () = server.command(&["DEL", &key]).await;
        let () = server.command(&["SET", &key, "text"]).await;
        let new = SessionId::random();
        let changed = backend.commit(commit(id, Action::ChangeId(new), vec![set("b", 1)])).await;
        let (lives, dead) = if changed.is_ok() { (new, id) } else { (id, new) };
        assert!(load(&backend, dead).await.unwrap().is_none(), "{kind}: {changed:?}");
        let expected = changed.is_ok().then(|| json!(1));
        assert_eq!(value(&backend, lives, "b").await, expected, "{kind}: {changed:?}");
        let () = server.command(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn no_number_in_the_record_stops_writers() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let record = record(&server).await;
    for (at, number) in ["1e300", "99999999999999999999", "-1", "nan", "inf", "x"].iter().enumerate() {
        let _: u64 = server.command(&["HSET", &record, "f", number, "l", number]).await;
        count(&backend, id).await.unwrap_or_else(|error| panic!("{number}: {error:?}"));
        assert_eq!(value(&backend, id, "a").await, Some(json!({"n": at + 1})));
    }
}

/// What stands at these places of a lease or of one who waits becomes another number. A lease that stands as a text stays
/// so long.
const REPLACE: &str = "
    if redis.call('TYPE', KEYS[1]).ok == 'string' then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
        local value = cmsgpack.unpack(redis.call('HGET', KEYS[1], field))
        for at = 3, #ARGV do value[tonumber(ARGV[at])] = value[tonumber(ARGV[at])] + tonumber(ARGV[2]) end
        if string.sub(field, 1, 2) == ARGV[1] then redis.call('HSET', KEYS[1], field, cmsgpack.pack(value)) end
    end";

async fn later(server: &RedisServer, kind: &str, milliseconds: &str) {
    let turns = server.keys("session:*:turns").await.pop().unwrap();
    let _: redis::Value = server.command(&["EVAL", REPLACE, "1", &turns, kind, milliseconds, "2"]).await;
}

/// As after a clock that goes back for an hour: whoever died with a turn, or in line, holds it up for a lease.
#[tokio::test]
async fn a_deadline_far_ahead_counts_as_a_lease_from_now() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    for ahead in ["3600000", "1e300", "1e18"] {
        let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
        let dead = std::thread::spawn({
            let url = server.url();
            move || {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let dead = RedisBackend::connect(url).await.unwrap().with_lease(SECOND);
                    take(&dead, id, &["a"], SECOND).await.unwrap().unwrap();
                    // One more in line, behind whom nobody else comes.
                    timeout(milliseconds(100), take(&dead, id, &["a", "b"], SECOND)).await.unwrap_err();
                });
                runtime.shutdown_background();
            }
        });
        tokio::task::spawn_blocking(|| dead.join().unwrap()).await.unwrap();
        for kind in ["l:", "w:"] {
            later(&server, kind, ahead).await;
        }
        let begun = Instant::now();
        let counted = count(&backend, id).await;
        assert!(counted.is_ok(), "{ahead} ms ahead: {counted:?}");
        let took = begun.elapsed();
        println!("a deadline {ahead} ms ahead held up a writer for {took:?}, of a lease of 1 s");
        assert!(took < SECOND * 2 + milliseconds(500), "{took:?}");
        let () = server.command(&["FLUSHALL"]).await;
    }
}

/// The same where the lease is the only one: then a text stands there, whose key should expire with it.
#[tokio::test]
async fn a_lease_that_does_not_expire_counts_as_a_lease_from_now() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let turns = format!("{}:turns", record(&server).await);
    for (at, left) in ["", "3600000", "9000000000000000"].iter().enumerate() {
        let () = server.command(&["SET", &turns, "nobody 1000 60000 a"]).await;
        if !left.is_empty() {
            let _: u64 = server.command(&["PEXPIRE", &turns, left]).await;
        }
        let begun = Instant::now();
        let counted = count(&backend, id).await;
        let took = begun.elapsed();
        assert!(counted.is_ok(), "{left}: {counted:?} after {took:?}");
        assert!(took > milliseconds(900) && took < SECOND * 2 + milliseconds(500), "{left}: {took:?}");
        assert_eq!(value(&backend, id, "a").await, Some(json!({"n": at + 1})));
    }
}

/// Its turn is free, and it is not there.
#[tokio::test]
async fn whoever_wants_a_turn_of_what_is_gone_leaves_no_lease() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let record = record(&server).await;
    let () = server.command(&["FLUSHALL"]).await;
    assert!(take(&backend, id, &["a"], SECOND).await.unwrap().is_none());
    assert_eq!(server.keys("session:*").await, [""; 0]);
    // Something else is there.
    let _: u64 = server.command(&["HSET", &record, "v:a", "{}"]).await;
    assert!(take(&backend, id, &["a"], SECOND).await.is_err());
    assert_eq!(server.keys("session:*").await, [&*record]);
}

/// Whoever holds its turn goes on holding it, wherever the clock goes meanwhile.
#[tokio::test]
async fn a_holder_keeps_its_turn_when_the_clock_goes_back() {
    let server = RedisServer::start().await;
    let (one, two) = (node(&server).await, node(&server).await);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    later(&server, "l:", "3600000").await;
    let waits = tokio::spawn(async move { count(&two, id).await });
    somebody_waits(&server).await;
    sleep(SECOND * 2).await;
    assert!(!waits.is_finished());
    one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(7)))])])).await.unwrap();
    waits.await.unwrap().unwrap();
    assert_eq!(value(&one, id, "a").await, Some(json!({"n": 8})));
}

#[tokio::test]
async fn what_is_no_lease_holds_up_nobody() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let turns = format!("{}:turns", record(&server).await);
    let nonsense = [
        "'garbage'",
        "''",
        "cmsgpack.pack(7)",
        "cmsgpack.pack({})",
        "cmsgpack.pack({1e300, 1e300, 1e300, 1e300})",
        "cmsgpack.pack({'a', 'b', 'c', 'd', 'e'})",
        "cmsgpack.pack({'a', 1/0, 1/0, 1/0})",
        "cmsgpack.pack({'a', 0/0, 0/0, 0/0})",
        "cmsgpack.pack({'a', -1, -1, {}})",
        "cmsgpack.pack({{}, 1e15, {}, 'node', {}})",
    ];
    for (at, nonsense) in nonsense.iter().enumerate() {
        let script = format!(
            "for _, field in ipairs({{'l:a', 'w:b', 'x', ''}}) do redis.call('HSET', KEYS[1], field, {nonsense}) end"
        );
        let () = server.command(&["EVAL", &script, "1", &turns]).await;
        let counted = count(&backend, id).await;
        assert!(counted.is_ok(), "{nonsense}: {counted:?}");
        assert_eq!(value(&backend, id, "a").await, Some(json!({"n": at + 1})));
    }
    backend.commit(commit(id, Action::End, vec![])).await.unwrap();
}

/// Nobody tells a node that a session was deleted, evicted or flushed. It looks.
#[tokio::test]
async fn sockets_of_a_session_that_went_without_a_word_are_disconnected_in_time() {
    const CUT_OFF: std::time::Duration = SECOND.saturating_mul(2);
    let mut server = RedisServer::start().await;
    let app = serve(node(&server).await.with_cut_off(CUT_OFF));
    for goes in ["deleted", "flushed", "restarted without data"] {
        let cookie = client::get(&app, "/add", None).await.new_cookie();
        let deleted = record(&server).await;
        let other = client::get(&app, "/add", None).await.new_cookie();
        let mut ends = Socket::connect(&app, Some(&cookie)).await;
        let mut stays = Socket::connect(&app, Some(&other)).await;
        assert_eq!((ends.ask("add", &[]).await, stays.ask("add", &[]).await), (json!(2), json!(2)));
        let gone = Instant::now();
        match goes {
            "deleted" => server.command(&["DEL", &deleted]).await,
            "flushed" => server.command(&["FLUSHALL"]).await,
            _ => {
                server.kill();
                server.run().await;
            }
        }
        soon("the end of a socket", ends.disconnected("/")).await;
        println!("{goes}: a socket ended {:?} after its session, of {CUT_OFF:?}", gone.elapsed());
        assert!(gone.elapsed() < CUT_OFF + milliseconds(500));
        if goes == "deleted" {
            assert_eq!(stays.ask("add", &[]).await, json!(3));
        } else {
            soon("the end of a socket", stays.disconnected("/")).await;
        }
    }
}

/// A write takes place, or it is an error and nothing has changed.
#[tokio::test]
async fn a_write_beside_strange_keys_is_all_or_nothing() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    for kind in ["turns", "end", "commits"] {
        let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
        let key = format!("{}:{kind}", record(&server).await);
        let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
        let () = server.command(&["DEL", &key]).await;
        let () = server.command(&["SET", &key, "text"]).await;
        for lease in [held.lease, Lease::default()] {
            let before = value(&backend, id, "a").await.unwrap()["n"].as_u64().unwrap();
            let wrote =
                backend.commit(update(id, lease, vec![fields("a", [("n", Some(json!(before + 1)))])])).await;
            let now = value(&backend, id, "a").await;
            assert_eq!(now, Some(json!({"n": before + u64::from(wrote.is_ok())})), "{kind}: {wrote:?}");
        }
        let () = server.command(&["FLUSHALL"]).await;
    }
}
