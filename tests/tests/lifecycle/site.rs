//! The application that these tests visit: the same login and logout three times over (this crate's, a plain
//! `Session`'s, axum-login's), and sockets in four namespaces.

use std::{
    convert::Infallible,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{Html, Response},
    routing::get,
};
use axum_login::{AuthManager, AuthSession, AuthUser, AuthnBackend};
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::{
    SocketIo,
    extract::{Data, SocketRef, State as SocketState},
    handler::ConnectHandler,
    socket::DisconnectReason,
};
use socketioxide_session::{
    Error, Expiry, Session, SessionControl, SessionLayer, Shared, StoreBackend, connect_handler,
    http_handler, session_alive, session_state, socket_handler,
};
use socketioxide_session_tests::{
    app::{App, sessions},
    gate::Gate,
    http::Browser,
    stores::TestStore,
};

/// Every namespace of the site. The last one knows nothing of sessions.
pub(crate) const NAMESPACES: [&str; 4] = ["/", "/shop", "/alive", "/plain"];

/// Those that see to it by themselves that the session lives.
pub(crate) const GUARDED: [&str; 3] = ["/", "/shop", "/alive"];

#[session_state]
pub(crate) struct User {
    pub(crate) name: Option<String>,
    pub(crate) visits: u32,
}

/// A second state, so that a handler can hold a turn across a login.
#[session_state]
struct Cart {
    items: u32,
}

/// What handlers and tests share.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tools {
    /// Where handlers stand that were told to wait.
    pub(crate) gate: Gate,
    /// Where responses stand that were told to wait.
    pub(crate) door: Gate,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tools {
    fn note(&self, what: impl Into<String>) {
        let mut seen = self.seen.lock().expect("nobody panics here");
        // So many that no test looks at more, and that they do not count as memory where that is measured.
        if seen.len() < 100 {
            seen.push(what.into());
        }
    }

    /// What was noted so far, sorted.
    pub(crate) fn noted(&self) -> Vec<String> {
        let mut seen = self.seen.lock().expect("nobody panics here").clone();
        seen.sort();
        seen
    }
}

/// How a request is to go.
#[derive(Deserialize)]
struct Wish {
    name: Option<String>,
    /// The handler's answer. 0: it panics.
    status: Option<u16>,
    /// What becomes of the answer behind the handler's back: `hold`, `fail`, `slow`.
    then: Option<String>,
}

impl Wish {
    fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| "Ada".to_owned())
    }

    fn status(&self) -> StatusCode {
        let status = self.status.unwrap_or(200);
        if status == 0 {
            panic_in_silence();
        }
        StatusCode::from_u16(status).expect("a status")
    }
}

/// As the test wants; without a backtrace, which nobody reads and everybody waits for.
fn panic_in_silence() -> ! {
    std::panic::resume_unwind(Box::new("as the test wants"))
}

async fn then(
    State(tools): State<Tools>,
    Query(wish): Query<Wish>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    match wish.then.as_deref() {
        Some("hold") => tools.door.pass().await,
        Some("fail") => *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR,
        Some("slow") => {
            *response.body_mut() = Body::from_stream(futures_util::stream::once(async move {
                tools.door.pass().await;
                Ok::<_, Infallible>("late")
            }));
        }
        _ => {}
    }
    response
}

#[http_handler(user)]
async fn who(user: &User) -> Json<Option<String>> {
    Json(user.name.clone())
}

#[http_handler(user)]
async fn visit(user: &mut User) -> Json<u32> {
    user.visits += 1;
    Json(user.visits)
}

#[http_handler(user)]
async fn visits(user: &User) -> Json<u32> {
    Json(user.visits)
}

#[http_handler(cart)]
async fn held(cart: &mut Cart, State(tools): State<Tools>) -> Json<u32> {
    cart.items += 1;
    tools.gate.pass().await;
    Json(cart.items)
}

#[http_handler(user)]
async fn login(
    user: &mut User,
    control: SessionControl,
    Query(wish): Query<Wish>,
) -> Result<StatusCode, Error> {
    control.cycle_id()?;
    user.name = Some(wish.name());
    Ok(wish.status())
}

