//! `examples/cluster`: what happens on one node is seen on the other.
//!
//! Clauses: 1, 11, 14.

use serde_json::{Value, json};
use socketioxide_session_tests::{
    http::Browser,
    node::{Chromium, Connect, OfficialClients, Transport},
    postgres_server::Database,
};

use crate::program::Program;

#[tokio::test]
async fn in_chromium_a_tab_on_each_node_logs_in_talks_and_logs_out() {
    let (_program, nodes) = Program::start_nodes("cluster").await;
    a_tab_on_each_node_logs_in_talks_and_logs_out(nodes).await;
}

#[tokio::test]
async fn in_chromium_on_postgres_a_tab_on_each_node_logs_in_talks_and_logs_out() {
    let database = Database::create().await.url();
    let (_program, nodes) = Program::start_nodes_with("cluster", &[("DATABASE_URL", &database)]).await;
    a_tab_on_each_node_logs_in_talks_and_logs_out(nodes).await;
}

async fn a_tab_on_each_node_logs_in_talks_and_logs_out([one, two]: [String; 2]) {
    let browser = Chromium::launch().await;
    let (first, second) = (browser.page("first"), browser.page("second"));
    first.open(&one).await;
    first.reads("#who", "Nobody yet, 1 visit").await;
    // The same cookie, and so the same session.
    second.open(&two).await;
    second.reads("#who", "Nobody yet, 2 visits").await;

    first.fill("#login input", "Ada").await;
    first.click("#login button").await;
    first.reads("#who", "Ada").await;
    second.reads("#who", "Ada").await;

    for (from, to, text) in [(&first, &second, "Hello from the first node"), (&second, &first, "And back")] {
        from.fill("#text", text).await;
        from.click("#say button").await;
        to.until(&format!("document.querySelector('#messages').textContent.includes('{text}')")).await;
    }

    second.click("#logout").await;
    second.reads("#who", "Nobody yet, 0 visits").await;
    first.reads("#who", "Nobody yet, 0 visits").await;
    first.visible("#login").await;
    for page in [&first, &second] {
        assert_eq!(page.errors().await, json!([]));
    }
    browser.close().await;
}

#[tokio::test]
async fn a_logout_on_one_node_ends_the_sockets_on_both() {
    let (_program, nodes) = Program::start_nodes("cluster").await;
    a_logout_ends_the_sockets_on_both(nodes).await;
}

#[tokio::test]
async fn on_postgres_a_logout_on_one_node_ends_the_sockets_on_both() {
    let database = Database::create().await.url();
    let (_program, nodes) = Program::start_nodes_with("cluster", &[("DATABASE_URL", &database)]).await;
    a_logout_ends_the_sockets_on_both(nodes).await;
}

async fn a_logout_ends_the_sockets_on_both([one, two]: [String; 2]) {
    let browser = Browser::at(&one);
    assert_eq!(browser.post("/login", &[("name", "Ada")]).await.status, 303);
    let clients = OfficialClients::start();
    let mut sockets = Vec::new();
    for (node, transport) in [
        (&one, Transport::WebSocket),
        (&one, Transport::Polling),
        (&two, Transport::WebSocket),
        (&two, Transport::Polling),
    ] {
        let socket = clients.connect(Connect::at(node, transport).cookie(browser.session())).await;
        assert_eq!(socket.ask("whoami", &[]).await, json!({ "name": "Ada", "visits": 0 }));
        sockets.push(socket);
    }
    assert_eq!(sockets[3].ask("say", &[json!("Hello")]).await, Value::Null);
    for socket in &sockets {
        assert_eq!(socket.event("message").await, json!([{ "from": "Ada", "text": "Hello" }]));
    }
    assert_eq!(sockets[2].ask("logout", &[]).await, Value::Null);
    for socket in &sockets {
        assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));
    }
}
