//! Ends beside logins, new ids, commits and logouts of the same sessions.
//!
//! Clauses: 10, 11, 16.

use serde_json::json;
use socketioxide_session::{ErrorKind, MemoryBackend, SessionLayer};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::Client,
    soak::short_or_long,
};

use crate::stage::{app, key_of, labels, user};

fn rounds() -> u32 {
    short_or_long(300, 10_000)
}

fn stage() -> (App, SessionLayer) {
    let layer = sessions(MemoryBackend::default());
    (app(layer.clone()), layer)
}

async fn later(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// A login that commits before the end goes, one that commits after it stays; and the list says which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_login() {
    let (app, layer) = stage();
    let all = layer.sessions();
    let (mut stayed, mut went) = (0, 0);
    for round in 0..rounds() {
        let owner = format!("owner{round}");
        let before = user(&app, &owner, "before").await;
        let client = Client::new(&app);
        let path = format!("/login?name={owner}&label=beside");
        // Now the one, now the other is a little later.
        let end = tokio::spawn({
            let (all, owner) = (all.clone(), owner.clone());
            async move {
                later(round % 7).await;
                all.end_by_owner(&owner).await
            }
        });
        later(round % 5 * 4).await;
        client.get(&path).await.ok();
        let ended = end.await.unwrap().unwrap();
        assert_eq!(before.get("/owner").await.json(), json!(null));
        let lives = client.get("/owner").await.json() == json!(owner);
        assert_eq!(labels(&all, &owner).await.len(), usize::from(lives), "round {round}");
        assert_eq!(ended, 2 - usize::from(lives), "round {round}");
        if lives { stayed += 1 } else { went += 1 }
    }
    println!("{stayed} stayed, {went} went");
    assert!(stayed > 0 && went > 0, "{stayed} stayed, {went} went");
}

/// Whichever id it has: it ends, and nobody brings it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_new_id_and_a_commit() {
    let (app, layer) = stage();
    let all = layer.sessions();
    for round in 0..rounds() {
        let owner = format!("owner{round}");
        let ada = user(&app, &owner, "desk").await;
        let beside = ada.another(ada.cookie().as_deref());
        let (_, _, ended) = tokio::join!(ada.get("/cycle"), beside.get("/visit"), all.end_by_owner(&owner));
        assert_eq!(ended.unwrap(), 1, "round {round}");
        for client in [&ada, &beside] {
            assert_eq!(client.get("/owner").await.json(), json!(null), "round {round}");
        }
        assert_eq!(labels(&all, &owner).await, [""; 0], "round {round}");
    }
}

/// One of them ends it, and the other is told that there is none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_logout_and_another_end() {
    let (app, layer) = stage();
    let all = layer.sessions();
    for round in 0..rounds() {
        let ada = user(&app, "ada", "desk").await;
        let key = key_of(&ada).await;
        let (_, one, other) = tokio::join!(ada.get("/logout"), all.end(&key), all.end_of("ada", &key));
        for error in [one, other].into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::NoSession, "round {round}");
        }
        assert_eq!(labels(&all, "ada").await, [""; 0], "round {round}");
    }
}
