//! Access is in the signature.
//!
//! Clauses: 2.

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, Data};
use socketioxide_session::{
    Error, EventRouter, Shared, StoreBackend, http_handler, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions, with_sockets},
    client::{self, Client, Socket},
    stores::TestStore,
};

/// States of their own: a field with another default, a state under another key.
#[session_state]
struct User {
    name: Option<String>,
    visits: u32,
    #[session(default = "light".to_owned())]
    theme: String,
}

#[session_state(key = "basket")]
struct Cart {
    items: Vec<String>,
}

#[http_handler(user)]
async fn read(user: &User) -> Json<Value> {
    Json(json!({ "name": user.name, "visits": user.visits, "theme": user.theme }))
}

#[http_handler(user)]
async fn read_maybe(user: Option<&User>) -> Json<Option<u32>> {
    Json(user.map(|user| user.visits))
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn change_nothing(user: &mut User) -> Json<u32> {
    user.visits = user.visits.min(1000);
    Json(user.visits)
}

#[http_handler(user, cart)]
#[axum::debug_handler]
async fn buy(user: &User, cart: &mut Cart) -> Json<Value> {
    cart.items.push(format!("for visit {}", user.visits));
    Json(json!(cart.items))
}

async fn shared_read(user: Shared<User>) -> Result<Json<u32>, Error> {
    Ok(Json(user.read().await?.visits))
}

async fn shared_update(user: Shared<User>) -> Result<Json<u32>, Error> {
    let visits = user
        .update(|user| {
            user.visits += 10;
            user.visits
        })
        .await?;
    Ok(Json(visits))
}

#[socket_handler(user)]
async fn socket_read(user: &User) -> Value {
    json!({ "name": user.name, "visits": user.visits, "theme": user.theme })
}

#[socket_handler(user)]
async fn socket_read_maybe(user: Option<&User>) -> Option<u32> {
    user.map(|user| user.visits)
}

#[socket_handler(user, cart)]
async fn socket_buy(Data(item): Data<String>, cart: &mut Cart, user: &mut User) -> Value {
    user.visits += 1;
    cart.items.push(item);
    json!([user.visits, cart.items])
}

#[socket_handler]
async fn nothing() -> &'static str {
    "nothing"
}

fn events() -> EventRouter {
    let read = async |user: Shared<User>, ack: AckSender| {
        ack.send(&user.read().await.map(|user| user.visits).ok()).ok();
    };
    let update = async |user: Shared<User>, ack: AckSender| {
        let later = tokio::spawn(async move { user.update(|user| user.visits += 10).await });
        ack.send(&later.await.expect("a task that ends").is_ok()).ok();
    };
    EventRouter::new()
        .on("read", socket_read)
        .on("read maybe", socket_read_maybe)
        .on("buy", socket_buy)
        .on("nothing", nothing)
        .on("shared read", read)
        .on("shared update", update)
}

fn app(store: &TestStore) -> App {
    let routes = Router::new()
        .route("/read", get(read))
        .route("/read-maybe", get(read_maybe))
        .route("/visit", get(visit))
        .route("/change-nothing", get(change_nothing))
        .route("/buy", get(buy))
        .route("/shared-read", get(shared_read))
        .route("/shared-update", get(shared_update));
    let application = with_sockets(routes, (), |io| io.ns("/", events()));
    App::new(application.layer(sessions(StoreBackend::new(store.clone()))))
}

#[tokio::test]
async fn reading_creates_nothing() {
    let store = TestStore::default();
    let app = app(&store);
    let default = json!({ "name": null, "visits": 0, "theme": "light" });
    for path in ["/read", "/read-maybe", "/change-nothing", "/shared-read"] {
        let answer = client::get(&app, path, None).await;
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
        let expected = match path {
            "/read" => default.clone(),
            "/read-maybe" => Value::Null,
            _ => json!(0),
        };
        assert_eq!(answer.json(), expected, "{path}");
    }
    assert!(store.is_empty());
}

#[tokio::test]
async fn reading_on_a_socket_writes_nothing() {
    let store = TestStore::default();
    let app = app(&store);
    let mut socket = Socket::connect(&app, None).await;
    let (sessions, writes) = (store.len(), store.writes());
    let default = json!({ "name": null, "visits": 0, "theme": "light" });
    assert_eq!(socket.ask("read", &[]).await, default);
    assert_eq!(socket.ask("read maybe", &[]).await, Value::Null);
    assert_eq!(socket.ask("shared read", &[]).await, 0);
    assert_eq!(socket.ask("nothing", &[]).await, "nothing");
    assert_eq!((store.len(), store.writes()), (sessions, writes));
}

#[tokio::test]
async fn the_first_write_begins_a_session() {
    let store = TestStore::default();
    let app = app(&store);
    let answer = client::get(&app, "/visit", None).await;
    let line = answer.set_cookies().concat();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(line.contains(attribute), "{line}");
    }
    let cookie = answer.new_cookie();
    assert!(store.has(&cookie));
    assert_eq!(store.stored(&cookie, "user")["visits"], 1);
    assert_eq!(client::get(&app, "/visit", Some(&cookie)).await.json(), 2);
    assert_eq!(client::get(&app, "/read-maybe", Some(&cookie)).await.json(), 2);
    assert_eq!(store.len(), 1);
}

#[tokio::test]
async fn several_states_each_under_its_key() {
    let store = TestStore::default();
    let app = app(&store);
    let browser = Client::new(&app);
    browser.get("/visit").await.ok();
    assert_eq!(browser.get("/buy").await.json(), json!(["for visit 1"]));
    let cookie = browser.session();
    let mut socket = Socket::connect(&app, Some(&cookie)).await;
    assert_eq!(socket.ask("buy", &[json!("tea")]).await, json!([2, ["for visit 1", "tea"]]));
    assert_eq!(store.stored(&cookie, "basket")["items"], json!(["for visit 1", "tea"]));
    assert_eq!(store.stored(&cookie, "user")["visits"], 2);
    assert_eq!(store.stored(&cookie, "cart"), Value::Null);
}

#[tokio::test]
async fn shared_state_needs_no_attribute() {
    let store = TestStore::default();
    let app = app(&store);
    let browser = Client::new(&app);
    assert_eq!(browser.get("/shared-update").await.json(), 10);
    assert_eq!(browser.get("/shared-read").await.json(), 10);
    let mut socket = Socket::connect(&app, Some(&browser.session())).await;
    assert_eq!(socket.ask("shared update", &[]).await, true);
    assert_eq!(socket.ask("shared read", &[]).await, 20);
    assert_eq!(browser.get("/read").await.json()["visits"], 20);
}
