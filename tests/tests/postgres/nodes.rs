//! Several nodes with their HTTP handlers and sockets: one truth.
//!
//! Clauses: 10, 11, 14, 16.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide_session::{
    Backend, EventRouter,
    backend::{Action, Commit, SessionId},
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    fixture::shop,
    records::{SECOND, attributes, create_with},
};
use tokio::time::timeout;

use crate::patient_node;

async fn serve() -> App {
    let routes = Router::new()
        .route("/add", get(shop::http::slow_add))
        .route("/count", get(shop::http::count))
        .route("/login", get(shop::http::cycle))
        .route("/logout", get(shop::http::flush));
    let connected = EventRouter::new().on("add", shop::sockets::slow_add);
    let application = with_sockets(routes, (), |io| io.ns("/", connected));
    App::new(application.layer(sessions(patient_node().await)))
}

#[tokio::test]
async fn a_logout_on_one_node_ends_the_sockets_on_the_other() {
    let nodes = [serve().await, serve().await];
    let cookie = client::get(&nodes[0], "/add", None).await.new_cookie();
    let mut here = Socket::connect(&nodes[0], Some(&cookie)).await;
    let mut there = Socket::connect(&nodes[1], Some(&cookie)).await;
    assert_eq!(there.ask("add", &[]).await, json!(2));
    assert_eq!(here.ask("add", &[]).await, json!(3));
    client::get(&nodes[0], "/logout", Some(&cookie)).await.ok();
    // Sooner than it would be found without a message.
    timeout(SECOND * 10, there.disconnected("/")).await.expect("a message of its end");
    here.disconnected("/").await;
    for node in &nodes {
        assert_eq!(client::get(node, "/count", Some(&cookie)).await.json(), json!(0));
    }
}

#[tokio::test]
async fn a_login_on_one_node_is_known_on_the_other() {
    let nodes = [serve().await, serve().await];
    let old = client::get(&nodes[0], "/add", None).await.new_cookie();
    let there = Socket::connect(&nodes[1], Some(&old)).await;
    let new = client::get(&nodes[0], "/login", Some(&old)).await.new_cookie();
    timeout(SECOND * 10, there.disconnected("/")).await.expect("a message of its new id");
    assert_eq!(client::get(&nodes[1], "/count", Some(&new)).await.json(), json!(1));
}

#[tokio::test]
async fn owners_are_the_same_on_all_nodes() {
    let (one, two) = (patient_node().await, patient_node().await);
    let (id, owner) = (SessionId::random(), SessionId::random().hidden().to_string());
    let mut own = socketioxide_session::backend::OwnershipChanges::default();
    own.owner = Some(Some(owner.as_str().into()));
    let attributes = attributes(&owner);
    one.commit(create_with(id, attributes.clone(), vec![])).await.unwrap();
    let mut login = Commit::new(id, Action::ChangeId(SessionId::random()));
    login.attributes.ownership = Some(Box::new(own));
    one.commit(login).await.unwrap();
    let owners = two.owners().unwrap();
    let found = owners.owned_by(&owner, 0, 10).await.unwrap();
    assert_eq!(found.len(), 1);
    let alias = owners.find(&found[0].key).await.unwrap().unwrap();
    two.commit(Commit::new(alias, Action::End)).await.unwrap();
    assert!(one.owners().unwrap().owned_by(&owner, 0, 10).await.unwrap().is_empty());
}
