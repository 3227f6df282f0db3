//! Logins against everything that runs beside them: the browser ends with the new cookie, and no page is logged out by
//! its own reconnect.
//!
//! Clauses: 10.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::Value;
use socketioxide_session::testing::Packet;
use socketioxide_session_tests::{
    client::{Client, Socket},
    fixture::site::{Of, Site, code},
    soak::short_or_long,
};
use tokio::sync::Barrier;

/// Reads, writes of several states, plain sessions: whatever a page may send at the moment of a login.
const BESIDE: [&str; 10] = [
    "/visit",
    "/visits",
    "/who",
    "/plain/visit",
    "/plain/who",
    "/auth/who",
    "/visit",
    "/plain/visit",
    "/visits",
    "/visit",
];

#[tokio::test]
async fn a_login_beside_ten_requests_with_the_old_cookie_ends_with_the_new_one() {
    let site = Site::open();
    let refused = AtomicUsize::new(0);
    for round in 0..short_or_long(60, 1_200) {
        let of = Of::ALL[round % 3];
        let browser = site.visitor().await;
        let old = browser.session();
        let barrier = Barrier::new(BESIDE.len() + 1);
        let others = join_all(BESIDE.iter().enumerate().map(|(number, path)| {
            let (browser, barrier, refused) = (&browser, &barrier, &refused);
            async move {
                barrier.wait().await;
                for _ in 0..(round + number) % 4 {
                    tokio::task::yield_now().await;
                }
                let answer = browser.get(path).await;
                assert!(matches!(answer.status, 200 | 409), "{path}: {} {}", answer.status, answer.body);
                assert_eq!(answer.set_cookies(), [""; 0], "{path}");
                refused.fetch_add(usize::from(answer.status == 409), Ordering::Relaxed);
            }
        }));
        let login = async {
            barrier.wait().await;
            browser.get(&of.path("login")).await.new_cookie()
        };
        let (new, _) = tokio::join!(login, others);
        assert_ne!(new, old);
        assert_eq!(browser.session(), new, "round {round}");
        assert_eq!(browser.get(&of.path("who")).await.json(), "Ada", "round {round}");
        assert!(browser.get("/visit").await.json().as_u64() > Some(1), "round {round}");
    }
    println!("{} of 600 requests came too late and were told so", refused.into_inner());
}

/// A response that carries a cookie and leaves after the login's: whether its session was saved before the login, or
/// is saved at its end, it carries none any more.
#[tokio::test]
async fn responses_that_leave_after_the_login_set_no_cookie() {
    let site = Site::with(|layer| layer.with_always_save(true));
    let held = ["/renew", "/visits", "/who", "/plain/who", "/auth/who", "/visit"];
    for round in 0..short_or_long(12, 240) {
        let of = Of::ALL[round % 3];
        let browser = site.visitor().await;
        assert_eq!(browser.get("/renew").await.new_cookie(), browser.session());
        let beside = join_all(held.map(|path| {
            let (browser, path) = (&browser, format!("{path}?then=hold"));
            async move { (browser.get(&path).await, path) }
        }));
        let login = async {
            for _ in held {
                site.tools.door.reached().await;
            }
            let new = browser.get(&of.path("login")).await.new_cookie();
            for _ in held {
                site.tools.door.open();
            }
            new
        };
        let (answers, new) = tokio::join!(beside, login);
        for (answer, path) in answers {
            assert_eq!(answer.set_cookies(), [""; 0], "{of:?} {path}");
        }
        assert_eq!(browser.session(), new, "{of:?}");
        assert_eq!(browser.get(&of.path("who")).await.json(), "Ada", "{of:?}");
    }
}

const PAGES: usize = 25;

