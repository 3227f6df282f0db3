//! Live states on several nodes: what one commits, the sockets of all are sent.
//!
//! Clauses: 10, 14, 15.

use axum::{Router, routing::get};
use futures_util::StreamExt;
use serde_json::json;
use socketioxide_session::{
    Backend, Ending, EventRouter, RedisBackend, Session, SessionLayer, Shared, session_state,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{Client, Socket},
    on_engine, on_every_engine,
    redis_server::RedisServer,
    several::Server,
    soak::short_or_long,
    soon,
};
use tokio::sync::mpsc::unbounded_channel;

use crate::stage::{self, Tools, User, next_event, router, routes, sent, until, visitor};

fn app_on(backend: impl Backend) -> App {
    app_with(sessions(backend))
}

fn app_with(layer: SessionLayer) -> App {
    App::new(router(&Tools::default(), routes(), layer.with_live::<User>()))
}

async fn node(server: &Server) -> App {
    app_with(server.node().await)
}

async fn node_with_cache(server: &Server) -> App {
    app_with(server.node_with_cache().await)
}

on_every_engine! {
    whoever_commits_where_ever_all_tabs_are_sent_it
    four_tabs_on_two_nodes_are_sent_the_states_in_their_order_and_the_last_one
    a_node_that_did_not_hear_looks_again
    plain_namespaces_are_sent_what_other_nodes_commit_as_soon_as_they_are_connected
    where_one_tab_takes_the_place_of_another_it_is_heard
    a_login_elsewhere_sends_nothing_to_the_sockets_of_the_old_id
    in_a_rolling_release_no_node_sends_what_the_newer_one_hides
    who_follows_hears_of_other_nodes
}

mod where_nobody_listens {
    use super::*;

    on_engine! { redis: where_no_socket_listens_nothing_is_sent }
    on_engine! { postgres: where_no_socket_listens_nothing_is_sent }
}

/// The same visitor on another node.
fn on(node: &App, visitor: &Client) -> Client {
    let client = Client::new(node);
    client.keep(&visitor.cookie().expect("a session"));
    client
}

/// The next state that is another one than before: commits that lie close together may send the same state twice.
async fn comes(tab: &Socket, state: &[serde_json::Value]) {
    let first = next_event(tab).await.1;
    let mut told = first.clone();
    while told == first && told != state {
        told = next_event(tab).await.1;
    }
    assert_eq!(told, state);
}

/// A tab that is sent everything from now on: it has been sent what there is.
async fn tab(node: &App, visitor: &Client) -> Socket {
    let socket = Socket::connect(node, visitor.cookie().as_deref()).await;
    next_event(&socket).await;
    socket
}

