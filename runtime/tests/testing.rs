//! An application is driven in process, over the real layers and the real protocol.
//!
//! Clauses: 18.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail like this")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Form, Json, Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, Method, Request, StatusCode, header},
    response::Redirect,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    adapter::Adapter,
    extract::{Data, SocketRef},
    handler::{FromMessageParts, Value as Packed},
    socket::Socket,
};
use socketioxide_session::{
    Error, Expiry, MemoryBackend, SessionControl, SessionLayer, connect_handler, connect_middleware,
    http_handler, session_state, socket_handler,
    testing::{ConnectError, Packet, TestApp, TestClient, TestSocket, Transport},
};

const TRANSPORTS: [Transport; 2] = [Transport::WebSocket, Transport::Polling];

#[session_state]
struct User {
    name: Option<String>,
    visits: u32,
}

#[session_state]
struct Cart {
    items: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Login {
    name: String,
}

#[http_handler(user)]
async fn login(
    user: &mut User,
    control: SessionControl,
    Form(login): Form<Login>,
) -> Result<Redirect, Error> {
    control.cycle_id()?;
    user.name = Some(login.name);
    Ok(Redirect::to("/"))
}

#[http_handler(user)]
async fn logout(user: &User, control: SessionControl) -> Result<String, Error> {
    control.flush()?;
    Ok(user.name.clone().unwrap_or_default())
}

#[http_handler(user)]
async fn who(user: &User) -> Json<Option<String>> {
    Json(user.name.clone())
}

#[http_handler(cart)]
async fn add(cart: &mut Cart, Json(item): Json<String>) -> Json<usize> {
    cart.items.push(item);
    Json(cart.items.len())
}

async fn header_of(Path(name): Path<String>, headers: HeaderMap) -> String {
    headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[socket_handler(user)]
async fn visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler(cart)]
async fn items(cart: &Cart) -> Vec<String> {
    cart.items.clone()
}

#[socket_handler]
async fn both(Data(number): Data<u32>) -> (u32, u32) {
    (number, number + 1)
}

#[socket_handler]
async fn pair(Data((first, second)): Data<(u32, String)>) -> String {
    format!("{first}{second}")
}

#[socket_handler]
async fn maybe(Data(number): Data<Option<u32>>) -> Option<u32> {
    number
}

/// All that an event carries, and its name.
#[socket_handler]
async fn frame(socket: SocketRef, RawPacket(packet): RawPacket) {
    socket.emit("frame", &packet).unwrap();
}

/// The text of a packet: its event, and its arguments.
struct RawPacket(String);

impl<A: Adapter> FromMessageParts<A> for RawPacket {
    type Error = Infallible;

    fn from_message_parts(
        _: &Arc<Socket<A>>,
        packet: &mut Packed,
        _: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self(packet.as_str().unwrap().to_string()))
    }
}

#[socket_handler]
async fn ask_back(socket: SocketRef) {
    let answer = socket.emit_with_ack::<_, String>("question", "how are you?").unwrap();
    socket.emit("answered", &answer.await.unwrap()).unwrap();
}

#[socket_handler]
async fn leave(socket: SocketRef) {
    socket.disconnect().unwrap();
}

#[connect_handler(user)]
async fn connected(user: &User, socket: SocketRef) {
    socket.emit("welcome", &user.name).unwrap();
}

#[connect_middleware(user)]
async fn logged_in(user: &User) -> Result<(), &'static str> {
    if user.name.is_some() { Ok(()) } else { Err("log in first") }
}

#[connect_handler]
async fn with_auth(socket: SocketRef, Data(auth): Data<Value>) {
    socket.emit("auth", &auth).unwrap();
}

