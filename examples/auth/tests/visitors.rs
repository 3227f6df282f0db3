//! The application as its visitors have it, in this process: no port, no browser, and a clock that stands still until
//! everybody waits.

#![allow(clippy::expect_used, reason = "a test may fail like this")]

use std::time::Duration;

use serde_json::{Value, json};
use socketioxide_session::testing::{TestApp, TestClient, TestResponse, TestSocket};

const HOUR: Duration = Duration::from_hours(1);

async fn log_in(browser: &TestClient, name: &str, password: &str) -> TestResponse {
    browser.post_form("/login", &[("name", name), ("password", password)]).await
}

/// A tab that has heard how it looks.
async fn tab(browser: &TestClient) -> TestSocket {
    let tab = browser.connect("/").await.expect("a connection");
    tab.event("look").await;
    tab
}

/// Why the session of this tab ended.
async fn ended(tab: &TestSocket) -> Value {
    let event = tab.event("session_ended").await;
    tab.disconnected().await;
    event.data::<Value>()["reason"].clone()
}

#[tokio::test(start_paused = true)]
async fn two_tabs_are_one_visitor() {
    let app = TestApp::new(auth::app());
    let ada = app.client();
    let before = tab(&ada).await;
    assert_eq!(before.emit_with_ack("whoami", &()).await, Value::Null);

    // A login: the tab that was there is told to come back, and does so under the new id.
    let before_login = ada.cookies();
    assert_eq!(log_in(&ada, "ada", "lovelace").await.headers()["location"], "/");
    assert_ne!(ada.cookies(), before_login, "a new id");
    assert_eq!(ended(&before).await, "id_changed");

    let (one, other) = (tab(&ada).await, tab(&ada).await);
    for tab in [&one, &other] {
        assert_eq!(tab.emit_with_ack("whoami", &()).await, "ada");
    }

    // An event of one tab is pushed to both.
    one.emit_with_ack("dark", &true).await;
    for tab in [&one, &other] {
        assert_eq!(tab.event("look").await.data::<Value>(), json!({ "dark": true }));
    }

    // A logout is one of all tabs.
    assert_eq!(ada.post_form("/logout", &()).await.status(), 303);
    for tab in [&one, &other] {
        assert_eq!(ended(tab).await, "logout");
    }
    assert_eq!(ada.get("/sessions").await.status(), 401);
    assert_eq!(tab(&ada).await.emit_with_ack("whoami", &()).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_changes_nothing() {
    let app = TestApp::new(auth::app());
    let ada = app.client();
    log_in(&ada, "ada", "lovelace").await;
    let (tab, cookies) = (tab(&ada).await, ada.cookies());
    assert_eq!(log_in(&ada, "grace", "lovelace").await.headers()["location"], "/?wrong");
    assert_eq!(ada.cookies(), cookies);
    assert_eq!(tab.emit_with_ack("whoami", &()).await, "ada");
}

/// Hours pass at once.
#[tokio::test(start_paused = true)]
async fn two_hours_without_a_visit_are_a_logout() {
    let app = TestApp::new(auth::app());
    let ada = app.client();
    log_in(&ada, "ada", "lovelace").await;
    let tab = tab(&ada).await;
    for _ in 0..3 {
        tokio::time::sleep(HOUR).await;
        assert_eq!(tab.emit_with_ack("whoami", &()).await, "ada", "an event is a visit");
    }
    tokio::time::sleep(3 * HOUR).await;
    assert_eq!(ended(&tab).await, "expired");
    assert_eq!(ada.get("/sessions").await.status(), 401);
}

#[tokio::test(start_paused = true)]
async fn one_browser_ends_the_session_of_another() {
    let app = TestApp::new(auth::app());
    let (desk, phone) = (app.client(), app.client());
    for browser in [&desk, &phone] {
        log_in(browser, "ada", "lovelace").await;
    }
    let (at_desk, on_phone) = (tab(&desk).await, tab(&phone).await);
    assert_eq!(desk.get("/sessions").await.json::<Vec<Value>>().len(), 2);

    desk.post_form("/sessions/end-others", &()).await;
    assert_eq!(ended(&on_phone).await, "ended");
    assert_eq!(phone.get("/sessions").await.status(), 401);
    assert_eq!(at_desk.emit_with_ack("whoami", &()).await, "ada");
    assert_eq!(desk.get("/sessions").await.json::<Vec<Value>>().len(), 1);
}
