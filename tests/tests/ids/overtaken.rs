//! A logout that a login overtook: it began before the login's commit and ends after it. The session lives on under its
//! new id, so who logs out is told that; the page tries again with its new cookie.
//!
//! Clauses: 10, 11.

use socketioxide_session_tests::{
    client::{self, Socket},
    fixture::site::{Of, Site, code, until},
    stores::Step,
};

/// Logs out by this request, which has seen the session by the time that another one logs in.
async fn logs_out_by_a_request(logout: &str, of: Of) {
    let site = Site::open();
    let browser = site.visitor().await;
    let old = browser.session();
    let logout = client::get(&site.app, logout, Some(&old));
    let login = async {
        site.tools.gate.reached().await;
        let new = client::get(&site.app, &of.path("login"), Some(&old)).await.new_cookie();
        site.tools.gate.open();
        new
    };
    let (answer, new) = tokio::join!(logout, login);
    assert_eq!((answer.status, answer.set_cookies()), (409, vec![]), "{of:?} {}", answer.body);
    assert!(answer.body.contains("id"), "{}", answer.body);
    // The page tries again.
    assert!(site.store.has(&new));
    let again = client::get(&site.app, "/plain/logout", Some(&new)).await;
    assert_eq!(again.status, 200);
    assert!(site.store.is_empty());
}

#[tokio::test]
async fn an_annotated_logout_is_told() {
    for of in Of::ALL {
        logs_out_by_a_request("/leave/held", of).await;
    }
}

#[tokio::test]
async fn a_logout_by_session_control_alone_is_told() {
    for of in Of::ALL {
        logs_out_by_a_request("/control/leave/held", of).await;
    }
}

#[tokio::test]
async fn a_plain_flush_is_told() {
    for of in Of::ALL {
        logs_out_by_a_request("/plain/leave/held", of).await;
    }
}

#[tokio::test]
async fn a_logout_on_a_socket_is_told() {
    let site = Site::open();
    let old = site.visitor().await.session();
    let mut socket = Socket::connect(&site.app, Some(&old)).await;
    let number = socket.ask_later("/", "logout", &["hold".into()]).await;
    site.tools.gate.reached().await;
    // The answer to the login is held, so that the socket is there to be told.
    let login = client::begin(&site.app, "/login?then=hold", Some(&old));
    site.tools.door.reached().await;
    site.tools.gate.open();
    assert_eq!(code(&socket.answer("/", number).await), "id_changed");
    assert_eq!(site.store.len(), 1);
    assert!(!site.store.has(&old));
    site.tools.door.open();
    socket.disconnected("/").await;
    drop(login);
}

/// What was asked for holds: nobody is told of a failure.
#[tokio::test]
async fn a_logout_after_another_logout_or_the_expiry_succeeds() {
    for expires in [false, true] {
        for logout in ["/leave/held", "/control/leave/held", "/plain/leave/held"] {
            let site = Site::open();
            let cookie = site.visitor().await.session();
            let socket = Socket::connect(&site.app, Some(&cookie)).await;
            let logout = client::get(&site.app, logout, Some(&cookie));
            let other = async {
                site.tools.gate.reached().await;
                if expires {
                    site.store.expire(&cookie);
                } else {
                    client::get(&site.app, "/logout", Some(&cookie)).await.ok();
                }
                site.tools.gate.open();
            };
            let (answer, ()) = tokio::join!(logout, other);
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{:?}", answer.set_cookies());
            socket.disconnected("/").await;
        }
    }
}

/// The logout asks while the login's commit is under way.
#[tokio::test]
async fn a_logout_beside_the_commit_of_a_login_is_told() {
    let site = Site::open();
    let old = site.visitor().await.session();
    let logout = client::get(&site.app, "/leave/held", Some(&old));
    let login = async {
        site.tools.gate.reached().await;
        let write = site.store.hold(Step::Write);
        let login = client::get(&site.app, "/login", Some(&old));
        let beside = async {
            write.reached().await;
            let loads = site.store.loads();
            site.tools.gate.open();
            // It has gone as far as it gets while the login's commit is under way.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(site.store.loads(), loads);
            write.open_for_all();
        };
        tokio::join!(login, beside).0.new_cookie()
    };
    let (answer, new) = tokio::join!(logout, login);
    assert_eq!((answer.status, answer.set_cookies()), (409, vec![]), "{}", answer.body);
    until("the old id's end", || !site.store.has(&old)).await;
    assert!(site.store.has(&new));
}