fn router(change: impl FnOnce(SessionLayer) -> SessionLayer) -> Router {
    let (sockets, io) = SocketIo::new_layer();
    let events = connected
        .on("visit", visit)
        .on("items", items)
        .on("both", both)
        .on("pair", pair)
        .on("maybe", maybe)
        .on("frame", frame)
        .on("ask back", ask_back)
        .on("leave", leave);
    io.ns("/", events.clone());
    io.ns("/members", events.with(logged_in));
    io.ns("/auth", with_auth);
    Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/who", get(who))
        .route("/cart", post(add))
        .route("/header/{name}", get(header_of))
        .layer(sockets)
        .layer(change(SessionLayer::new(MemoryBackend::default())))
}

fn app() -> TestApp {
    TestApp::new(router(|layer| layer))
}

async fn logged_in_as(app: &TestApp, name: &str) -> TestClient {
    let client = app.client();
    let answer = client.post_form("/login", &Login { name: name.to_owned() }).await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().unwrap())
    );
    client
}

async fn connect(client: &TestClient, transport: Transport) -> TestSocket {
    let socket = client.connect("/").over(transport).await.expect("a connection");
    assert_eq!(socket.next_event().await.name, "welcome");
    socket
}

#[tokio::test]
async fn each_client_has_a_jar_that_its_clones_share() {
    let app = app();
    let ada = logged_in_as(&app, "Ada").await;
    assert_eq!(ada.clone().get("/who").await.json::<String>(), "Ada");
    assert_eq!(app.client().get("/who").await.json::<Value>(), Value::Null);
    let cookies = ada.cookies().expect("a cookie");
    assert_eq!(ada.another(Some(&cookies)).get("/who").await.json::<String>(), "Ada");
    assert_eq!(ada.another(None).get("/who").await.json::<Value>(), Value::Null);

    let answer = ada.post_form("/logout", &()).await;
    assert_eq!((answer.text(), answer.set_cookies().len()), ("Ada", 1));
    assert_eq!(ada.cookies(), None);

    ada.set_cookie("theme=dark; Secure");
    assert_eq!(ada.cookies().as_deref(), Some("theme=dark"));
    assert_eq!(ada.get("/header/cookie").header("cookie", "theme=light").await.text(), "theme=light");
    ada.clear_cookies();
    assert_eq!(ada.get("/header/cookie").await.text(), "");
}

