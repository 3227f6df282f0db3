//! Owners on several nodes: one Redis, a cluster, and one PostgreSQL.
//!
//! Clauses: 10, 11, 14, 16.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use socketioxide_session::{Ending, ErrorKind, RedisBackend, SessionLayer};
use socketioxide_session_tests::{
    app::{App, sessions},
    client::{Client, Socket},
    on_every_engine,
    redis_server::RedisServer,
    several::Server,
    soak::short_or_long,
    soon,
};

use crate::stage::{User, app, id_of, key_of, labels, user, visits_of};

async fn node(server: &Server) -> (App, SessionLayer) {
    let layer = server.node().await;
    (app(layer.clone()), layer)
}

on_every_engine! {
    on_two_nodes
    an_end_reaches_the_sockets_of_its_own_node_at_once
    a_state_by_its_key_on_two_nodes
    a_state_by_its_key_on_one_node
    no_count_is_lost_between_who_has_the_id_and_who_has_the_key
    ends_beside_logins_and_new_ids_on_two_nodes
}

async fn node_of_cluster(server: &RedisServer) -> (App, SessionLayer) {
    let layer = sessions(RedisBackend::connect_cluster([server.url()]).await.expect("a backend"));
    (app(layer.clone()), layer)
}

/// The same visitor on another node.
fn on(node: &App, visitor: &Client) -> Client {
    let client = Client::new(node);
    client.keep(&visitor.cookie().expect("a session"));
    client
}

async fn owners_are_the_same_on_all_nodes(nodes: &[(App, SessionLayer); 2]) {
    let [(first, _), (second, layer)] = nodes;
    let all = layer.sessions();
    let phone = user(first, "ada", "phone").await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    let desk = user(second, "ada", "desk").await;
    user(first, "bea", "sofa").await;
    assert_eq!(labels(&all, "ada").await, ["desk", "phone"]);
    assert_eq!(on(second, &phone).get("/owner").await.json(), json!("ada"));
    desk.get("/cycle").await.ok();
    phone.get("/label/tablet").await.ok();
    assert_eq!(labels(&all, "ada").await, ["desk", "tablet"], "a new id and a new label");

    let (socket, stays) = (
        Socket::connect(first, phone.cookie().as_deref()).await,
        Socket::connect(first, desk.cookie().as_deref()).await,
    );
    assert_eq!(all.end_of("bea", &key_of(&phone).await).await.unwrap_err().kind(), ErrorKind::NoSession);
    all.end_of("ada", &key_of(&phone).await).await.unwrap();
    assert_eq!(socket.event("session_ended").await, [json!({ "reason": "ended" })]);
    socket.disconnected("/").await;
    assert_eq!(phone.get("/visits").await.json(), json!([0, null]));
    assert_eq!(labels(&all, "ada").await, ["desk"]);
    assert!(stays.unasked().is_empty());
    assert_eq!(all.end_by_owner("ada").await.unwrap(), 1);
    assert_eq!(stays.event("session_ended").await, [json!({ "reason": "ended" })]);
    assert_eq!(labels(&all, "ada").await, [""; 0]);
    assert_eq!(labels(&all, "bea").await, ["sofa"]);
}

async fn on_two_nodes(server: Server) {
    owners_are_the_same_on_all_nodes(&[node(&server).await, node(&server).await]).await;
}

#[tokio::test]
async fn in_a_cluster() {
    let server = RedisServer::start_cluster().await;
    let nodes = [node_of_cluster(&server).await, node_of_cluster(&server).await];
    owners_are_the_same_on_all_nodes(&nodes).await;
}

/// The sockets of the node that ends it do not wait for the news.
async fn an_end_reaches_the_sockets_of_its_own_node_at_once(server: Server) {
    let (app, layer) = node(&server).await;
    let ada = user(&app, "ada", "desk").await;
    let socket = Socket::connect(&app, ada.cookie().as_deref()).await;
    let began = std::time::Instant::now();
    layer.sessions().end(&key_of(&ada).await).await.unwrap();
    socket.disconnected("/").await;
    println!("disconnected after {:?}", began.elapsed());
    assert!(socket.unasked().iter().any(|packet| format!("{packet:?}").contains("ended")));
}

async fn a_state_is_worked_on_by_its_key(nodes: &[(App, SessionLayer); 2]) {
    let [(first, _), (_, layer)] = nodes;
    let visitor = Client::new(first);
    visitor.get("/visit").await.ok();
    let shared = layer.sessions().shared::<User>(&key_of(&visitor).await).await.unwrap();
    shared.update(|user| user.visits += 10).await.unwrap();
    assert_eq!(visitor.get("/visits").await.json(), json!([11, null]));
    let mut changes = shared.changes();
    assert_eq!(soon("a state", changes.next()).await.unwrap().visits, 11);
    visitor.get("/visit").await.ok();
    assert_eq!(soon("a state", changes.next()).await.unwrap().visits, 12);
    visitor.get("/login?name=ada&label=desk").await.ok();
    shared.update(|user| user.visits += 10).await.unwrap();
    assert_eq!(visits_of(&shared).await, 22);
    assert_eq!(visitor.get("/visits").await.json(), json!([22, "ada"]));
    while soon("a state", changes.next()).await.expect("it follows to the new id").visits != 22 {}
    let ended = tokio::spawn({
        let shared = shared.clone();
        async move { shared.ended().await }
    });
    visitor.get("/visit").await.ok();
    assert_eq!(soon("a state", changes.next()).await.unwrap().visits, 23);
    visitor.get("/logout").await.ok();
    while soon("the end", changes.next()).await.is_some() {}
    assert_eq!(soon("the end", ended).await.unwrap(), Some(Ending::Ended));
    assert_eq!(shared.update(|user| user.visits += 1).await.unwrap_err().kind(), ErrorKind::SessionEnded);
}

