//! Several nodes with their HTTP handlers and sockets: one truth.
//!
//! Clauses: 10, 11, 14.

use std::time::Duration;

use axum::{Extension, Router, routing::get};
use serde_json::{Value, json};
use socketioxide_session::{
    Backend, Error, EventRouter, Expiry, RedisBackend, SessionControl, http_handler, socket_handler,
    testing::Packet,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Socket},
    fixture::shop::{self, Counter, HELD},
    gate::Gate,
    http::{self, Answer},
    records::{SECOND, milliseconds},
    redis_server::RedisServer,
    several::count_together,
    soak::short_or_long,
    soon,
};
use tokio::time::{Instant, sleep};

use crate::{node, proxy::Proxy};

#[http_handler(counter)]
async fn slow(counter: &mut Counter) {
    sleep(milliseconds(700)).await;
    counter.count += HELD;
}

#[http_handler]
async fn expire(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::SECOND))
}

/// A logout that comes after the events before it.
#[socket_handler(counter)]
async fn socket_leave(counter: &mut Counter, control: SessionControl) -> Result<u64, Error> {
    control.flush()?;
    Ok(counter.count + 1)
}

/// A logout that has seen the session before it waits.
#[http_handler(counter)]
async fn leave(
    counter: &Counter,
    control: SessionControl,
    Extension(gate): Extension<Gate>,
) -> Result<(), Error> {
    assert_eq!(counter.count, 1);
    gate.pass().await;
    control.flush()
}

fn connected() -> EventRouter {
    EventRouter::new().on("add", shop::sockets::slow_add).on("leave", socket_leave)
}

pub(crate) fn serve(backend: impl Backend) -> App {
    let routes = Router::new()
        .route("/add", get(shop::http::slow_add))
        .route("/count", get(shop::http::count))
        .route("/slow", get(slow))
        .route("/login", get(shop::http::cycle))
        .route("/expire", get(expire))
        .route("/logout", get(shop::http::flush));
    let application = with_sockets(routes, (), |io| io.ns("/", connected()));
    App::new(application.layer(sessions(backend)))
}

/// Two nodes, and the cookie of a session.
async fn two_nodes(server: &RedisServer) -> ([App; 2], String) {
    // A lease that outlives the pauses of a busy machine.
    let node = async || node(server).await.with_lease(SECOND * 10);
    let apps = [serve(node().await), serve(node().await)];
    let cookie = client::get(&apps[0], "/add", None).await.new_cookie();
    (apps, cookie)
}

