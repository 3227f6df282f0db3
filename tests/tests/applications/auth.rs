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

/// Two browsers of one person, and an administrator's.
#[tokio::test]
async fn in_chromium_one_browser_ends_the_session_of_another() {
    let program = Program::start("auth").await;
    let browsers = [Chromium::launch().await, Chromium::launch().await, Chromium::launch().await];
    let [desk, phone, office] = browsers.each_ref().map(|browser| browser.page("first"));
    for (page, name, password) in
        [(&desk, "ada", "lovelace"), (&phone, "ada", "lovelace"), (&office, "grace", "hopper")]
    {
        page.open(&program.url).await;
        log_in(page, name, password).await;
        page.reads("#who", &format!("Logged in as {name}")).await;
    }
    desk.reload().await;
    desk.reads("#sessions li", "Chrome, active just now (this one)").await;
    desk.until("document.querySelectorAll('#sessions li').length === 2").await;
    desk.click("#end-others").await;
    phone.reads("#why", "This session was ended from somewhere else.").await;
    phone.reads("#who", "Not logged in").await;
    desk.reads("#who", "Logged in as ada").await;
    desk.until("document.querySelectorAll('#sessions li').length === 1").await;

    log_in(&phone, "ada", "lovelace").await;
    phone.reads("#who", "Logged in as ada").await;
    desk.reload().await;
    desk.click("#sessions li form button").await;
    phone.reads("#who", "Not logged in").await;

    office.fill("#look [name=owner]", "ada").await;
    office.click("#look button").await;
    office.reads("#theirs li", "Chrome, active").await;
    office.click("#throw-out button").await;
    desk.reads("#why", "This session was ended from somewhere else.").await;
    desk.reads("#who", "Not logged in").await;
    for (page, browser) in [desk, phone, office].iter().zip(&browsers) {
        assert_eq!(page.errors().await, json!([]), "{browser:?}");
    }
    for browser in browsers {
        browser.close().await;
    }
}

/// Whoever is nobody, or no administrator, sees and ends nothing.
#[tokio::test]
async fn sessions_are_shown_to_whose_they_are() {
    let program = Program::start("auth").await;
    let (ada, nobody) = (Browser::at(&program.url), Browser::at(&program.url));
    assert_eq!(ada.post("/login", &[("name", "ada"), ("password", "lovelace")]).await.status, 303);
    let mine = ada.get("/sessions").await.json();
    assert_eq!(mine.as_array().map(Vec::len), Some(1), "{mine}");
    let key = mine[0]["key"].as_str().expect("a key");
    for (browser, path, status) in [
        (&nobody, "/sessions", 401),
        (&nobody, "/admin/sessions?owner=ada", 403),
        (&ada, "/admin/sessions?owner=grace", 403),
    ] {
        assert_eq!(browser.get(path).await.status, status, "{path}");
    }
    assert_eq!(nobody.post("/sessions/end", &[("key", key)]).await.status, 401);
    assert_eq!(nobody.post("/admin/throw-out", &[("owner", "ada")]).await.status, 403);
    let grace = Browser::at(&program.url);
    assert_eq!(grace.post("/login", &[("name", "grace"), ("password", "hopper")]).await.status, 303);
    assert_eq!(grace.post("/sessions/end", &[("key", key)]).await.status, 403, "it is not hers");
    assert_eq!(ada.get("/sessions").await.json(), mine);
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