#[http_handler(user)]
async fn login_err(user: &mut User, control: SessionControl) -> Result<(), StatusCode> {
    user.name = Some("Ada".to_owned());
    control.cycle_id().map_err(|error| error.kind().status())?;
    Err(StatusCode::BAD_REQUEST)
}

/// Sets the cookie anew, as the session's expiry is another one now.
#[http_handler]
async fn renew(control: SessionControl) -> Result<(), Error> {
    control.set_expiry(Expiry::OnInactivity(time::Duration::days(1)))
}

#[http_handler]
async fn logout(control: SessionControl, Query(wish): Query<Wish>) -> Result<StatusCode, Error> {
    control.flush()?;
    Ok(wish.status())
}

#[http_handler]
async fn logout_err(control: SessionControl) -> Result<(), StatusCode> {
    control.flush().map_err(|error| error.kind().status())?;
    Err(StatusCode::BAD_REQUEST)
}

#[http_handler]
async fn logout_held(control: SessionControl, State(tools): State<Tools>) -> Result<(), Error> {
    control.flush()?;
    tools.gate.pass().await;
    Ok(())
}

/// Reads, and tries again once the gate opens: to read and to write in the name of this request's session.
async fn background(shared: Shared<User>, State(tools): State<Tools>) {
    shared.read().await.expect("a session that is alive");
    tokio::spawn(async move {
        tools.gate.pass().await;
        let read = shared.read().await.map(|user| user.visits);
        let written = shared.update(|user| user.visits += 1000).await;
        let code = |error: &Error| error.kind().code();
        tools.note(format!(
            "background {:?} {:?}",
            read.as_ref().map_err(code),
            written.as_ref().map_err(code)
        ));
    });
}

fn failed(error: impl Debug) -> StatusCode {
    // What failed is no client's business.
    let _ = error;
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn plain_who(session: Session) -> Result<Json<Option<String>>, StatusCode> {
    Ok(Json(session.get("plain name").await.map_err(failed)?))
}

async fn plain_visit(session: Session) -> Result<Json<u32>, StatusCode> {
    let visits = session.get::<u32>("plain visits").await.map_err(failed)?.unwrap_or(0) + 1;
    session.insert("plain visits", visits).await.map_err(failed)?;
    Ok(Json(visits))
}

async fn plain_held(session: Session, State(tools): State<Tools>) -> Result<(), StatusCode> {
    session.insert("plain", 1).await.map_err(failed)?;
    tools.gate.pass().await;
    Ok(())
}

async fn plain_login(session: Session, Query(wish): Query<Wish>) -> Result<StatusCode, StatusCode> {
    session.cycle_id().await.map_err(failed)?;
    session.insert("plain name", wish.name()).await.map_err(failed)?;
    Ok(wish.status())
}

async fn plain_logout(session: Session, Query(wish): Query<Wish>) -> Result<StatusCode, StatusCode> {
    session.flush().await.map_err(failed)?;
    Ok(wish.status())
}

#[derive(Clone, Debug)]
struct Person(String);

impl AuthUser for Person {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Clone, Debug)]
struct People;

impl AuthnBackend for People {
    type User = Person;
    type Credentials = String;
    type Error = Infallible;

    async fn authenticate(&self, name: String) -> Result<Option<Person>, Infallible> {
        Ok(Some(Person(name)))
    }

    async fn get_user(&self, name: &String) -> Result<Option<Person>, Infallible> {
        Ok(Some(Person(name.clone())))
    }
}

async fn auth_who(auth: AuthSession<People>) -> Json<Option<String>> {
    Json(auth.user.map(|person| person.0))
}

async fn auth_login(
    mut auth: AuthSession<People>,
    Query(wish): Query<Wish>,
) -> Result<StatusCode, StatusCode> {
    auth.login(&Person(wish.name())).await.map_err(failed)?;
    Ok(wish.status())
}

