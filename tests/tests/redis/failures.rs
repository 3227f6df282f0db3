//! What Redis can do to a backend, short of losing what it acknowledged.
//!
//! Clauses: 12, 14.

use serde_json::json;
use socketioxide_session::{
    RedisBackend,
    backend::{Action, Backend, BackendError, Expires, Keys, Load, SessionId},
};
use tokio::time::{Instant, sleep};

use crate::node;
use socketioxide_session_tests::{
    records::{
        SECOND, begin, commit, create, fields, in_an_hour, load, milliseconds, set, take, update, value,
    },
    redis_server::RedisServer,
};

fn text_of(error: &BackendError) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test]
async fn redis_restarts_with_its_data() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    server.kill();
    let waiting = tokio::spawn({
        let backend = backend.clone();
        async move { value(&backend, id, "a").await }
    });
    sleep(milliseconds(300)).await;
    server.run().await;
    // A call that came while Redis was away is answered; what was acknowledged is there; and the turn is still held.
    assert_eq!(waiting.await.unwrap(), Some(json!({"n": 1})));
    backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(2)))])])).await.unwrap();
    assert_eq!(value(&backend, id, "a").await, Some(json!({"n": 2})));
    let other = node(&server).await;
    take(&other, id, &["a"], SECOND).await.unwrap().unwrap();
}

#[tokio::test]
async fn redis_restarts_empty() {
    let mut server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    server.kill();
    server.run().await;
    let gone = backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await;
    assert!(matches!(gone, Err(BackendError::Gone)), "{gone:?}");
    assert!(load(&backend, id).await.unwrap().is_none());
    // The scripts are sent anew.
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
}

/// Any policy but `noeviction` takes sessions and leases under pressure: whole ones, and nobody is told what is not so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_evicted_under_load_is_gone_and_nothing_is_half_there() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let text = "x".repeat(2000);
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(begin(&backend, vec![set("a", json!({"n": 0, "text": text}))]).await);
    }
    let memory: String = server.command(&["INFO", "memory"]).await;
    let used = memory.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = (used.trim().parse::<u64>().unwrap() + 200_000).to_string();
    let () = server.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]).await;
    let () = server.command(&["CONFIG", "SET", "maxmemory", &most]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (backend, ids, text) = (backend.clone(), ids.clone(), text.clone());
        tasks.spawn(async move {
            let mut told = Vec::new();
            for id in ids.into_iter().skip(task * 25).take(25) {
                let mut counted = 0;
                for _ in 0..10 {
                    // Others come, so that somebody must go.
                    begin(&backend, vec![set("a", json!({"n": 0, "text": text}))]).await;
                    let held = match take(&backend, id, &["a"], SECOND * 5).await {
                        Ok(Some(held)) => held,
                        Ok(None) => break,
                        Err(error) => panic!("{error:?}"),
                    };
                    assert_eq!(held.value("a").unwrap().json()["n"], counted, "a session is there whole");
                    match backend
                        .commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(counted + 1)))])]))
                        .await
                    {
                        Ok(()) => counted += 1,
                        Err(BackendError::Gone) => break,
                        Err(BackendError::TurnLost) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                told.push((id, counted));
            }
            told
        });
    }
    let mut gone = 0;
    while let Some(told) = tasks.join_next().await {
        for (id, counted) in told.unwrap() {
            match load(&backend, id).await.unwrap() {
                Some(loaded) => assert_eq!(loaded.value("a").unwrap().json()["n"], counted),
                None => gone += 1,
            }
        }
    }
    println!("{gone} of 200 sessions were evicted");
    assert!(gone > 0);
}

