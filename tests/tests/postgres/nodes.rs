//! Several nodes with their HTTP handlers and sockets: one truth.
//!
//! Clauses: 10, 11, 14, 16.

use axum::{Router, routing::get};
use serde_json::json;
use socketioxide_session::{
    Backend, Error, EventRouter, Expiry, PostgresBackend, SessionControl,
    backend::{Action, Commit, PostgresBackendBuilder, SessionId},
    http_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    fixture::shop,
    postgres_server::Database,
    records::{SECOND, attributes, begin, create, create_with, milliseconds, set, value},
    soon,
};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tower_sessions_sqlx_store::sqlx::{self, postgres::PgPoolOptions};

use crate::{
    patient_node,
    proxy::{Proxy, Way},
};

#[http_handler]
async fn expire(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::SECOND))
}

async fn serve() -> App {
    serve_on(patient_node().await)
}

pub(crate) fn serve_on(backend: PostgresBackend) -> App {
    let routes = Router::new()
        .route("/add", get(shop::http::slow_add))
        .route("/count", get(shop::http::count))
        .route("/expire", get(expire))
        .route("/login", get(shop::http::cycle))
        .route("/logout", get(shop::http::flush));
    let connected = EventRouter::new().on("add", shop::sockets::slow_add);
    let application = with_sockets(routes, (), |io| io.ns("/", connected));
    App::new(application.layer(sessions(backend)))
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

#[tokio::test]
async fn a_sooner_expiry_is_known_on_the_other_node() {
    let nodes = [serve().await, serve().await];
    let cookie = client::get(&nodes[0], "/add", None).await.new_cookie();
    let there = Socket::connect(&nodes[1], Some(&cookie)).await;
    client::get(&nodes[0], "/expire", Some(&cookie)).await.ok();
    timeout(SECOND * 5, there.disconnected("/")).await.expect("a message of its sooner expiry");
}

/// A node of which all connections go through the proxy.
async fn node_behind(proxy: &Proxy, database: &Database) -> PostgresBackendBuilder {
    let pool = PgPoolOptions::new().max_connections(4);
    let pool = pool.connect_with(database.options().socket(&proxy.directory)).await.unwrap();
    PostgresBackend::builder(pool).with_timeout(SECOND)
}

#[tokio::test]
async fn what_was_missed_while_cut_off_is_made_good() {
    let database = Database::create().await;
    let proxy = Proxy::before(database.directory());
    let nearby = PostgresBackend::new(database.pool().await);
    nearby.migrate().await.unwrap();
    let apps = [serve_on(nearby), serve_on(node_behind(&proxy, &database).await.build().unwrap())];
    let cookie = client::get(&apps[0], "/add", None).await.new_cookie();
    let other = client::get(&apps[0], "/add", None).await.new_cookie();
    let mut ends = Socket::connect(&apps[1], Some(&cookie)).await;
    let mut stays = Socket::connect(&apps[1], Some(&other)).await;
    assert_eq!(ends.ask("add", &[]).await, json!(2));
    proxy.go(Way::Closed);
    client::get(&apps[0], "/logout", Some(&cookie)).await.ok();
    // Nobody told it, and nobody can.
    sleep(SECOND).await;
    assert!(ends.unasked().is_empty());
    proxy.go(Way::Open);
    // Sooner than a node looks at its sessions by itself, which is after 15 seconds.
    timeout(SECOND * 10, ends.disconnected("/")).await.expect("the end that it missed");
    assert_eq!(stays.ask("add", &[]).await, json!(2));
}

/// As where a password is a token that is good for some minutes.
#[tokio::test]
async fn who_listens_again_connects_as_the_pool_does_by_then() {
    let database = Database::create().await;
    let proxy = Proxy::before(database.directory());
    let nearby = PostgresBackend::new(database.pool().await);
    nearby.migrate().await.unwrap();
    let pool = PgPoolOptions::new().max_connections(4);
    let pool = pool.connect_with(database.options().socket(&proxy.directory)).await.unwrap();
    // It looks at its sessions by itself after a minute.
    let far = PostgresBackend::builder(pool.clone()).with_cut_off(SECOND * 120).build().unwrap();
    let apps = [serve_on(nearby), serve_on(far)];
    let cookie = client::get(&apps[0], "/add", None).await.new_cookie();
    let mut ends = Socket::connect(&apps[1], Some(&cookie)).await;
    assert_eq!(ends.ask("add", &[]).await, json!(2));
    pool.set_connect_options(database.options());
    proxy.go(Way::Closed);
    client::get(&apps[0], "/logout", Some(&cookie)).await.ok();
    timeout(SECOND * 20, ends.disconnected("/")).await.expect("the end, of which it hears by another way");
}

#[tokio::test]
async fn a_node_that_is_cut_off_disconnects_its_sockets() {
    let database = Database::create().await;
    PostgresBackend::new(database.pool().await).migrate().await.unwrap();
    let cut_off = async |way: Way, polls: bool| {
        let proxy = Proxy::before(database.directory());
        let mut builder = node_behind(&proxy, &database).await.with_cut_off(SECOND * 3);
        if polls {
            builder = builder.with_polling(milliseconds(100));
        }
        let app = serve_on(builder.build().unwrap());
        let cookie = client::get(&app, "/add", None).await.new_cookie();
        let mut socket = Socket::connect(&app, Some(&cookie)).await;
        // Not because of a connection that was lost.
        proxy.go(Way::Closed);
        sleep(milliseconds(500)).await;
        proxy.go(Way::Open);
        sleep(SECOND).await;
        assert_eq!(socket.ask("add", &[]).await, json!(2));
        let cut = Instant::now();
        proxy.go(way);
        soon("the end of the socket", socket.disconnected("/")).await;
        let took = cut.elapsed();
        println!("cut off ({way:?}, polls: {polls}): sockets ended after {took:?}, of 3 s");
        assert!((SECOND * 2..SECOND * 9).contains(&took), "{took:?}");
        assert_eq!(client::get(&app, "/count", Some(&cookie)).await.status, 503);
        proxy.go(Way::Open);
        soon("an answer", async {
            while client::get(&app, "/count", Some(&cookie)).await.body != "2" {
                sleep(milliseconds(20)).await;
            }
        })
        .await;
    };
    tokio::join!(
        cut_off(Way::Closed, false),
        cut_off(Way::Silent, false),
        cut_off(Way::Closed, true),
        cut_off(Way::Silent, true)
    );
}

/// Rows of sessions that have expired go, with all that belongs to them; others stay.
#[tokio::test]
async fn what_has_expired_is_removed() {
    let database = Database::create().await;
    let pool = database.pool().await;
    let backend = PostgresBackend::builder(pool.clone()).with_cleanup(milliseconds(100)).build().unwrap();
    backend.migrate().await.unwrap();
    let stays = begin(&backend, vec![set("a", 1)]).await;
    for _ in 0..600 {
        let mut brief = create(SessionId::random(), vec![set("a", 1), set("b", 2)]);
        brief.expires.as_mut().unwrap().at = OffsetDateTime::now_utc() + milliseconds(300);
        backend.commit(brief).await.unwrap();
    }
    let left = async |table: &str| {
        let count = format!("SELECT count(*) FROM socketioxide_session.{table}");
        sqlx::query_scalar::<_, i64>(&count).fetch_one(&pool).await.unwrap()
    };
    soon("rows that go", async {
        while (left("sessions").await, left("values").await) != (1, 1) {
            sleep(milliseconds(20)).await;
        }
    })
    .await;
    assert_eq!(value(&backend, stays, "a").await, Some(json!(1)));
}