#[tokio::test]
async fn requests_are_as_a_browsers() {
    let client = app().client();
    assert_eq!(client.get("/header/host").await.text(), "localhost");
    assert_eq!(client.post_json("/cart", &"apple").await.json::<u32>(), 1);
    let request = Request::builder().method(Method::PUT).uri("/cart").body(Body::empty()).unwrap();
    assert_eq!(client.request(request).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    let elsewhere = app().with_url("https://shop.example.com:8443").client();
    assert_eq!(elsewhere.get("/header/host").await.text(), "shop.example.com:8443");
    let plain = app().with_url("http://shop.example.com").client();
    plain.post_json("/cart", &"apple").await;
    assert_eq!(plain.cookies(), None, "a cookie that is `Secure`, over plain http");
}

#[tokio::test]
async fn sockets_and_requests_have_one_session() {
    for transport in TRANSPORTS {
        let client = app().client();
        let socket = connect(&client, transport).await;
        assert_eq!(socket.connection().handshake().set_cookies().len(), 1, "{transport:?}");
        client.post_json("/cart", &"apple").await;
        assert_eq!(socket.emit_with_ack("items", &()).await, json!(["apple"]), "{transport:?}");
        assert_eq!(socket.emit_with_ack("both", &7).await, json!([7, 8]), "{transport:?}");
        let first = socket.emit_for_ack("visit", &[]).await;
        let second = socket.emit_for_ack("visit", &[]).await;
        assert_eq!((socket.ack(second).await, socket.ack(first).await), (json!(2), json!(1)));
    }
}

#[tokio::test]
async fn a_tuple_is_several_arguments() {
    #[derive(Serialize)]
    struct Pair(u32, String);

    let socket = connect(&app().client(), Transport::WebSocket).await;
    assert_eq!(socket.emit_with_ack("pair", &(1, "a")).await, "1a");
    assert_eq!(socket.emit_with_ack("pair", &Pair(2, "b".to_owned())).await, "2b");
    assert_eq!(carried(&socket, &(1, "a")).await, json!([1, "a"]));
    assert_eq!(carried(&socket, &([1, 2], (), None::<u32>)).await, json!([[1, 2], null, null]));
    assert_eq!(carried(&socket, &[1, 2]).await, json!([1, 2]));
}

#[tokio::test]
async fn null_is_an_argument() {
    let socket = connect(&app().client(), Transport::WebSocket).await;
    assert_eq!(socket.emit_with_ack("maybe", &Value::Null).await, Value::Null);
    assert_eq!(socket.emit_with_ack("maybe", &None::<u32>).await, Value::Null);
    assert_eq!(socket.emit_with_ack("maybe", &Some(7)).await, 7);
    assert_eq!(carried(&socket, &Value::Null).await, json!([null]));
    assert_eq!(carried(&socket, &None::<u32>).await, json!([null]));
}

#[tokio::test]
async fn a_unit_is_no_argument() {
    let socket = connect(&app().client(), Transport::WebSocket).await;
    assert_eq!(socket.emit_with_ack("maybe", &()).await["code"], "bad_argument");
    assert_eq!(carried(&socket, &()).await, json!([]));
}

#[tokio::test]
async fn all_else_is_one_argument() {
    #[derive(Serialize)]
    struct Amount(u32);

    let socket = connect(&app().client(), Transport::WebSocket).await;
    assert_eq!(carried(&socket, "a").await, json!(["a"]));
    assert_eq!(carried(&socket, &Amount(5)).await, json!([5]));
    assert_eq!(carried(&socket, &vec![1, 2]).await, json!([[1, 2]]));
    assert_eq!(carried(&socket, &json!([1, 2])).await, json!([[1, 2]]));
    assert_eq!(carried(&socket, &Some((1, 2))).await, json!([[1, 2]]));
    assert_eq!(carried(&socket, &Login { name: "Ada".to_owned() }).await, json!([{"name": "Ada"}]));
}

/// The arguments that arrive at the server, of `emit` and of `emit_with_ack`.
async fn carried<D: Serialize + ?Sized>(socket: &TestSocket, data: &D) -> Value {
    socket.emit("frame", data).await;
    let emitted = socket.event("frame").await.data::<String>();
    socket.emit_with_ack("frame", data).await;
    assert_eq!(socket.event("frame").await.data::<String>(), emitted);
    let mut all: Vec<Value> = serde_json::from_str(&emitted).unwrap();
    assert_eq!(all.remove(0), "frame");
    all.into()
}

#[tokio::test]
async fn a_client_acknowledges() {
    for transport in TRANSPORTS {
        let socket = connect(&app().client(), transport).await;
        socket.emit("ask back", &()).await;
        let question = socket.next_event().await;
        assert_eq!((&*question.name, question.data::<String>()), ("question", "how are you?".to_owned()));
        socket.acknowledge(&question, "well").await;
        assert_eq!(socket.event("answered").await.data::<String>(), "well");
    }
}

#[tokio::test]
async fn one_connection_has_several_namespaces() {
    for transport in TRANSPORTS {
        let app = app();
        let ada = logged_in_as(&app, "Ada").await;
        let root = connect(&ada, transport).await;
        let members = root.connection().join("/members").await.expect("a connection");
        assert_eq!(members.next_event().await.data::<String>(), "Ada");
        assert_eq!((root.namespace(), members.namespace()), ("/", "/members"));
        assert_eq!(root.id(), root.connection().sid());
        assert_eq!(members.emit_with_ack("visit", &()).await, 1);
        assert_eq!(root.emit_with_ack("visit", &()).await, 2);

        members.emit("leave", &()).await;
        members.disconnected().await;
        members.disconnected().await;
        assert_eq!(root.emit_with_ack("visit", &()).await, 3, "{transport:?}");

        ada.post_form("/logout", &()).await;
        root.disconnected().await;
        let refused = ada.connect("/members").over(transport).await;
        assert!(matches!(refused, Err(ConnectError::Namespace { .. })), "{transport:?} {refused:?}");
    }
}

#[tokio::test]
async fn refusals_say_why() {
    for transport in TRANSPORTS {
        let client = app().client();
        let refused = client.connect("/members").over(transport).await.unwrap_err();
        assert_eq!(refused.to_string(), "connect_error: log in first");
        let refused = client.connect("/").over(transport).header("origin", "https://evil.example").await;
        let Err(ConnectError::Handshake(response)) = refused else { panic!("{refused:?}") };
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let same = client.connect("/").over(transport).header("origin", "https://localhost").await;
        assert!(same.is_ok(), "{same:?}");
    }
}

#[tokio::test]
async fn a_connection_carries_what_authenticates_it() {
    for transport in TRANSPORTS {
        let client = app().client();
        let socket = client.connect("/auth").over(transport).auth(&json!({"token": "a"})).await.unwrap();
        assert_eq!(socket.next_event().await.data::<Value>(), json!({"token": "a"}));
    }
}

#[tokio::test]
async fn a_client_leaves_and_closes() {
    for transport in TRANSPORTS {
        let socket = connect(&app().client(), transport).await;
        let connection = socket.connection().clone();
        socket.disconnect().await;
        let again = connection.join("/").await.expect("a connection");
        assert_eq!(again.event("welcome").await.data::<Value>(), Value::Null);
        connection.close().await;
        connection.closed().await;
        again.disconnected().await;
        assert_eq!(connection.packet(|_| true).await, None);
    }
}

#[tokio::test]
async fn frames_are_sent_as_they_are() {
    let client = app().client();
    let connection = client.connect("/").open().await.expect("a handshake");
    assert!(!connection.sid().is_empty());
    let auth = Packet::Connect { namespace: "/auth".to_owned(), data: json!({"a": 1}) };
    connection.send_frames([Packet::connect("/"), auth].map(|packet| packet.to_string())).await;
    let auth = connection.joined("/auth").await.expect("a connection");
    let root = connection.joined("/").await.expect("a connection");
    assert_eq!(
        connection.packet(|packet| packet.namespace() == auth.namespace()).await,
        Some(Packet::event("/auth", None, "auth", &[json!({"a": 1})]))
    );
    root.event("welcome").await;
    let visits = (0..3).map(|id| Packet::event("/", Some(id), "visit", &[]).to_string());
    connection.send_frames(visits).await;
    for id in 0..3 {
        let ack = Packet::Ack { namespace: "/".to_owned(), id, args: vec![json!(id + 1)] };
        assert_eq!(connection.packet(|_| true).await, Some(ack));
    }
}

/// A client that reads nothing, at the end of a pipe that holds next to nothing.
#[tokio::test]
async fn a_client_that_does_not_read_hears_everything_later() {
    let client = app().client();
    let socket = client.connect("/").through(256).await.expect("a connection");
    socket.event("welcome").await;
    socket.connection().pause_reading();
    let visits: Vec<_> = (0..200).map(|id| Packet::event("/", Some(id), "visit", &[]).to_string()).collect();
    socket.connection().send_frames(visits).await;
    let heard = socket.connection().packet(|_| true);
    assert!(tokio::time::timeout(Duration::from_millis(20), heard).await.is_err());
    socket.connection().resume_reading();
    for _ in 0..200 {
        assert!(matches!(socket.connection().packet(|_| true).await, Some(Packet::Ack { .. })));
    }
}

#[tokio::test]
async fn a_session_is_prepared() {
    let app = app();
    let ada = app.seed(|user: &mut User| user.name = Some("Ada".to_owned())).await;
    ada.seed(|cart: &mut Cart| cart.items.push("apple".to_owned())).await;
    assert_eq!(ada.get("/who").await.json::<String>(), "Ada");
    assert_eq!(app.client().get("/who").await.json::<Value>(), Value::Null);
    let socket = ada.connect("/members").await.expect("a connection");
    assert_eq!(socket.emit_with_ack("items", &()).await, json!(["apple"]));
}

#[tokio::test]
#[should_panic(expected = "no `SessionLayer` saw a request to `/`, which was answered 404")]
async fn without_a_layer_nothing_is_prepared() {
    TestApp::new(Router::new()).seed(|user: &mut User| user.visits = 1).await;
}

#[tokio::test(start_paused = true)]
async fn hours_pass_at_once_and_sockets_live_on_until_their_session_ends() {
    for transport in TRANSPORTS {
        let hours = Expiry::OnInactivity(time::Duration::hours(3));
        let app = TestApp::new(router(|layer| layer.with_expiry(hours)));
        let ada = app.seed(|user: &mut User| user.name = Some("Ada".to_owned())).await;
        let socket = connect(&ada, transport).await;
        let began = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(socket.emit_with_ack("visit", &()).await, 1, "{transport:?}");
        socket.disconnected().await;
        let lived = began.elapsed();
        assert!(lived >= Duration::from_hours(5), "{transport:?} {lived:?}");
        assert!(lived < Duration::from_mins(301), "{transport:?} {lived:?}");
        assert_eq!(ada.get("/who").await.json::<Value>(), Value::Null);
    }
}

/// On a paused clock a time passes only when nobody has anything to do: so what has not come by then does not come.
#[tokio::test(start_paused = true)]
async fn that_nothing_comes_is_seen() {
    let socket = connect(&app().client(), Transport::WebSocket).await;
    socket.emit("visit", &()).await;
    let nothing = tokio::time::timeout(Duration::from_secs(1), socket.next_event());
    assert!(nothing.await.is_err());
    socket.emit("frame", &()).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), socket.next_event()).await.is_ok());
    socket.emit_with_ack("visit", &()).await;
    assert_eq!(socket.connection().overtaken(), []);
    socket.emit("frame", &()).await;
    socket.emit_with_ack("visit", &()).await;
    assert_eq!(socket.connection().overtaken().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn days_pass_in_one_step() {
    let days = Expiry::OnInactivity(time::Duration::days(40));
    let app = TestApp::new(router(|layer| layer.with_expiry(days)));
    let ada = app.seed(|user: &mut User| user.name = Some("Ada".to_owned())).await;
    let socket = connect(&ada, Transport::WebSocket).await;
    tokio::time::advance(Duration::from_hours(24 * 39)).await;
    assert_eq!(ada.get("/who").await.json::<String>(), "Ada");
    assert_eq!(socket.emit_with_ack("visit", &()).await, 1);
    tokio::time::advance(Duration::from_hours(24 * 41)).await;
    assert_eq!(ada.get("/who").await.json::<Value>(), Value::Null);
    socket.disconnected().await;
}

#[tokio::test]
#[should_panic(expected = "waited 50ms for the event `never` (")]
async fn a_wait_in_vain_says_what_it_waited_for() {
    let app = app().with_patience(Duration::from_millis(50));
    connect(&app.client(), Transport::WebSocket).await.event("never").await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "waited 50ms for a response to GET /never (")]
async fn also_on_a_paused_clock() {
    let never = Router::new().route("/never", get(std::future::pending::<()>));
    TestApp::new(never).with_patience(Duration::from_millis(50)).client().get("/never").await;
}

#[tokio::test]
#[should_panic(
    expected = "`/`: the server has ended the namespace, before the acknowledgement of `unknown` came"
)]
async fn who_waits_for_an_acknowledgement_is_told_of_the_end() {
    let socket = connect(&app().client(), Transport::WebSocket).await;
    socket.emit("leave", &()).await;
    socket.emit_with_ack("unknown", &()).await;
}
