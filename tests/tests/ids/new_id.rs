//! A login gives the session a new id, and nobody rides along.
//!
//! Clauses: 10.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socketioxide_session_tests::{
    client::{self, Client, Socket, poll},
    fixture::site::{GUARDED, Of, Site, code, cookie_of, until},
    stores::Step,
};

/// Whatever is tried with a dead id: nothing is read, nothing is written, no cookie is set; and who logs in anew has a
/// session of his own.
async fn is_dead(site: &Site, old: &str) {
    for of in Of::ALL {
        let answer = client::get(&site.app, &of.path("who"), Some(old)).await;
        assert_eq!(answer.set_cookies(), [""; 0]);
        assert_eq!(answer.json(), Value::Null, "{of:?}");
        let anew = client::get(&site.app, &of.path("login"), Some(old)).await.new_cookie();
        assert_ne!(anew, old);
        assert_eq!(client::get(&site.app, "/visits", Some(&anew)).await.json(), 0, "{of:?}");
    }
    for path in ["/visit", "/plain/visit"] {
        let answer = client::get(&site.app, path, Some(old)).await;
        assert_eq!((answer.status, answer.set_cookies()), (409, vec![]), "{path}: {}", answer.body);
    }
    assert_eq!(client::get(&site.app, "/visits", Some(old)).await.json(), 0);
    no_handshake(site, old).await;
}

async fn no_handshake(site: &Site, old: &str) {
    let polled = poll(&site.app, Some(old)).await;
    assert_eq!((polled.status, polled.set_cookies()), (503, vec![]));
    assert!(polled.headers.contains_key("retry-after"));
    let refused = Socket::open(&site.app, Some(old)).await.err().map(|(status, _)| status);
    assert_eq!(refused, Some(503));
}

#[tokio::test]
async fn after_a_login_the_new_id_works_and_the_old_one_is_dead() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        let answer = browser.get(&of.path("login")).await;
        let new = answer.new_cookie();
        assert_ne!(new, old);
        assert_eq!(browser.get(&of.path("who")).await.json(), "Ada", "{of:?}");
        assert_eq!(browser.get("/visit").await.json(), 2, "{of:?}");
        assert_eq!(Socket::connect(&site.app, Some(&new)).await.ask("visit", &[]).await, 3);
        is_dead(&site, &old).await;
        assert_eq!((site.store.len(), site.store.has(&new)), (4, true), "{of:?}");
        assert_eq!(browser.get("/visit").await.json(), 4, "{of:?}");
    }
}

#[tokio::test]
async fn a_handshake_with_an_id_that_just_ended_is_asked_to_come_again() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        browser.get(&of.path("logout")).await.ok();
        no_handshake(&site, &old).await;
        assert!(site.store.is_empty());
    }
}

