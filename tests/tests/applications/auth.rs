//! `examples/auth` in a real browser: axum-login, and sockets that follow it.
//!
//! Clauses: 10, 11.

use serde_json::{Value, json};
use socketioxide_session_tests::{
    http::Browser,
    node::{Chromium, Connect, OfficialClients, Page, Transport},
};

use crate::program::Program;

async fn log_in(page: &Page<'_>, name: &str, password: &str) {
    page.visible("#login").await;
    page.fill("#login [name=name]", name).await;
    page.fill("#login [name=password]", password).await;
    page.click("#login button").await;
}

#[tokio::test]
async fn in_chromium_every_tab_follows_logins_and_logouts() {
    let program = Program::start("auth").await;
    let browser = Chromium::launch().await;
    let (first, second) = (browser.page("first"), browser.page("second"));
    for page in [&first, &second] {
        page.open(&program.url).await;
        page.reads("#who", "Not logged in").await;
    }
    log_in(&first, "ada", "hopper").await;
    first.reads("#wrong", "not the password").await;
    second.reads("#who", "Not logged in").await;

    log_in(&first, "ada", "lovelace").await;
    first.reads("#who", "Logged in as ada").await;
    second.reads("#who", "Logged in as ada").await;

    second.click("#logout button").await;
    second.reads("#who", "Not logged in").await;
    first.reads("#who", "Not logged in").await;

    log_in(&second, "grace", "hopper").await;
    first.reads("#who", "Logged in as grace").await;
    first.reload().await;
    first.reads("#who", "Logged in as grace").await;
    for page in [&first, &second] {
        assert_eq!(page.errors().await, json!([]));
    }
    browser.close().await;
}

#[tokio::test]
async fn a_login_changes_the_id_of_somebody_logged_in_too() {
    let program = Program::start("auth").await;
    let browser = Browser::at(&program.url);
    let clients = OfficialClients::start();
    let socket = clients.connect(Connect::at(&program.url, Transport::Polling)).await;
    assert_eq!(socket.ask("whoami", &[]).await, Value::Null);
    browser.keep(&format!("id={}", socket.cookie("id").await.expect("a cookie")));

    let mut cookies = vec![browser.session()];
    for (name, password) in [("ada", "lovelace"), ("ada", "lovelace"), ("grace", "hopper")] {
        let page =
            clients.connect(Connect::at(&program.url, Transport::WebSocket).cookie(browser.session())).await;
        let login = browser.post("/login", &[("name", name), ("password", password)]).await;
        assert_eq!(login.status, 303);
        let cookie = login.new_cookie();
        assert!(!cookies.contains(&cookie), "{name}: a new id");
        cookies.push(cookie);
        assert_eq!(page.event("disconnect").await, json!(["io server disconnect"]), "{name}");
        let back =
            clients.connect(Connect::at(&program.url, Transport::WebSocket).cookie(browser.session())).await;
        assert_eq!(back.ask("whoami", &[]).await, name);
    }
    let wrong = browser.post("/login", &[("name", "ada"), ("password", "hopper")]).await;
    assert_eq!((wrong.status, wrong.set_cookies()), (303, vec![]));
    assert_eq!(browser.post("/logout", &[]).await.status, 303);
    assert_eq!(browser.cookie(), None);
}
