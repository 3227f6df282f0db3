//! `examples/counter`: pages and sockets count together.
//!
//! Clauses: 1.

use serde_json::json;
use socketioxide_session_tests::{
    http::Browser,
    node::{Connect, OfficialClients, Transport},
};

use crate::program::Program;

#[tokio::test]
async fn pages_and_sockets_count_together() {
    let program = Program::start("counter").await;
    let browser = Browser::at(&program.url);
    assert_eq!(browser.get("/").await.ok(), "The count is 1.\n");
    let clients = OfficialClients::start();
    for (transport, before) in [(Transport::WebSocket, 1), (Transport::Polling, 12)] {
        let socket = clients.connect(Connect::at(&program.url, transport).cookie(browser.session())).await;
        assert_eq!(socket.event("count").await, json!([before]));
        assert_eq!(socket.ask("add", &[json!(10)]).await, before + 10);
        assert_eq!(browser.get("/").await.ok(), format!("The count is {}.\n", before + 11));
    }
}