#[tokio::test]
async fn what_began_before_can_do_nothing_and_is_told() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        let mut socket = Socket::connect(&site.app, Some(&old)).await;
        for namespace in ["/shop", "/alive", "/plain"] {
            socket.join(namespace).await.expect("a connection");
        }
        let in_flight = Socket::open(&site.app, Some(&old)).await.expect("a handshake");
        let key = socket.ask("key", &[]).await.as_str().expect("a key").to_owned();
        client::get(&site.app, "/background", Some(&old)).await.ok();
        let (app, gate) = (&site.app, &site.tools.gate);
        let held = async { client::get(app, "/held", Some(&old)).await };
        let plain_held = async { client::get(app, "/plain/held", Some(&old)).await };
        let rest = async {
            // The background task, the plain session, and one of the two that are after the cart.
            for _ in 0..3 {
                gate.reached().await;
            }
            let number = socket.ask_later("/", "held", &[]).await;
            let login = site.head(&format!("{}?then=slow", of.path("login")), Some(&old)).await;
            let new = cookie_of(&login);

            // The change has taken place; its response is under way, so no socket is disconnected yet.
            for (namespace, room) in
                [("/", &*key), ("/shop", &*key), ("/plain", "plain"), ("/alive", "plain")]
            {
                assert_eq!(
                    (site.in_room(namespace, room), site.sockets(namespace)),
                    (0, 1),
                    "{of:?} {namespace}"
                );
            }
            for event in ["who", "visit", "visits"] {
                assert_eq!(code(&socket.ask(event, &[]).await), "id_changed", "{of:?} {event}");
            }
            assert_eq!(code(&socket.ask_in("/shop", "visit", &[]).await), "id_changed", "{of:?}");
            for namespace in GUARDED {
                let refused = in_flight.join(namespace).await.expect_err("a dead id");
                assert!(refused.contains("id has changed"), "{of:?} {namespace}: {refused}");
            }
            gate.open_for_all();
            assert_eq!(code(&socket.answer("/", number).await), "id_changed", "{of:?}");
            until("the background task", || !site.tools.noted().is_empty()).await;
            let noted = site.tools.noted();
            assert_eq!(noted, [r#"background Err("id_changed") Err("id_changed")"#], "{of:?}");
            assert_eq!(site.sockets("/"), 1, "{of:?}");

            // Now the response leaves, and the sockets end.
            site.tools.door.open();
            assert_eq!(login.text().await.expect("a body"), "late");
            for namespace in ["/", "/shop", "/alive", "/plain"] {
                socket.disconnected(namespace).await;
            }
            // On the connection that is still there nobody comes back in.
            for namespace in GUARDED {
                assert!(socket.join(namespace).await.is_err(), "{of:?} {namespace}");
            }
            new
        };
        let (held, plain_held, new) = tokio::join!(held, plain_held, rest);
        for answer in [held, plain_held] {
            assert_eq!((answer.status, answer.set_cookies()), (409, vec![]), "{of:?}: {}", answer.body);
            assert!(answer.body.contains("id has changed"), "{of:?}: {}", answer.body);
        }
        assert_eq!(client::get(&site.app, "/visits", Some(&new)).await.json(), 1, "{of:?}");
        assert_eq!(site.store.stored(&new, "cart"), Value::Null, "{of:?}");
        assert_eq!(site.store.stored(&new, "plain"), Value::Null, "{of:?}");
    }
}

/// An old socket, and a login whose response is on its way.
async fn under_way(of: Of) -> (Site, Socket, reqwest::Response) {
    let site = Site::open();
    let browser = site.visitor().await;
    let socket = Socket::connect(&site.app, Some(&browser.session())).await;
    let path = format!("{}?then=slow", of.path("login"));
    let login = site.head(&path, Some(&browser.session())).await;
    (site, socket, login)
}

#[tokio::test]
async fn a_response_that_is_dropped_ends_the_sockets_too() {
    for of in Of::ALL {
        let (_site, socket, login) = under_way(of).await;
        let dropped = Instant::now();
        drop(login);
        socket.disconnected("/").await;
        assert!(dropped.elapsed() < Duration::from_secs(4), "{of:?}: {:?}", dropped.elapsed());
    }
}

#[tokio::test]
async fn a_response_that_never_ends_keeps_no_socket_for_long() {
    let (_site, socket, _login) = under_way(Of::ThisCrate).await;
    let begun = Instant::now();
    socket.disconnected("/").await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_leaves_after_the_commit_does_not_keep_the_old_sockets() {
    let site = Site::open();
    let browser = site.visitor().await;
    let old = browser.session();
    let socket = Socket::connect(&site.app, Some(&old)).await;
    let login = client::begin(&site.app, "/login?then=hold", Some(&old));
    site.tools.door.reached().await;
    assert!(!site.store.has(&old));
    drop(login);
    socket.disconnected("/").await;
}

#[tokio::test]
async fn a_client_that_leaves_during_the_commit_does_not_keep_the_old_sockets() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        let socket = Socket::connect(&site.app, Some(&old)).await;
        let gate = site.store.hold(Step::Write);
        let login = client::begin(&site.app, &of.path("login"), Some(&old));
        gate.reached().await;
        drop(login);
        // Long enough for the server to notice that nobody waits for the answer any more.
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open_for_all();
        // A commit once begun runs to its end.
        until("the end of the commit", || !site.store.has(&old)).await;
        socket.disconnected("/").await;
    }
}

