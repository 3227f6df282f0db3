//! `examples/chat` in a real browser, as its visitors have it.
//!
//! Clauses: 1, 11.

use std::{fs::File, time::Duration};

use serde_json::{Value, json};
use socketioxide_session_tests::{
    http::Browser,
    node::{Chromium, Connect, OfficialClients, Page, Transport},
    soon,
};

use crate::program::Program;

async fn log_in(page: &Page<'_>, name: &str) {
    page.fill("#login input", name).await;
    page.click("#login button").await;
    page.reads("#who", name).await;
}

async fn says(page: &Page<'_>, text: &str) {
    page.fill("#text", text).await;
    page.click("#say button").await;
}

/// The value of the session cookie, as the browser has it.
async fn session(browser: &Chromium, url: &str) -> Value {
    let cookies = browser.cookies(url).await;
    let cookies = cookies.as_array().expect("a list of cookies");
    let ours: Vec<_> = cookies.iter().filter(|cookie| cookie["name"] == "id").collect();
    assert_eq!(ours.len(), 1, "{cookies:?}");
    assert_eq!((&ours[0]["httpOnly"], &ours[0]["sameSite"]), (&json!(true), &json!("Lax")));
    ours[0]["value"].clone()
}

/// The tabs hear of each other's visits, logins and logouts at once, and come back by themselves.
async fn two_tabs_log_in_talk_and_log_out(browser: &Chromium, client: &str) {
    let program = Program::start("chat").await;
    let (first, second) = (browser.page("first"), browser.page("second"));

    first.open(&program.url).await;
    first.reads("#who", "Nobody yet, 1 visit").await;
    assert_eq!(first.evaluate("typeof window.io").await, client);
    second.open(&program.url).await;
    second.reads("#who", "Nobody yet, 2 visits").await;
    first.reads("#who", "Nobody yet, 2 visits").await;
    first.reads("#here", "Nobody is here.").await;
    let before_login = session(browser, &program.url).await;

    // A login in one tab: the other one's socket is ended, says why, comes back by itself and is the user's as well.
    log_in(&first, "Ada").await;
    second.reads("#messages .notice", "There was a login in one of your tabs.").await;
    second.reads("#who", "Ada, 3 visits").await;
    second.reads("#here", "Here: Ada").await;
    assert_ne!(session(browser, &program.url).await, before_login);

    says(&first, "Hello from the first tab").await;
    second.reads("#messages li", "Hello from the first tab").await;
    says(&second, "<img src=x onerror='document.title=\"broken\"'>").await;
    first.reads("#messages li", "<img src=x").await;
    assert_ne!(first.evaluate("document.title").await, "broken");
    assert_eq!(first.evaluate("document.querySelectorAll('#messages img').length").await, 0);

    // A logout over the socket of one tab: both are nobody, and their sockets are back.
    first.click("#logout").await;
    for page in [&first, &second] {
        page.reads("#messages .notice", "You have logged out.").await;
        page.reads("#who", "Nobody yet, 0 visits").await;
        page.reads("#here", "Nobody is here.").await;
    }
    first.visible("#login").await;
    first.reload().await;
    first.reads("#who", "Nobody yet, 1 visit").await;
    first.visible("#login").await;

    // And everything starts anew.
    log_in(&second, "Grace").await;
    first.reads("#who", "Grace").await;
    says(&second, "Hello again").await;
    first.reads("#messages li", "Hello again").await;
    for page in [&first, &second] {
        assert_eq!(page.errors().await, json!([]));
    }
}

#[tokio::test]
async fn in_chromium_with_the_official_client() {
    let browser = Chromium::launch().await;
    two_tabs_log_in_talk_and_log_out(&browser, "function").await;
    browser.close().await;
}

/// Nothing answers but the program itself.
#[tokio::test]
async fn in_chromium_without_the_internet() {
    let browser = Chromium::launch_without_internet().await;
    two_tabs_log_in_talk_and_log_out(&browser, "undefined").await;
    browser.close().await;
}