/// What a page does with its cookies when it shakes hands.
async fn shake_hands(site: &Site, browser: &Client, tally: &Tally) -> Socket {
    loop {
        match Socket::open(&site.app, Some(&browser.session())).await {
            Ok(socket) => {
                for cookie in &socket.set_cookies {
                    tally.minted.fetch_add(1, Ordering::Relaxed);
                    browser.keep(cookie);
                }
                return socket;
            }
            // As the client does after an error.
            Err((503, _)) => {
                tally.asked_again.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(refusal) => panic!("{refusal:?}"),
        }
    }
}

/// Comes back, until it is let in and answered.
async fn come_back(site: &Site, browser: &Client, tally: &Tally) -> Socket {
    loop {
        let mut socket = shake_hands(site, browser, tally).await;
        if socket.join("/ready").await.is_ok() {
            socket.ask_later("/ready", "who", &[]).await;
            let first = socket.wait("an answer or its end", |_| true).await;
            if matches!(first, Packet::Ack { args, .. } if args[0]["code"].is_null()) {
                return socket;
            }
        }
        tally.refused.fetch_add(1, Ordering::Relaxed);
    }
}

async fn ask_who(socket: &mut Socket) -> Value {
    socket.ask_in("/ready", "who", &[]).await
}

#[derive(Debug, Default)]
struct Tally {
    logins: AtomicUsize,
    asked_again: AtomicUsize,
    refused: AtomicUsize,
    minted: AtomicUsize,
}

/// A page whose socket comes back the moment it is ended, and a second tab whose socket shakes hands at the very
/// moment of the login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_login_is_undone_by_the_pages_own_reconnect() {
    let site = Arc::new(Site::open());
    let tally = Arc::new(Tally::default());
    let logins: usize = short_or_long(10, 200);
    let pages = (0..PAGES).map(|page| {
        let (site, tally) = (Arc::clone(&site), Arc::clone(&tally));
        tokio::spawn(async move {
            let browser = site.visitor().await;
            let mut socket = come_back(&site, &browser, &tally).await;
            for login in 0..logins {
                let before = browser.session();
                let name = format!("{page}-{login}");
                let path = format!("/login?name={name}");
                let log_in = async { browser.get(&path).await.ok() };
                let reconnect = async {
                    socket.disconnected("/ready").await;
                    come_back(&site, &browser, &tally).await
                };
                let second_tab = async {
                    // Before, during and after the commit.
                    tokio::time::sleep(Duration::from_micros(400 * (login as u64 % 8))).await;
                    come_back(&site, &browser, &tally).await
                };
                let (_, mut again, mut tab) = tokio::join!(log_in, reconnect, second_tab);
                tally.logins.fetch_add(1, Ordering::Relaxed);

                assert_ne!(browser.session(), before, "page {page}, login {login}");
                assert_eq!(browser.get("/who").await.json(), name.as_str(), "page {page}, login {login}");
                let who = ask_who(&mut again).await;
                assert_eq!(who, name.as_str(), "page {page}, login {login}");
                // The tab's socket was either there before the login, and is told and ended, or it came after it.
                let number = tab.ask_later("/ready", "who", &[]).await;
                let answered = tab.wait("an answer or the end", |packet| {
                    matches!(packet, Packet::Disconnect { .. })
                        || matches!(packet, Packet::Ack { id, .. } if *id == number)
                });
                match answered.await {
                    Packet::Ack { args: values, .. } if values == [Value::from(name.as_str())] => {}
                    Packet::Ack { args: values, .. } => {
                        assert_eq!(code(&values[0]), "id_changed", "page {page}, login {login}");
                        tab.disconnected("/ready").await;
                        tab = come_back(&site, &browser, &tally).await;
                    }
                    _ => tab = come_back(&site, &browser, &tally).await,
                }
                let who = ask_who(&mut tab).await;
                assert_eq!(who, name.as_str(), "page {page}, login {login}");
                tab.leave().await;
                socket = again;
            }
            assert_eq!(browser.get("/visits").await.json(), Value::from(1));
        })
    });
    for page in join_all(pages).await {
        page.expect("a page that stays logged in");
    }
    println!("{tally:?}");
    assert_eq!(tally.logins.load(Ordering::Relaxed), PAGES * logins);
    assert_eq!(tally.minted.load(Ordering::Relaxed), 0, "no handshake took the place of a login");
}
