//! What a client may send that it should not.
//!
//! Clauses: 12.

use serde_json::json;
use socketioxide_session::Key;
use socketioxide_session_tests::{
    app::App,
    fixture::site::Site,
    http::{self, Browser},
    raw::{RawSocket, poll},
    stores::TestStore,
};
use tower_sessions::session::Id;

/// A visitor with one visit, and the `Cookie` line of the session.
async fn visitor(app: &App) -> (Browser, String) {
    let browser = Browser::new(app);
    browser.get("/visit").await.ok();
    let cookie = browser.session();
    (browser, cookie)
}

/// Reads see nothing and set nothing; a write begins a session of its own.
async fn is_nobody(app: &App, store: &TestStore, cookie: &str) {
    let before = store.len();
    let read = http::get(app, "/visits", Some(cookie)).await;
    assert_eq!((read.status, read.set_cookies(), store.len()), (200, vec![], before), "{cookie:.100}");
    assert_eq!(read.json(), 0);

    let written = http::get(app, "/visit", Some(cookie)).await;
    assert_eq!(written.status, 200, "{cookie:.100}");
    let new = written.new_cookie();
    assert!(!cookie.contains(&new), "an id that was shown is never adopted: {cookie:.100}");
    assert_eq!(written.json(), 1);
    assert_eq!(store.len(), before + 1, "{cookie:.100}");

    let shaken = poll(app, Some(cookie)).await;
    assert_eq!(shaken.status, 200, "{cookie:.100}");
    assert!(!cookie.contains(&shaken.new_cookie()), "{cookie:.100}");
}

#[tokio::test]
async fn a_malformed_cookie_is_nobody() {
    let Site { app, store, .. } = Site::open();
    let cookies = [
        "id=",
        "id=!!!",
        "id=short",
        "id",
        "=",
        ";;;",
        "id=\"quoted\"",
        "id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "id=%00%ff%zz",
        "id=ä",
        "ID=AAAAAAAAAAAAAAAAAAAAAA",
    ];
    for cookie in cookies {
        is_nobody(&app, &store, cookie).await;
    }
}

#[tokio::test]
async fn an_unknown_id_is_nobody() {
    let Site { app, store, .. } = Site::open();
    let cookie = format!("id={}", Id::default());
    is_nobody(&app, &store, &cookie).await;
    assert!(!store.has(&cookie));
}

#[tokio::test]
async fn an_expired_session_is_nobody() {
    let Site { app, store, .. } = Site::open();
    let (_, cookie) = visitor(&app).await;
    store.expire(&cookie);
    is_nobody(&app, &store, &cookie).await;
}

#[tokio::test]
async fn a_planted_cookie_that_names_no_session_takes_nobodys_place() {
    let Site { app, .. } = Site::open();
    let (_, cookie) = visitor(&app).await;
    let unknown = format!("id={}", Id::default());
    for both in
        [format!("{cookie}; {unknown}"), format!("{unknown}; {cookie}"), format!("{cookie}; {cookie}x")]
    {
        assert_eq!(http::get(&app, "/visits", Some(&both)).await.json(), 1, "{both}");
    }
}

#[tokio::test]
async fn other_cookies_do_not_matter() {
    let Site { app, .. } = Site::open();
    let (_, cookie) = visitor(&app).await;
    let among = format!("a=1; {cookie}; idx=2; b=\"x y\"");
    assert_eq!(http::get(&app, "/visits", Some(&among)).await.json(), 1);
    let mut socket = RawSocket::connect(&app, Some(&among)).await;
    assert_eq!(socket.ask("add", &[json!(1)]).await, 2);
}

#[tokio::test]
async fn a_cookie_line_of_64_kib_is_nobody() {
    let Site { app, store, .. } = Site::open();
    let (browser, cookie) = visitor(&app).await;
    is_nobody(&app, &store, &format!("id={}", "A".repeat(64 * 1024))).await;
    let long = format!("{cookie}; {}", "a=b; ".repeat(64 * 1024 / 5));
    assert_eq!(http::get(&app, "/visits", Some(long.trim())).await.json(), 1);
    assert_eq!(browser.get("/visits").await.json(), 1);
}

#[tokio::test]
async fn a_private_cookie_hides_the_id() {
    let Site { app, store, .. } = Site::with(|layer| layer.with_private(Key::generate()));
    let (browser, cookie) = visitor(&app).await;
    assert_eq!(browser.get("/visits").await.json(), 1);
    let (_, value) = cookie.split_once('=').expect("a cookie's value");
    assert!(value.parse::<Id>().is_err(), "{value}");
    is_nobody(&app, &store, "id=AAAAAAAAAAAAAAAAAAAAAA").await;
}

#[tokio::test]
async fn events_that_make_no_sense_harm_nobody() {
    let Site { app, .. } = Site::open();
    let (browser, cookie) = visitor(&app).await;
    let mut bystander = RawSocket::connect(&app, None).await;
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    let frames = [
        r#"42["add","no number"]"#,
        r#"421["add","no number"]"#,
        r#"422["add"]"#,
        r#"423["add",-1]"#,
        r#"424["add",1e300]"#,
        r#"425["no such event",1]"#,
        r#"42["session_error",{"error":1}]"#,
        r#"42["disconnect"]"#,
    ];
    for frame in frames {
        socket.send(&[frame.to_owned()]).await;
    }
    assert_eq!(socket.ask_in("/", "add", &[json!(1)]).await, 2);
    assert_eq!(bystander.ask("add", &[json!(1)]).await, 1);
    assert_eq!(browser.get("/visits").await.json(), 2);
}

#[tokio::test]
async fn a_binary_payload_where_a_number_is_meant_harms_nobody() {
    let Site { app, .. } = Site::open();
    let (browser, cookie) = visitor(&app).await;
    let mut socket = RawSocket::connect(&app, Some(&cookie)).await;
    socket.send(&[r#"451-["add",{"_placeholder":true,"num":0}]"#.to_owned()]).await;
    socket.send_binary(vec![0xff, 0x00, 0xfe]).await;
    assert_eq!(socket.ask("add", &[json!(1)]).await, 2);
    assert_eq!(browser.get("/visits").await.json(), 2);
}

#[tokio::test]
async fn frames_that_are_no_packets_harm_nobody_else() {
    let Site { app, .. } = Site::open();
    let mut bystander = RawSocket::connect(&app, None).await;
    for frame in
        ["4", "49", "42", "42[", "42{}", "42[1]", "4zzz", "40/nowhere,", "9", "", "42[\"add\",1,", "🦀"]
    {
        let mut socket = RawSocket::connect(&app, None).await;
        socket.send(&[frame.to_owned()]).await;
        assert!(bystander.ask("add", &[json!(1)]).await.is_u64(), "{frame}");
    }
    assert_eq!(Browser::new(&app).get("/visit").await.json(), 1);
}