async fn auth_logout(
    mut auth: AuthSession<People>,
    Query(wish): Query<Wish>,
) -> Result<StatusCode, StatusCode> {
    auth.logout().await.map_err(failed)?;
    Ok(wish.status())
}

#[socket_handler(user)]
async fn socket_who(user: &User) -> Option<String> {
    user.name.clone()
}

#[socket_handler(user)]
async fn socket_visit(user: &mut User) -> u32 {
    user.visits += 1;
    user.visits
}

#[socket_handler(user)]
async fn socket_visits(user: &User) -> u32 {
    user.visits
}

#[socket_handler(cart)]
async fn socket_held(cart: &mut Cart, SocketState(tools): SocketState<Tools>) -> u32 {
    cart.items += 1;
    tools.gate.pass().await;
    cart.items
}

#[socket_handler(user)]
async fn socket_login(user: &mut User, Data(name): Data<String>) {
    user.name = Some(name);
}

#[socket_handler]
async fn socket_cycle(control: SessionControl) -> Result<(), Error> {
    control.cycle_id()
}

#[socket_handler]
async fn socket_key(control: SessionControl) -> String {
    control.key().to_owned()
}

#[socket_handler]
async fn socket_logout(
    control: SessionControl,
    Data(how): Data<String>,
    SocketState(tools): SocketState<Tools>,
) -> Result<&'static str, &'static str> {
    control.flush().map_err(|_| "no flush")?;
    match &*how {
        "panic" => panic_in_silence(),
        "fail" => Err("failed"),
        "hold" => {
            tools.gate.pass().await;
            Ok("bye")
        }
        _ => Ok("bye"),
    }
}

/// A logout that comes after the events before it.
#[socket_handler(user)]
async fn socket_leave(user: &mut User, control: SessionControl) -> Result<&'static str, Error> {
    user.name = None;
    control.flush()?;
    Ok("bye")
}

#[socket_handler(user)]
async fn left(user: &mut User) {
    user.visits += 100;
}

fn note_the_end(socket: &SocketRef) {
    socket.on_disconnect(
        async |socket: SocketRef, reason: DisconnectReason, SocketState(tools): SocketState<Tools>| {
            tools.note(format!("{} {reason:?}", socket.ns()));
        },
    );
}

#[connect_handler(user)]
pub(crate) async fn connected(user: &User, control: SessionControl, socket: SocketRef) {
    socket.join(control.key().to_owned());
    if user.name.is_some() {
        socket.join("members");
    }
    socket.on("who", socket_who);
    socket.on("visit", socket_visit);
    socket.on("visits", socket_visits);
    socket.on("held", socket_held);
    socket.on("login", socket_login);
    socket.on("cycle", socket_cycle);
    socket.on("key", socket_key);
    socket.on("logout", socket_logout);
    socket.on("leave", socket_leave);
    socket.on("leave a mark", async |socket: SocketRef| socket.on_disconnect(left));
    note_the_end(&socket);
}

/// A connect handler that knows nothing of sessions.
pub(crate) async fn plain(socket: SocketRef) {
    socket.join("plain");
    socket.on("ping", async |ack: socketioxide::extract::AckSender| {
        ack.send("pong").ok();
    });
    note_the_end(&socket);
}

/// The site before it is served.
pub(crate) struct Parts {
    pub(crate) router: Router,
    pub(crate) io: SocketIo,
    pub(crate) tools: Tools,
}

pub(crate) fn parts(layer: SessionLayer) -> Parts {
    parts_that_beat(layer, Duration::from_secs(25))
}