/// A server that was away for a moment: its page is back by itself, with either client.
#[tokio::test]
async fn a_page_is_back_when_its_server_is() {
    for browser in [Chromium::launch().await, Chromium::launch_without_internet().await] {
        let program = Program::start("chat").await;
        let page = browser.page("first");
        page.open(&program.url).await;
        page.reads("#who", "Nobody yet, 1 visit").await;
        let again = program.again().await;
        page.reads("#who", "Nobody yet, 0 visits").await;
        drop(again);
        browser.close().await;
    }
}

#[tokio::test]
async fn a_stranger_may_listen_and_not_talk() {
    let program = Program::start("chat").await;
    let clients = OfficialClients::start();
    let stranger = clients.connect(Connect::at(&program.url, Transport::Polling)).await;
    assert_eq!(stranger.event("user").await, json!([{ "name": null, "visits": 0 }]));
    assert_eq!(stranger.ask("say", &[json!("psst")]).await, json!({ "error": "Log in to talk." }));

    let browser = Browser::at(&program.url);
    assert_eq!(browser.post("/login", &[("name", "  Ada ")]).await.status, 303);
    let connect = Connect::at(&program.url, Transport::WebSocket).cookie(browser.session());
    let socket = clients.connect(connect).await;
    assert_eq!(socket.event("user").await, json!([{ "name": "Ada", "visits": 0 }]));
    let mut here = stranger.event("here").await;
    while here == json!([[]]) {
        here = stranger.event("here").await;
    }
    assert_eq!(here, json!([["Ada"]]));
    assert_eq!(socket.ask("say", &[json!("Hello")]).await, Value::Null);
    assert_eq!(stranger.event("message").await, json!([{ "from": "Ada", "text": "Hello" }]));
    assert_eq!(socket.ask("logout", &[]).await, Value::Null);
    assert_eq!(socket.event("session_ended").await, json!([{ "reason": "logout" }]));
    assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));
    assert_eq!(stranger.event("here").await, json!([[]]));
}

/// What an operator reads with `RUST_LOG=info`: each call with its ending, a refusal among them, and ends of sessions.
#[tokio::test]
async fn its_log_is_readable() {
    let path = std::env::temp_dir().join(format!("socketioxide-session-chat-{}.log", std::process::id()));
    let program = Program::start_logged("chat", "info", File::create(&path).expect("a file")).await;
    let (clients, browser) = (OfficialClients::start(), Browser::at(&program.url));
    assert_eq!(browser.get("/").await.status, 200);
    let connect = Connect::at(&program.url, Transport::WebSocket).cookie(browser.session());
    let socket = clients.connect(connect).await;
    assert_eq!(socket.ask("say", &[json!("psst")]).await, json!({ "error": "Log in to talk." }));
    assert_eq!(socket.ask("logout", &[]).await, Value::Null);
    assert_eq!(socket.event("disconnect").await, json!(["io server disconnect"]));

    // A call's line may be written a moment after its answer.
    let line = async |words: &[&str]| {
        soon("a line of the log", async {
            loop {
                let log = std::fs::read_to_string(&path).expect("a log");
                if let Some(line) = log.lines().find(|line| words.iter().all(|word| line.contains(word))) {
                    return line.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    };
    line(&["INFO", "kind=\"http\"", "route=\"/\"", "handler=\"chat::page\"", "ending=\"normal\""]).await;
    let refused = line(&["event=\"say\"", "handler=\"chat::say\"", "ending=\"failed\""]).await;
    let ended = line(&["INFO", "a session has ended", "reason=\"logout\""]).await;
    drop(program);
    let log = std::fs::read_to_string(&path).expect("a log");
    std::fs::remove_file(&path).expect("the file that was made");
    assert!(!refused.contains("psst"), "what was said is nobody's business: {refused}");
    let key = refused.split("key=").nth(1).and_then(|rest| rest.split(['"', ' ']).nth(1)).expect("a key");
    assert!(ended.contains(key), "one session, one key: {ended}");
    assert!(!log.contains('\u{1b}'), "a file has no colours");
}
