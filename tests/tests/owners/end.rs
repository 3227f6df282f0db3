//! Ending the sessions of an owner: all, one, the others; sockets and all.
//!
//! Clauses: 11, 16.

use serde_json::json;
use socketioxide_session::MemoryBackend;
use socketioxide_session_tests::{
    app::sessions,
    client::Socket,
    node::{Connect, OfficialClients, Transport},
    soak::short_or_long,
};

use crate::stage::{app, key_of, labels, user};

#[tokio::test]
async fn one_ends_everywhere_and_says_why() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let (ada, other) = (user(&app, "ada", "phone").await, user(&app, "ada", "desk").await);
    let (socket, stays) = (
        Socket::connect(&app, ada.cookie().as_deref()).await,
        Socket::connect(&app, other.cookie().as_deref()).await,
    );
    socket.join("/alive").await.expect("a connection");
    all.end_of("ada", &key_of(&ada).await).await.unwrap();
    assert_eq!(socket.event("session_ended").await, [json!({ "reason": "ended" })]);
    socket.disconnected("/").await;
    assert_eq!(ada.get("/visits").await.json(), json!([0, null]), "the cookie is worth nothing");
    assert_eq!(labels(&all, "ada").await, ["desk"]);
    assert!(stays.unasked().is_empty());
    assert_eq!(other.get("/visits").await.json(), json!([0, "ada"]));
}

#[tokio::test]
async fn the_official_client_hears_why() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let clients = OfficialClients::start();
    for transport in [Transport::WebSocket, Transport::Polling] {
        let ada = user(&app, "ada", "phone").await;
        let socket = clients.connect(Connect::to(&app, transport).cookie(ada.session())).await;
        assert_eq!(all.end_by_owner("ada").await.unwrap(), 1);
        assert_eq!(socket.event("session_ended").await, json!([{ "reason": "ended" }]), "{transport:?}");
        assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]), "{transport:?}");
    }
}

#[tokio::test]
async fn all_end_and_all_but_one() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let mut own = Vec::new();
    for number in 0..5 {
        own.push(user(&app, "ada", &format!("tab{number}")).await);
    }
    let _bea = user(&app, "bea", "desk").await;
    assert_eq!(own[3].get("/end-others").await.ok(), "4");
    assert_eq!(labels(&all, "ada").await, ["tab3"]);
    assert_eq!(own[3].get("/owner").await.json(), json!("ada"));
    assert_eq!(own[0].get("/owner").await.json(), json!(null));
    assert_eq!(all.end_by_owner("ada").await.unwrap(), 1);
    assert_eq!(all.end_by_owner("ada").await.unwrap(), 0);
    assert_eq!(labels(&all, "bea").await, ["desk"]);
}

/// More than one batch.
#[tokio::test]
async fn an_owner_with_many_sessions_is_no_outage() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let mut keys = std::collections::BTreeSet::new();
    let many = short_or_long(1_200, 100_000);
    for number in 0..many {
        user(&app, "crawler", &format!("number{number}")).await;
    }
    for page in 0..=many / 100 {
        for info in all.by_owner("crawler", page).await.unwrap() {
            assert!(keys.insert(info.key), "no session is on two pages");
        }
    }
    assert_eq!(keys.len(), many);
    let kept = keys.first().unwrap().clone();
    assert_eq!(all.end_others_of("crawler", &kept).await.unwrap(), many - 1);
    assert_eq!(all.by_owner("crawler", 0).await.unwrap()[0].key, kept);
    assert_eq!(all.by_owner("crawler", 0).await.unwrap().len(), 1);
}