/// With a heartbeat of this interval.
pub(crate) fn parts_that_beat(layer: SessionLayer, heartbeat: Duration) -> Parts {
    let tools = Tools::default();
    let (sockets, io) = SocketIo::builder().with_state(tools.clone()).ping_interval(heartbeat).build_layer();
    io.ns("/", connected);
    io.ns("/shop", connected);
    io.ns("/alive", plain.with(session_alive));
    io.ns("/plain", plain);

    let auth = tower::layer::layer_fn(|inner| AuthManager::new(inner, People, "axum-login.data"));
    let auth_routes = Router::new()
        .route("/auth/who", get(auth_who))
        .route("/auth/login", get(auth_login))
        .route("/auth/logout", get(auth_logout))
        .layer(auth);
    let counted = io.clone();
    let count = async move || {
        let of = |ns: &str| counted.of(ns).map_or(0, |of| of.sockets().len());
        Json(NAMESPACES.iter().map(|ns| of(ns)).sum::<usize>())
    };
    let router = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/sockets", get(count))
        .route("/who", get(who))
        .route("/visit", get(visit))
        .route("/visits", get(visits))
        .route("/held", get(held))
        .route("/login", get(login))
        .route("/login/err", get(login_err))
        .route("/renew", get(renew))
        .route("/logout", get(logout))
        .route("/logout/err", get(logout_err))
        .route("/logout/held", get(logout_held))
        .route("/background", get(background))
        .route("/plain/who", get(plain_who))
        .route("/plain/visit", get(plain_visit))
        .route("/plain/held", get(plain_held))
        .route("/plain/login", get(plain_login))
        .route("/plain/logout", get(plain_logout))
        .merge(auth_routes)
        .layer(from_fn_with_state(tools.clone(), then))
        .with_state(tools.clone())
        .layer(sockets)
        .layer(layer);
    Parts { router, io, tools }
}

/// The site, served.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) io: SocketIo,
    pub(crate) tools: Tools,
    pub(crate) store: TestStore,
}

impl Site {
    pub(crate) async fn open() -> Self {
        Self::with(|layer| layer).await
    }

    pub(crate) async fn with(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> Self {
        let store = TestStore::default();
        let Parts { router, io, tools } = parts(layer(sessions(StoreBackend::new(store.clone()))));
        Self { app: App::serve(router).await, io, tools, store }
    }

    /// A browser that has been here once.
    pub(crate) async fn visitor(&self) -> Browser {
        let browser = Browser::new(&self.app);
        assert_eq!(browser.get("/visit").await.json(), 1);
        browser
    }

    /// How many sockets there are in that namespace.
    pub(crate) fn sockets(&self, namespace: &str) -> usize {
        self.io.of(namespace).expect("a namespace").sockets().len()
    }

    /// How many sockets there are in that room of that namespace.
    pub(crate) fn in_room(&self, namespace: &str, room: &str) -> usize {
        self.io.of(namespace).expect("a namespace").within(room.to_owned()).sockets().len()
    }

    /// A request whose answer is read to the end of its head, and no further.
    pub(crate) async fn head(&self, path: &str, cookie: Option<&str>) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let request = client.get(self.app.url(path));
        let request = match cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        socketioxide_session_tests::soon(path, request.send()).await.expect("an answer")
    }
}

/// Whose login and logout it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    ThisCrate,
    PlainSession,
    AxumLogin,
}

impl Of {
    pub(crate) const ALL: [Self; 3] = [Self::ThisCrate, Self::PlainSession, Self::AxumLogin];

    pub(crate) fn path(self, what: &str) -> String {
        match self {
            Self::ThisCrate => format!("/{what}"),
            Self::PlainSession => format!("/plain/{what}"),
            Self::AxumLogin => format!("/auth/{what}"),
        }
    }
}

/// The cookie that an answer sets.
pub(crate) fn cookie_of(response: &reqwest::Response) -> String {
    let lines: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(lines.len(), 1, "one Set-Cookie with {}", response.status());
    let line = lines[0].to_str().expect("a readable cookie");
    line.split(';').next().expect("a cookie before its attributes").to_owned()
}

/// Waits until it is so, and says what if it never is.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    socketioxide_session_tests::soon(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The code of an error that a socket was answered with.
pub(crate) fn code(answer: &Value) -> &str {
    answer["code"].as_str().unwrap_or_else(|| panic!("an error with a code: {answer}"))
}

/// What an acknowledgement of nothing is.
pub(crate) fn nothing() -> Value {
    json!(null)
}