pub(crate) async fn count_at(app: &App, cookie: &str) -> Value {
    http::get(app, "/count", Some(cookie)).await.json()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_on_two_nodes_are_all_counted() {
    let server = RedisServer::start().await;
    let (apps, cookie) = two_nodes(&server).await;
    let begun = Instant::now();
    let each = short_or_long(50, 1_000);
    let (acknowledged, open) = count_together(apps.each_ref(), &cookie, each).await;
    println!("{} increments on two nodes took {:?}", 16 * each, begun.elapsed());
    assert_eq!(open, Vec::<Value>::new());
    assert_eq!(acknowledged.len(), 16 * each);
    for app in &apps {
        assert_eq!(count_at(app, &cookie).await, json!(16 * each + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_while_connections_are_cut_are_counted_once() {
    let server = RedisServer::start().await;
    let (apps, cookie) = two_nodes(&server).await;
    let mut connection = server.connection().await;
    let killer = tokio::spawn(async move {
        let mut killed = 0_u32;
        loop {
            sleep(milliseconds(u64::from(killed) * 37 % 53)).await;
            let kind = if killed.is_multiple_of(5) { "pubsub" } else { "normal" };
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg(kind).arg("SKIPME").arg("yes");
            killed += kill.query_async::<u32>(&mut connection).await.unwrap();
        }
    });
    let begun = Instant::now();
    let (acknowledged, open) = count_together(apps.each_ref(), &cookie, short_or_long(60, 1_000)).await;
    killer.abort();
    let last = count_at(&apps[0], &cookie).await.as_u64().unwrap();
    let (known, open_count) = (1 + acknowledged.len() as u64, open.len() as u64);
    println!(
        "increments under CLIENT KILL took {:?}: {known} told, {open_count} left open, {last} counted",
        begun.elapsed()
    );
    assert!((known..=known + open_count).contains(&last));
    assert!(acknowledged.iter().all(|n| *n <= last));
    assert!(open_count <= known / 100, "calls are tried again, and yet: {open:?}");
}

#[tokio::test]
async fn an_expiry_that_was_set_on_another_node_holds_beside_a_slow_handler() {
    let server = RedisServer::start().await;
    let (apps, cookie) = two_nodes(&server).await;
    // It holds its turn for 700 ms, and reckons from the expiry that it found.
    let slow = client::get(&apps[0], "/slow", Some(&cookie));
    let expires = async {
        sleep(milliseconds(200)).await;
        client::get(&apps[1], "/expire", Some(&cookie)).await.ok();
    };
    let (slow, ()) = tokio::join!(slow, expires);
    slow.ok();
    assert_eq!(count_at(&apps[1], &cookie).await, json!(1 + HELD));
    sleep(SECOND * 2).await;
    assert_eq!(count_at(&apps[0], &cookie).await, json!(0));
}

/// A logout over a socket, and what was sent before it, is acknowledged although what comes after it finds the session
/// ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_between_other_events_takes_no_answer_away() {
    let server = RedisServer::start().await;
    for round in 0..10 {
        let (apps, cookie) = two_nodes(&server).await;
        let mut socket = Socket::connect(&apps[0], Some(&cookie)).await;
        let there = Socket::connect(&apps[1], Some(&cookie)).await;
        let mut numbers = Vec::new();
        for event in [&["add"; 16][..], &["leave"], &["add"; 3]].concat() {
            numbers.push(socket.ask_later("/", event, &[]).await);
        }
        for (number, n) in numbers.into_iter().zip(2..=18) {
            assert_eq!(socket.answer("/", number).await, json!(n), "round {round}");
        }
        let is_end = |packet: &Packet| matches!(packet, Packet::Disconnect { .. });
        assert!(!socket.unasked().iter().any(is_end), "round {round}: its end came before an answer");
        socket.disconnected("/").await;
        there.disconnected("/").await;
    }
}

#[tokio::test]
async fn a_logout_on_one_node_ends_the_sockets_on_the_other() {
    let server = RedisServer::start().await;
    let (apps, cookie) = two_nodes(&server).await;
    let mut here = Socket::connect(&apps[0], Some(&cookie)).await;
    let mut there = Socket::connect(&apps[1], Some(&cookie)).await;
    assert_eq!(there.ask("add", &[]).await, json!(2));
    assert_eq!(here.ask("add", &[]).await, json!(3));
    // A handler on the other node is under way, and cannot bring the session back.
    let late = client::get(&apps[1], "/slow", Some(&cookie));
    let ends = async {
        sleep(milliseconds(200)).await;
        let ended = Instant::now();
        client::get(&apps[0], "/logout", Some(&cookie)).await.ok();
        there.disconnected("/").await;
        println!("a logout on one node ended a socket on the other after {:?}", ended.elapsed());
        here.disconnected("/").await;
    };
    let (late, ()) = tokio::join!(late, ends);
    assert_eq!(late.status, 409, "{}", late.body);
    assert!(late.body.contains("has ended"), "{}", late.body);
    for app in &apps {
        assert_eq!(count_at(app, &cookie).await, json!(0));
    }
}

#[tokio::test]
async fn a_login_on_one_node_is_known_on_the_other() {
    let server = RedisServer::start().await;
    let (apps, old) = two_nodes(&server).await;
    let there = Socket::connect(&apps[1], Some(&old)).await;
    let late = client::get(&apps[1], "/slow", Some(&old));
    let logs_in = async {
        sleep(milliseconds(200)).await;
        client::get(&apps[0], "/login", Some(&old)).await.new_cookie()
    };
    let (late, new) = tokio::join!(late, logs_in);
    assert_eq!(late.status, 409, "{}", late.body);
    assert!(late.body.contains("has changed"), "{}", late.body);
    assert!(late.set_cookies().is_empty());
    there.disconnected("/").await;
    let handshake: Answer = client::poll(&apps[1], Some(&old)).await;
    assert_eq!(handshake.status, 503, "{}", handshake.body);
    assert!(handshake.set_cookies().is_empty());
    let write = client::get(&apps[1], "/add", Some(&old)).await;
    assert_eq!((write.status, write.set_cookies().len()), (409, 0), "{}", write.body);
    assert_eq!(count_at(&apps[1], &new).await, json!(1));
    let mut there = Socket::connect(&apps[1], Some(&new)).await;
    assert_eq!(there.ask("add", &[]).await, json!(2));
}

#[tokio::test]
async fn a_sooner_expiry_is_known_on_the_other_node() {
    let server = RedisServer::start().await;
    let (apps, cookie) = two_nodes(&server).await;
    let there = Socket::connect(&apps[1], Some(&cookie)).await;
    let begun = Instant::now();
    client::get(&apps[0], "/expire", Some(&cookie)).await.ok();
    there.disconnected("/").await;
    assert!(begun.elapsed() < SECOND * 5);
}

/// A node that never heard of a change still knows it by what is left of the old id.
#[tokio::test]
async fn a_node_that_starts_later_knows_of_a_change() {
    let server = RedisServer::start().await;
    let (apps, old) = two_nodes(&server).await;
    client::get(&apps[0], "/login", Some(&old)).await.new_cookie();
    let third = serve(node(&server).await);
    assert_eq!(client::poll(&third, Some(&old)).await.status, 503);
    let write = client::get(&third, "/add", Some(&old)).await;
    assert_eq!((write.status, write.set_cookies().len()), (409, 0), "{}", write.body);
}

#[tokio::test]
async fn what_was_missed_while_cut_off_is_made_good() {
    let server = RedisServer::start().await;
    let proxy = Proxy::before(server.port).await;
    let there = RedisBackend::connect(&*proxy.url).await.unwrap().with_timeout(SECOND * 2);
    let apps = [serve(node(&server).await), serve(there)];
    let cookie = client::get(&apps[0], "/add", None).await.new_cookie();
    let other = client::get(&apps[0], "/add", None).await.new_cookie();
    let mut ends = Socket::connect(&apps[1], Some(&cookie)).await;
    let mut stays = Socket::connect(&apps[1], Some(&other)).await;
    assert_eq!(ends.ask("add", &[]).await, json!(2));
    proxy.close(true);
    sleep(milliseconds(200)).await;
    client::get(&apps[0], "/logout", Some(&cookie)).await.ok();
    proxy.close(false);
    let back = Instant::now();
    ends.disconnected("/").await;
    println!(
        "a socket whose session ended while its node was cut off was disconnected {:?} after",
        back.elapsed()
    );
    assert_eq!(stays.ask("add", &[]).await, json!(2));
}

#[tokio::test]
async fn a_node_that_is_cut_off_disconnects_its_sockets() {
    let server = RedisServer::start().await;
    let cut_off = async |silently: bool| {
        let proxy = Proxy::before(server.port).await;
        let backend = RedisBackend::connect(&*proxy.url).await.unwrap();
        let app = serve(backend.with_timeout(SECOND).with_cut_off(SECOND * 3));
        let cookie = client::get(&app, "/add", None).await.new_cookie();
        let mut socket = Socket::connect(&app, Some(&cookie)).await;
        // Not because of a single lost connection.
        proxy.close(true);
        sleep(SECOND).await;
        proxy.close(false);
        sleep(SECOND).await;
        assert_eq!(socket.ask("add", &[]).await, json!(2));
        let cut = Instant::now();
        if silently {
            proxy.silence(true);
        } else {
            proxy.close(true);
        }
        soon("the end of the socket", socket.disconnected("/")).await;
        let took = cut.elapsed();
        println!(
            "cut off ({}): sockets ended after {took:?}, of 3 s",
            if silently { "silence" } else { "refusal" }
        );
        assert!((SECOND * 2..SECOND * 6).contains(&took), "{took:?}");
        assert_eq!(client::get(&app, "/count", Some(&cookie)).await.status, 503);
        proxy.silence(false);
        proxy.close(false);
        sleep(Duration::from_millis(700)).await;
        assert_eq!(count_at(&app, &cookie).await, json!(2));
    };
    tokio::join!(cut_off(false), cut_off(true));
}

#[tokio::test]
async fn in_a_cluster_all_holds() {
    let server = RedisServer::start_cluster().await;
    let node = async || RedisBackend::connect_cluster([server.url()]).await.unwrap();
    let apps = [serve(node().await), serve(node().await)];
    let old = client::get(&apps[0], "/add", None).await.new_cookie();
    let (acknowledged, open) = count_together(apps.each_ref(), &old, 5).await;
    assert_eq!((acknowledged.len(), open), (80, Vec::new()));
    let there = Socket::connect(&apps[1], Some(&old)).await;
    let new = client::get(&apps[0], "/login", Some(&old)).await.new_cookie();
    there.disconnected("/").await;
    assert_eq!(client::poll(&apps[1], Some(&old)).await.status, 503);
    assert_eq!(client::get(&apps[1], "/add", Some(&old)).await.status, 409);
    let mut there = Socket::connect(&apps[1], Some(&new)).await;
    assert_eq!(there.ask("add", &[]).await, json!(82));
    client::get(&apps[0], "/logout", Some(&new)).await.ok();
    there.disconnected("/").await;
}

#[tokio::test]
async fn a_logout_that_a_login_on_another_node_overtook_is_told() {
    let server = RedisServer::start().await;
    let (apps, old) = two_nodes(&server).await;
    let gate = Gate::default();
    let routes = Router::new().route("/leave", get(leave)).layer(Extension(gate.clone()));
    let app = App::new(with_sockets(routes, (), |_| {}).layer(sessions(node(&server).await)));
    let logout = client::get(&app, "/leave", Some(&old));
    let login = async {
        gate.reached().await;
        let new = client::get(&apps[0], "/login", Some(&old)).await.new_cookie();
        gate.open();
        new
    };
    let (answer, new) = tokio::join!(logout, login);
    assert_eq!((answer.status, answer.set_cookies()), (409, vec![]), "{}", answer.body);
    assert_eq!(count_at(&apps[1], &new).await, 1);
}