/// Of nodes whose clocks are apart by five minutes each reckons the end of a session by its own. That end is off by as much,
/// and nothing else is: turns go by Redis's clock.
#[tokio::test]
async fn clocks_that_are_minutes_apart_shift_the_end_and_nothing_else() {
    let server = RedisServer::start().await;
    let (behind, ahead) = (node(&server).await, node(&server).await);
    let id = begin(&behind, vec![set("a", json!({"n": 0}))]).await;
    let minutes = time::Duration::minutes(5);
    for n in 1..=20 {
        let (backend, at) =
            if n % 2 == 0 { (&behind, in_an_hour() - minutes) } else { (&ahead, in_an_hour() + minutes) };
        let held = take(backend, id, &["a"], SECOND).await.unwrap().unwrap();
        assert_eq!(held.value("a").unwrap().json()["n"], n - 1);
        let mut counted = update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])]);
        counted.expires = Some(Expires::reckoned(at, &held.attributes));
        backend.commit(counted).await.unwrap();
        assert_eq!(load(&behind, id).await.unwrap().unwrap().expires, at);
    }
    // A life that is shorter than the clocks are apart is over at once, for Redis.
    let mut short = commit(id, Action::Update, vec![set("a", 1)]);
    let attributes = load(&behind, id).await.unwrap().unwrap().attributes;
    short.expires = Some(Expires::reckoned(in_an_hour() - minutes * 13, &attributes));
    behind.commit(short).await.unwrap();
    assert!(load(&ahead, id).await.unwrap().is_none());
}