async fn whoever_commits_where_ever_all_tabs_are_sent_it(server: Server) {
    let nodes = [node(&server).await, node_with_cache(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    let mut tabs = [tab(&nodes[0], &ada).await, tab(&nodes[1], &ada).await];
    for (index, (path, expected)) in [
        ("/rename?name=bea", sent("bea", 0)),
        ("/visit", sent("bea", 1)),
        ("/shared?name=cleo", sent("cleo", 1)),
        ("/plain?name=dora", sent("dora", 7)),
        ("/visit", sent("dora", 8)),
    ]
    .into_iter()
    .enumerate()
    {
        on(&nodes[index % 2], &ada).get(path).await;
        for tab in &tabs {
            comes(tab, &expected).await;
        }
    }
    on(&nodes[0], &ada).get("/fail").await;
    tabs[1].ask("rename", &[json!("eve")]).await;
    for tab in &tabs {
        comes(tab, &sent("eve", 8)).await;
    }
}

async fn four_tabs_on_two_nodes_are_sent_the_states_in_their_order_and_the_last_one(server: Server) {
    let commits = short_or_long(300, 10_000);
    let nodes = [node(&server).await, node_with_cache(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    let mut tabs = Vec::new();
    for number in 0..4 {
        let tab = tab(&nodes[number % 2], &ada).await;
        tabs.push(tokio::spawn(until(tab, commits)));
    }
    let writers = (0..4).map(|number| {
        let ada = on(&nodes[number % 2], &ada);
        async move {
            for _ in 0..commits / 4 {
                ada.get("/visit").await.json();
            }
        }
    });
    futures_util::future::join_all(writers).await;
    for tab in tabs {
        let events = soon("the last state", tab).await.expect("the last state");
        println!("{commits} commits, {events} events");
    }
}

/// Nobody hears on the connections that are cut; what was committed meanwhile is read once there is another one.
async fn a_node_that_did_not_hear_looks_again(server: Server) {
    let nodes = [node(&server).await, node_with_cache(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    for round in 1..=short_or_long(10, 200) {
        let tabs = [tab(&nodes[0], &ada).await, tab(&nodes[1], &ada).await];
        let waits = tabs.map(|tab| tokio::spawn(until(tab, round)));
        let ada = on(&nodes[0], &ada);
        tokio::join!(server.cut_ears(), ada.get("/visit"));
        for tab in waits {
            soon("the last state", tab).await.expect("the last state");
        }
    }
}

/// Also before it is heard there. Nobody's connect handler is this crate's: a middleware has bound the socket.
async fn plain_namespaces_are_sent_what_other_nodes_commit_as_soon_as_they_are_connected(server: Server) {
    let nodes = [node(&server).await, node(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    for visits in 1..=short_or_long(30, 1_000) {
        let socket = Socket::open(&nodes[1], ada.cookie().as_deref()).await.expect("a handshake");
        socket.join("/guarded").await.expect("a connection");
        ada.get("/visit").await.ok();
        until(socket, visits).await;
    }
}

/// Nobody hears, and nobody can listen anew, while it is committed.
#[tokio::test]
async fn what_was_committed_while_a_node_could_not_hear_is_sent_once_it_can() {
    let server = RedisServer::start().await;
    let with_cache = RedisBackend::builder(server.url()).with_read_cache(100).connect().await;
    let nodes = [
        app_on(RedisBackend::connect(server.url()).await.expect("a backend")),
        app_on(with_cache.expect("a backend")),
    ];
    let ada = visitor(&nodes[0], "ada").await;
    let tabs = [tab(&nodes[0], &ada).await, tab(&nodes[1], &ada).await];
    let mut operator = server.connection().await;
    let mut command = async |words: &[&str]| {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]).exec_async(&mut operator).await.expect("a command");
    };
    command(&["CONFIG", "SET", "maxclients", "1"]).await;
    command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    ada.get("/visit").await.ok();
    assert_eq!(next_event(&tabs[0]).await.1, sent("ada", 1), "what this node commits it knows");
    command(&["CONFIG", "SET", "maxclients", "1000"]).await;
    assert_eq!(next_event(&tabs[1]).await.1, sent("ada", 1), "what it missed");
    ada.get("/visit").await.ok();
    assert_eq!(next_event(&tabs[1]).await.1, sent("ada", 2), "it hears again");
}

/// The one who goes takes nothing from the one who comes.
async fn where_one_tab_takes_the_place_of_another_it_is_heard(server: Server) {
    let nodes = [node(&server).await, node(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    let there = on(&nodes[1], &ada);
    let mut last = tab(&nodes[1], &ada).await;
    for visits in 1..=short_or_long(50, 2_000) {
        last.vanish();
        last = tab(&nodes[1], &there).await;
        ada.get("/visit").await.ok();
        let visits = u32::try_from(visits).expect("a number");
        comes(&last, &sent("ada", visits)).await;
    }
}

async fn a_login_elsewhere_sends_nothing_to_the_sockets_of_the_old_id(server: Server) {
    let nodes = [node(&server).await, node(&server).await];
    let ada = visitor(&nodes[0], "nobody").await;
    let planted = tab(&nodes[1], &ada).await;
    ada.get("/login?name=ada").await.ok();
    ada.get("/visit").await.ok();
    planted.disconnected("/").await;
    let told = planted.unasked();
    assert!(!format!("{told:?}").contains("ada"), "{told:?}");
    let again = Socket::connect(&nodes[1], ada.cookie().as_deref()).await;
    comes(&again, &sent("ada", 1)).await;
    ada.get("/visit").await.ok();
    comes(&again, &sent("ada", 2)).await;
}

async fn where_no_socket_listens_nothing_is_sent(server: Server) {
    let nodes = [node(&server).await, node(&server).await];
    let ada = visitor(&nodes[0], "ada").await;
    server.sessions_are_listened_to(0).await;
    let tabs = [tab(&nodes[0], &ada).await, tab(&nodes[1], &ada).await];
    server.sessions_are_listened_to(1).await;
    for tab in tabs {
        tab.leave().await;
    }
    server.sessions_are_listened_to(0).await;
    ada.get("/visit").await.ok();
}

/// Each build sends what it knows; an older one does not know a field, so it cannot know that it is for the server alone.
async fn in_a_rolling_release_no_node_sends_what_the_newer_one_hides(server: Server) {
    mod older {
        use super::session_state;

        #[session_state(emit = "user")]
        pub(super) struct User {
            pub(super) name: Option<String>,
            pub(super) visits: u32,
        }
    }
    async fn older_visit(user: Shared<older::User>) {
        user.update(|user| user.visits += 1).await.expect("an update");
    }
    let newer = node(&server).await;
    let routes = Router::new().route("/visit", get(older_visit));
    let sockets = with_sockets(routes, (), |io| io.ns("/", EventRouter::new()));
    let older = App::new(sockets.layer(server.node().await.with_live::<older::User>()));

    let ada = visitor(&newer, "ada").await;
    ada.get("/fail").await.ok();
    let tabs = [tab(&newer, &ada).await, tab(&older, &ada).await];
    ada.get("/fail").await.ok();
    ada.get("/rename?name=bea").await.ok();
    for tab in &tabs {
        comes(tab, &sent("bea", 0)).await;
    }
    on(&older, &ada).get("/visit").await.ok();
    for tab in &tabs {
        comes(tab, &sent("bea", 1)).await;
    }
}

async fn who_follows_hears_of_other_nodes(server: Server) {
    let (sees, mut told) = unbounded_channel();
    let ends = sees.clone();
    let follow = async move |user: Shared<User>| {
        let (mut changes, sees) = (user.changes(), sees.clone());
        tokio::spawn(async move {
            while let Some(user) = changes.next().await {
                sees.send(json!(user.name)).ok();
            }
        });
    };
    let wait = async move |user: Shared<User>| {
        let ends = ends.clone();
        tokio::spawn(async move { ends.send(json!(user.ended().await.map(Ending::reason))).ok() });
    };
    let routes = routes().route("/follow", get(follow)).route("/await", get(wait));
    let follows = App::new(router(&Tools::default(), routes, server.node().await));
    let elsewhere = async |session: Session| session.insert("elsewhere", 1).await.expect("a value");
    let other_routes = stage::routes().route("/elsewhere", get(elsewhere));
    let other = App::new(router(&Tools::default(), other_routes, server.node().await));

    let ada = visitor(&other, "ada").await;
    on(&follows, &ada).get("/follow").await.ok();
    assert_eq!(soon("a name", told.recv()).await, Some(json!("ada")));
    on(&follows, &ada).get("/await").await.ok();
    ada.get("/elsewhere").await.ok();
    on(&follows, &ada).get("/visit").await.ok();
    assert_eq!(soon("a name", told.recv()).await, Some(json!("ada")), "for the visit");
    ada.get("/rename?name=bea").await.ok();
    let mut name = Some(json!("ada"));
    // What was read for the commit before the visit may have been the visit's already, and then came twice.
    while name == Some(json!("ada")) {
        name = soon("a name", told.recv()).await;
    }
    assert_eq!(name, Some(json!("bea")));
    ada.get("/logout").await.ok();
    assert_eq!(soon("an end", told.recv()).await, Some(json!("logout")));
}

#[tokio::test]
async fn in_a_cluster_as_well() {
    let server = RedisServer::start_cluster().await;
    let backend = async || RedisBackend::connect_cluster([server.url()]).await.expect("a backend");
    let nodes = [app_on(backend().await), app_on(backend().await)];
    let ada = visitor(&nodes[0], "nobody").await;
    let planted = tab(&nodes[1], &ada).await;
    ada.get("/visit").await.ok();
    comes(&planted, &sent("nobody", 1)).await;
    ada.get("/login?name=ada").await.ok();
    planted.disconnected("/").await;
    let again = Socket::connect(&nodes[1], ada.cookie().as_deref()).await;
    comes(&again, &sent("ada", 1)).await;
    ada.get("/visit").await.ok();
    comes(&again, &sent("ada", 2)).await;
}