async fn a_state_by_its_key_on_two_nodes(server: Server) {
    a_state_is_worked_on_by_its_key(&[node(&server).await, node(&server).await]).await;
}

/// Whose own calls are in this process, too.
async fn a_state_by_its_key_on_one_node(server: Server) {
    let (app, layer) = node(&server).await;
    let (other, _) = node(&server).await;
    drop(other);
    a_state_is_worked_on_by_its_key(&[(app, layer.clone()), (crate::stage::app(layer.clone()), layer)]).await;
}

#[tokio::test]
async fn a_state_by_its_key_in_a_cluster() {
    let server = RedisServer::start_cluster().await;
    a_state_is_worked_on_by_its_key(&[node_of_cluster(&server).await, node_of_cluster(&server).await]).await;
}

/// A webhook and the page count on two nodes.
async fn no_count_is_lost_between_who_has_the_id_and_who_has_the_key(server: Server) {
    let (first, layer) = node(&server).await;
    let (second, _) = node(&server).await;
    let visitor = Client::new(&first);
    visitor.get("/visit").await.ok();
    let shared = layer.sessions().shared::<User>(&key_of(&visitor).await).await.unwrap();
    let rounds = short_or_long(60, 2_000);
    let page = async {
        for _ in 0..rounds {
            visitor.get("/visit").await.json();
        }
    };
    let elsewhere = on(&second, &visitor);
    let other = async {
        for _ in 0..rounds {
            elsewhere.get("/visit").await.json();
        }
    };
    let webhook = async {
        for _ in 0..rounds {
            shared.update(|user| user.visits += 1).await.unwrap();
        }
    };
    tokio::join!(page, other, webhook);
    assert_eq!(visits_of(&shared).await, 3 * rounds + 1);
}

/// As in memory: see `races`.
async fn ends_beside_logins_and_new_ids_on_two_nodes(server: Server) {
    let (first, _) = node(&server).await;
    let (second, layer) = node(&server).await;
    let all = layer.sessions();
    for round in 0..short_or_long(40, 10_000) {
        let owner = format!("owner{round}");
        let before = user(&first, &owner, "before").await;
        let (beside, client) = (on(&second, &before), Client::new(&first));
        let path = format!("/login?name={owner}&label=beside");
        let (_, _, _, ended) = tokio::join!(
            client.get(&path),
            before.get("/cycle"),
            beside.get("/visit"),
            all.end_by_owner(&owner)
        );
        let ended = ended.expect("an end");
        for gone in [&before, &beside] {
            assert_eq!(gone.get("/owner").await.json(), json!(null), "round {round}, {ended} ended");
        }
        let lives = client.get("/owner").await.json() == json!(owner);
        assert_eq!(labels(&all, &owner).await.len(), usize::from(lives), "round {round}");
        assert_eq!(ended, 2 - usize::from(lives), "round {round}");
    }
}

/// No owner and no label stands in a key, and what is left behind has an end.
#[tokio::test]
async fn what_stands_in_redis() {
    let server = RedisServer::start().await;
    let layer = sessions(RedisBackend::connect(server.url()).await.expect("a backend"));
    let app = app(layer.clone());
    let ada = user(&app, "ada-lovelace", "engine").await;
    let keys = server.keys("*").await;
    for key in &keys {
        assert!(!key.contains("lovelace") && !key.contains("engine") && !key.contains(&id_of(&ada)), "{key}");
        let ttl: i64 = server.command(&["TTL", key]).await;
        assert!(ttl > 0, "{key} has no end");
    }
    assert_eq!(keys.iter().filter(|key| key.contains("owner:")).count(), 1, "{keys:?}");
    layer.sessions().end_by_owner("ada-lovelace").await.unwrap();
}

/// Redis is away: nothing is lost, and nobody is told that it was done.
#[tokio::test]
async fn without_redis_nothing_is_said_to_be_done() {
    let mut server = RedisServer::start().await;
    let layer = sessions(
        RedisBackend::builder(server.url()).with_timeout(Duration::from_millis(500)).connect().await.unwrap(),
    );
    let app = app(layer.clone());
    let ada = user(&app, "ada", "desk").await;
    let key = key_of(&ada).await;
    server.kill();
    let all = layer.sessions();
    assert_eq!(all.by_owner("ada", 0).await.unwrap_err().kind(), ErrorKind::Backend);
    assert_eq!(all.end_by_owner("ada").await.unwrap_err().kind(), ErrorKind::Backend);
    assert_eq!(all.end_of("ada", &key).await.unwrap_err().kind(), ErrorKind::Backend);
    assert_eq!(all.shared::<User>(&key).await.unwrap_err().kind(), ErrorKind::Backend);
}