#[tokio::test]
async fn redis_is_frozen() {
    let server = RedisServer::start().await;
    let backend = node(&server).await.with_timeout(SECOND);
    let id = begin(&backend, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    server.signal("STOP");
    let begun = Instant::now();
    let committed = backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await;
    let read = load(&backend, id).await;
    let taken = take(&backend, id, &["b"], SECOND).await;
    let took = begun.elapsed();
    server.signal("CONT");
    println!("three calls to a frozen Redis ended after {took:?}, of a timeout of 1 s each");
    assert!(took < milliseconds(3500), "{took:?}");
    assert!(matches!(read, Err(BackendError::Failed(_))), "{read:?}");
    assert!(matches!(taken, Err(BackendError::Failed(_))), "{taken:?}");
    // It lies in Redis's buffers and may be carried out.
    assert!(matches!(committed, Err(BackendError::OutcomeUnknown(_))), "{committed:?}");
    backend.release(id, held.lease).await;
    let deadline = Instant::now() + SECOND * 3;
    loop {
        let held = take(&backend, id, &["a", "b"], SECOND * 2).await.unwrap().unwrap();
        let change = fields("a", [("n", Some(json!(2)))]);
        if backend.commit(update(id, held.lease, vec![change])).await.is_ok() {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    assert_eq!(value(&backend, id, "a").await, Some(json!({"n": 2})));
}

#[tokio::test]
async fn redis_is_full() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", json!({"n": 0})), set("b", 1)]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    let () = server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let () = server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let change = update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))]), set("c", 1)]);
    for refused in [
        backend.commit(change).await.unwrap_err(),
        backend.commit(create(SessionId::random(), vec![])).await.unwrap_err(),
        take(&backend, id, &["b"], SECOND).await.unwrap_err(),
    ] {
        assert!(matches!(refused, BackendError::Failed(_)), "{refused:?}");
        assert!(text_of(&refused).contains("maxmemory"), "{}", text_of(&refused));
    }
    assert_eq!(value(&backend, id, "a").await, Some(json!({"n": 0})));
    assert_eq!(value(&backend, id, "c").await, None);
    // Whoever logs out is logged out.
    let other = load(&backend, id).await.unwrap();
    assert!(other.is_some());
    backend.commit(commit(id, Action::End, vec![])).await.unwrap();
    assert!(load(&backend, id).await.unwrap().is_none());
    let () = server.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    begin(&backend, vec![set("a", 1)]).await;
}

#[tokio::test]
async fn redis_is_a_replica() {
    let primary = RedisServer::start().await;
    let first = node(&primary).await;
    let id = begin(&first, vec![set("a", json!({"n": 0}))]).await;
    let port = primary.port.to_string();
    let replica = RedisServer::start_with(&[
        "--save",
        "",
        "--repl-diskless-load",
        "on-empty-db",
        "--replicaof",
        "127.0.0.1",
        &port,
    ])
    .await;
    let backend = node(&replica).await;
    let deadline = Instant::now() + SECOND * 20;
    while load(&backend, id).await.ok().flatten().is_none() {
        assert!(Instant::now() < deadline);
        sleep(milliseconds(100)).await;
    }
    for refused in [
        take(&backend, id, &["a"], SECOND).await.map(drop).unwrap_err(),
        backend.commit(commit(id, Action::Update, vec![set("a", 1)])).await.unwrap_err(),
        backend.commit(commit(id, Action::End, vec![])).await.unwrap_err(),
    ] {
        assert!(matches!(refused, BackendError::Failed(_)), "{refused:?}");
        assert!(text_of(&refused).to_lowercase().contains("read only"), "{}", text_of(&refused));
    }
    assert_eq!(value(&first, id, "a").await, Some(json!({"n": 0})));
    // It becomes the primary: nothing must be restarted.
    let () = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    backend.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
}

#[tokio::test]
async fn what_is_not_ours_is_left_as_it_is() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let strange: [&[&str]; 4] = [
        &["SET", "KEY", "text"],
        &["HSET", "KEY", "v:a", "1"],
        &["HSET", "KEY", "m", "{}", "x", "1"],
        &["RPUSH", "KEY", "1"],
    ];
    for words in strange {
        let id = begin(&backend, vec![set("a", 1)]).await;
        let key = server.keys("session:*").await.into_iter().find(|key| key.ends_with('}')).unwrap();
        let () = server.command(&["DEL", &key]).await;
        let words: Vec<_> = words.iter().map(|word| if *word == "KEY" { &*key } else { word }).collect();
        server.command::<redis::Value>(&words).await;
        let before: redis::Value = server.command(&["DUMP", &key]).await;
        let errors = [
            load(&backend, id).await.map(drop),
            backend.load(id, Load::read(Keys::Only(&["a"]))).await.map(drop),
            take(&backend, id, &["a"], SECOND).await.map(drop),
            backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await,
        ];
        for (at, error) in errors.into_iter().enumerate() {
            // A hash with all fields passes where they are not read.
            if at == 3 && words[0] == "HSET" && words.len() == 6 {
                continue;
            }
            let error = error.expect_err(&format!("{words:?}, call {at}"));
            assert!(matches!(error, BackendError::Failed(_)), "{error:?}");
            println!("{} -> {}", words[0], text_of(&error));
        }
        if words.len() != 6 {
            assert_eq!(before, server.command::<redis::Value>(&["DUMP", &key]).await, "{words:?}");
        }
        let () = server.command(&["FLUSHALL"]).await;
    }
}

#[tokio::test]
async fn a_value_that_is_no_json_is_left_as_it_is() {
    let server = RedisServer::start().await;
    let backend = node(&server).await;
    let id = begin(&backend, vec![set("a", 1), set("b", json!({"n": 1}))]).await;
    let key = server.keys("session:*").await.into_iter().find(|key| key.ends_with('}')).unwrap();
    let () = server.command::<()>(&["HSET", &key, "v:a", "{\"n\":"]).await;
    for error in [
        load(&backend, id).await.map(drop).unwrap_err(),
        take(&backend, id, &["a"], SECOND).await.map(drop).unwrap_err(),
        backend.commit(commit(id, Action::Update, vec![fields("a", [("n", None)])])).await.unwrap_err(),
    ] {
        assert!(matches!(&error, BackendError::NotJson(key) if key == "a"), "{error:?}");
    }
    assert_eq!(server.command::<String>(&["HGET", &key, "v:a"]).await, "{\"n\":");
    // Other states of the session go on, and so does the turn of this one.
    take(&backend, id, &["b"], SECOND).await.unwrap().unwrap();
    backend.commit(commit(id, Action::Update, vec![set("a", 2)])).await.unwrap();
    take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_value_can_be_too_large() {
    let server = RedisServer::start().await;
    let backend = RedisBackend::connect(server.url()).await.unwrap().with_max_value_size(100);
    let id = begin(&backend, vec![set("a", json!({"x": "x".repeat(80)}))]).await;
    for change in [set("b", "x".repeat(100)), fields("a", [("y", Some(json!("x".repeat(20))))])] {
        let refused =
            backend.commit(commit(id, Action::Update, vec![set("c", 1), change])).await.unwrap_err();
        assert!(text_of(&refused).contains("more than the 100"), "{}", text_of(&refused));
    }
    assert_eq!(value(&backend, id, "c").await, None);
}

#[tokio::test]
async fn redis_speaks_tls() {
    let (_server, port, certificate) = RedisServer::start_with_tls().await;
    let url = format!("rediss://127.0.0.1:{port}/");
    // No cryptography is chosen behind the application's back.
    let chosen = || socketioxide_session::rustls::crypto::CryptoProvider::get_default().is_some();
    let plain = RedisServer::start().await;
    RedisBackend::connect(plain.url()).await.unwrap();
    let refused = RedisBackend::connect(&url).await.map(drop).unwrap_err();
    assert!(text_of(&refused).contains("at the beginning of `main`"), "{}", text_of(&refused));
    assert!(!chosen(), "that is the application's to do");
    socketioxide_session::rustls::crypto::ring::default_provider().install_default().unwrap();

    let trusted = redis::TlsCertificates { client_tls: None, root_cert: Some(certificate) };
    let client = redis::Client::build_with_tls(&*url, trusted).unwrap();
    let one = RedisBackend::from_client(client.clone()).with_read_cache(100).unwrap();
    let two = RedisBackend::from_client(client);
    let id = begin(&one, vec![set("a", json!({"n": 0}))]).await;
    let held = take(&one, id, &["a"], SECOND).await.unwrap().unwrap();
    let waits = take(&two, id, &["a"], SECOND * 5);
    let commits = async {
        sleep(milliseconds(200)).await;
        one.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(1)))])])).await.unwrap();
        Instant::now()
    };
    let (waited, committed) = tokio::join!(waits, commits);
    assert_eq!(waited.unwrap().unwrap().value("a").unwrap().json(), &json!({"n": 1}));
    assert!(committed.elapsed() < SECOND);
    // A stranger's certificate is not taken.
    assert!(RedisBackend::connect(url).await.is_err());
}

