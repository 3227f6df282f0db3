//! An expansion needs nothing of the user's: `hygiene` compiles without the prelude, with the crate renamed.
//!
//! Clauses: 2.

use serde_json::json;
use socketioxide_session::MemoryBackend;
use socketioxide_session_tests::{
    app::App,
    client::{Client, Socket},
};

#[tokio::test]
async fn handlers_without_a_prelude_work_like_any_others() {
    let app = App::new(hygiene::router(MemoryBackend::default()));
    let browser = Client::new(&app);
    assert_eq!(browser.get("/peek").await.ok(), "None");
    assert_eq!(browser.get("/add").await.ok(), "1 7");
    assert_eq!(browser.get("/add-and-fail").await.status, 409);
    assert_eq!(browser.get("/peek").await.ok(), "Some(1)");

    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("plus", &[json!(5)]).await, 7);
    assert_eq!(socket.ask("plus_and_fail", &[]).await, json!({ "error": "refused" }));
    assert!(socket.ask("key", &[]).await.is_string());

    assert_eq!(socket.ask("plus", &[json!(1000)]).await, 1007);
    let refused = Socket::open(&app, Some(&browser.session())).await.expect("a handshake");
    assert_eq!(refused.join("/").await, Err("too many".to_owned()));
}
