//! Finding sessions by their owner and by their key.
//!
//! Clauses: 10, 16.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::json;
use socketioxide_session::{Expiry, MemoryBackend, Page};
use socketioxide_session_tests::{
    app::sessions,
    client::{Client, Socket},
    soon,
};

use crate::stage::{User, app, key_of, labels, user, visits_of};

#[tokio::test]
async fn an_owners_sessions_are_listed_the_newest_first() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let phone = user(&app, "ada", "phone").await;
    // The time of day is read to the millisecond.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let _desk = user(&app, "ada", "desk").await;
    let _other = user(&app, "bea", "sofa").await;
    assert_eq!(labels(&all, "ada").await, ["desk", "phone"]);
    assert_eq!(labels(&all, "bea").await, ["sofa"]);
    assert_eq!(labels(&all, "nobody").await, [""; 0]);
    phone.get("/label/tablet").await.ok();
    assert_eq!(labels(&all, "ada").await, ["desk", "tablet"]);
    let of_phone = all.by_owner("ada", Page::new(1, 1)).await.unwrap();
    assert_eq!(of_phone[0].key, key_of(&phone).await);
    assert_eq!(of_phone[0].owner.as_deref(), Some("ada"));
    assert!(of_phone[0].created <= of_phone[0].last_active && of_phone[0].last_active < of_phone[0].expires);
    assert!(all.by_owner("ada", 1).await.unwrap().is_empty(), "one page of a hundred");
    assert_eq!(phone.get("/mine").await.json().as_array().unwrap().len(), 2);
}

/// Else who has planted the id is logged in as well.
#[tokio::test]
async fn another_owner_is_another_id_and_the_same_one_is_not() {
    let layer = sessions(MemoryBackend::default());
    let app = app(layer.clone());
    let client = Client::new(&app);
    client.get("/visit").await.ok();
    let (planted, key) = (client.session(), key_of(&client).await);
    client.get("/login?name=ada&label=desk").await.ok();
    let first = client.session();
    assert_ne!(first, planted);
    client.get("/login?name=ada&label=desk").await.ok();
    assert_eq!(client.session(), first);
    client.get("/login?name=bea&label=desk").await.ok();
    let second = client.session();
    assert_ne!(second, first);
    client.get("/forget-owner").await.ok();
    assert_ne!(client.session(), second);
    assert_eq!(key_of(&client).await, key, "the key stays");
    assert_eq!(client.get("/visits").await.json(), json!([1, "bea"]), "and so does what is in it");
    assert_eq!(client.get("/owner").await.json(), json!(null));
    assert_eq!(
        labels(&layer.sessions(), "ada").await.len() + labels(&layer.sessions(), "bea").await.len(),
        0
    );
}

#[tokio::test]
async fn the_owner_survives_a_new_id_and_ends_with_the_session() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let ada = user(&app, "ada", "desk").await;
    ada.get("/cycle").await.ok();
    assert_eq!(ada.get("/owner").await.json(), json!("ada"));
    assert_eq!(labels(&all, "ada").await, ["desk"]);
    ada.get("/logout").await.ok();
    assert_eq!(labels(&all, "ada").await, [""; 0]);
}

#[tokio::test]
async fn on_a_socket_the_owner_is_known_and_cannot_change() {
    let layer = sessions(MemoryBackend::default());
    let app = app(layer.clone());
    let ada = user(&app, "ada", "desk").await;
    let mut socket = Socket::connect(&app, ada.cookie().as_deref()).await;
    assert_eq!(socket.ask("sessions", &[]).await, json!(1));
    let refused = socket.ask("claim", &[]).await;
    assert_eq!(
        refused["error"]["code"].as_str().or(refused["code"].as_str()),
        Some("unavailable"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_expired_is_in_no_list() {
    let hour = Expiry::OnInactivity(time::Duration::hours(1));
    let layer = sessions(MemoryBackend::default()).with_expiry(hour);
    let (app, all) = (app(layer.clone()), layer.sessions());
    let ada = user(&app, "ada", "desk").await;
    let began = all.by_owner("ada", 0).await.unwrap()[0].last_active;
    tokio::time::sleep(Duration::from_mins(50)).await;
    ada.get("/visits").await.ok();
    let info = all.by_owner("ada", 0).await.unwrap().remove(0);
    let after = (info.last_active - began).as_seconds_f64() / 60.0;
    assert!((49.9..50.1).contains(&after), "reading is activity: {after}");
    tokio::time::sleep(Duration::from_mins(61)).await;
    assert!(all.by_owner("ada", 0).await.unwrap().is_empty());
}

/// A webhook reaches a visitor's cart by its key, and goes on when the visitor logs in.
#[tokio::test]
async fn a_state_is_worked_on_by_the_key_alone() {
    let layer = sessions(MemoryBackend::default());
    let (app, all) = (app(layer.clone()), layer.sessions());
    let visitor = Client::new(&app);
    visitor.get("/visit").await.ok();
    let shared = all.shared::<User>(&key_of(&visitor).await).await.unwrap();
    shared.update(|user| user.visits += 10).await.unwrap();
    assert_eq!(visitor.get("/visits").await.json(), json!([11, null]));
    let mut changes = shared.changes();
    assert_eq!(soon("a state", changes.next()).await.unwrap().visits, 11);
    visitor.get("/login?name=ada&label=desk").await.ok();
    shared.update(|user| user.visits += 10).await.unwrap();
    assert_eq!(visits_of(&shared).await, 21);
    assert_eq!(visitor.get("/visits").await.json(), json!([21, "ada"]));
    while soon("a state", changes.next()).await.expect("it follows to the new id").visits != 21 {}
    visitor.get("/logout").await.ok();
    assert!(soon("the end", changes.next()).await.is_none());
    let gone = shared.update(|user| user.visits += 10).await.unwrap_err();
    assert_eq!(gone.kind().code(), "session_ended");
}