#[tokio::test]
async fn nobody_is_there() {
    let server = RedisServer::start().await;
    let url = server.url();
    drop(server);
    let begun = Instant::now();
    assert!(RedisBackend::connect(url).await.is_err());
    assert!(begun.elapsed() < SECOND * 6);
    assert!(RedisBackend::connect("nonsense").await.is_err());
}

#[tokio::test]
async fn ids_stand_nowhere_in_clear_and_keys_expire() {
    let server = RedisServer::start().await;
    let backend = node(&server).await.with_prefix("app:");
    let id = begin(&backend, vec![set("a", 1)]).await;
    let held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    backend.commit(update(id, held.lease, vec![set("a", 2)])).await.unwrap();
    let _held = take(&backend, id, &["a"], SECOND).await.unwrap().unwrap();
    let ended = begin(&backend, vec![]).await;
    backend.commit(commit(ended, Action::End, vec![])).await.unwrap();
    let keys = server.keys("*").await;
    assert!(keys.len() >= 4, "{keys:?}");
    for key in keys {
        assert!(key.starts_with("app:{"), "{key}");
        for secret in [id, ended] {
            let secret = secret.expose();
            assert!(!key.contains(&secret.to_string()) && !key.contains(&secret.0.to_string()));
        }
        let life: i64 = server.command(&["PTTL", &key]).await;
        assert!(life > 0, "{key} has no end");
    }
}