/// The session is as it was before a login that failed: its cookie, its values, its socket, its rooms.
async fn is_whole(what: &str, site: &Site, browser: &Client, socket: &mut Socket, old: &str) {
    assert_eq!(browser.session(), old, "{what}");
    for of in Of::ALL {
        assert_eq!(browser.get(&of.path("who")).await.json(), Value::Null, "{what}");
    }
    let key = socket.ask("key", &[]).await.as_str().expect("a key").to_owned();
    assert_eq!(site.in_room("/", &key), 1, "{what}");
    let visits = browser.get("/visits").await.json().as_u64().expect("a number");
    assert_eq!(socket.ask("visit", &[]).await, visits + 1, "{what}");
    assert_eq!(browser.get("/visit").await.json(), visits + 2, "{what}");
    assert!(Socket::open(&site.app, Some(old)).await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_login_whose_handler_fails_leaves_the_old_session_whole() {
    let site = Site::open();
    let browser = site.visitor().await;
    let old = browser.session();
    let mut socket = Socket::connect(&site.app, Some(&old)).await;
    for (path, status) in [
        ("/login?status=500", 500),
        ("/login?status=503", 503),
        ("/login?status=0", 500),
        ("/login/err", 400),
        ("/plain/login?status=500", 500),
        ("/auth/login?status=500", 500),
    ] {
        let answer = browser.get(path).await;
        assert_eq!((answer.status, answer.set_cookies()), (status, vec![]), "{path}");
        assert_eq!(site.store.len(), 1, "{path}");
        is_whole(path, &site, &browser, &mut socket, &old).await;
    }
    assert_eq!(socket.unasked().len(), 0, "nobody was disconnected");
}

#[tokio::test]
async fn a_store_that_cannot_take_the_new_record_of_a_login_leaves_the_old_session_whole() {
    for of in Of::ALL {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        let mut socket = Socket::connect(&site.app, Some(&old)).await;
        // What a failed deletion of the old record leaves: `outcomes/lost_answers`.
        for step in [Step::Load, Step::Write] {
            for once in [true, false] {
                let what = format!("{of:?} {step:?} once: {once}");
                let (before, login) = (site.store.len(), of.path("login"));
                if once {
                    site.store.fail_once(step);
                } else {
                    site.store.break_down(step);
                }
                let answer = browser.get(&login).await;
                site.store.recover();
                assert!(answer.status >= 500, "{what}: {}", answer.status);
                assert_eq!(answer.set_cookies(), [""; 0], "{what}");
                assert_eq!(site.store.len(), before, "{what}");
                is_whole(&what, &site, &browser, &mut socket, &old).await;
            }
        }
        assert_eq!(socket.unasked().len(), 0, "nobody was disconnected");
        // And when the store works again, so does the login.
        let new = browser.get(&of.path("login")).await.new_cookie();
        assert!(site.store.has(&new) && !site.store.has(&old), "{of:?}");
        socket.disconnected("/").await;
    }
}

#[tokio::test]
async fn once_committed_the_cookie_is_set_on_any_status() {
    for (path, status) in [
        ("/login?status=302", 302),
        ("/login?status=404", 404),
        ("/login?then=fail", 500),
        ("/plain/login?status=302", 302),
        ("/plain/login?status=422", 422),
        ("/auth/login?status=404", 404),
    ] {
        let site = Site::open();
        let browser = site.visitor().await;
        let old = browser.session();
        let answer = browser.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(site.store.has(&answer.new_cookie()) && !site.store.has(&old), "{path}");
        assert_eq!(browser.get("/visit").await.json(), 2, "{path}");
    }
}

#[tokio::test]
async fn in_a_socket_handler_it_is_an_error_that_says_what_to_do() {
    let site = Site::open();
    let browser = site.visitor().await;
    let old = browser.session();
    let mut socket = Socket::connect(&site.app, Some(&old)).await;
    let answer = socket.ask("cycle", &[]).await;
    assert_eq!(code(&answer), "unavailable");
    assert!(answer["error"].as_str().is_some_and(|text| text.contains("HTTP handler")), "{answer}");
    assert_eq!(socket.ask("visit", &[]).await, json!(2));
    assert!(site.store.has(&old));
}
