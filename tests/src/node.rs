//! The official client and a real browser, each in a Node process that this side tells what to do.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{PATIENCE, app::App, helper::Helper};

fn start(script: &str) -> Helper {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/node");
    let modules = format!("{folder}/node_modules");
    assert!(std::path::Path::new(&modules).exists(), "tests/run installs what is missing: {modules}");
    Helper::start(Command::new("node").arg(script).current_dir(folder))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Polling,
    WebSocket,
    /// Polling first and WebSocket when it can, the client's default.
    Upgrade,
}

impl Transport {
    /// As clients name them.
    pub fn names(self) -> Value {
        match self {
            Self::Polling => json!(["polling"]),
            Self::WebSocket => json!(["websocket"]),
            Self::Upgrade => json!(["polling", "websocket"]),
        }
    }
}

/// A process of official clients.
#[derive(Clone, Debug)]
pub struct OfficialClients {
    node: Arc<Helper>,
    next: Arc<AtomicU64>,
}

/// How a socket connects.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connect {
    options: Value,
}

impl Connect {
    /// To the namespace `/` of that application.
    pub fn to(app: &App, transport: Transport) -> Self {
        Self::at(&app.url(""), transport)
    }

    /// To the namespace `/` at that address.
    pub fn at(url: &str, transport: Transport) -> Self {
        Self { options: json!({ "url": url, "namespace": "/", "transports": transport.names() }) }
    }

    fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options[name] = value.into();
        self
    }

    pub fn namespace(self, namespace: &str) -> Self {
        self.set("namespace", namespace)
    }

    /// Shows this cookie, `name=value`.
    pub fn cookie(self, cookie: impl Into<String>) -> Self {
        self.set("cookie", cookie.into())
    }

    /// Keeps its cookies with all others of this browser.
    pub fn browser(self, name: &str) -> Self {
        self.set("browser", name)
    }

    pub fn headers(self, headers: Value) -> Self {
        self.set("headers", headers)
    }

    pub fn auth(self, auth: Value) -> Self {
        self.set("auth", auth)
    }

    /// Reconnects as the guide tells a page to.
    pub fn come_back(self) -> Self {
        self.set("comeBack", true)
    }

    /// Uses the connection of that socket.
    pub fn over(self, other: &OfficialSocket) -> Self {
        self.set("share", other.name.as_str())
    }
}

impl OfficialClients {
    pub fn start() -> Self {
        Self { node: Arc::new(start("client.mjs")), next: Arc::default() }
    }

    /// Connects; `Err` is the message of the `connect_error`.
    pub async fn try_connect(&self, connect: Connect) -> Result<OfficialSocket, String> {
        let name = format!("socket {}", self.next.fetch_add(1, Ordering::Relaxed));
        let socket = OfficialSocket { node: Arc::clone(&self.node), name };
        let options = connect.set("socket", socket.name.as_str()).set("timeout", milliseconds());
        let outcome = socket.node.done("connect", options.options).await;
        match outcome["connected"].as_bool() {
            Some(true) => Ok(socket),
            _ => Err(outcome["message"].as_str().expect("a message").to_owned()),
        }
    }

    pub async fn connect(&self, connect: Connect) -> OfficialSocket {
        self.try_connect(connect).await.unwrap_or_else(|message| panic!("connect_error: {message}"))
    }
}

/// One socket of the official client.
#[derive(Debug)]
pub struct OfficialSocket {
    node: Arc<Helper>,
    name: String,
}

impl OfficialSocket {
    fn told(&self, mut options: Value) -> Value {
        options["socket"] = self.name.as_str().into();
        options["timeout"] = milliseconds();
        options
    }

    async fn done(&self, command: &str, options: Value) -> Value {
        self.node.done(command, self.told(options)).await
    }

    /// Emits and gives the one value of the acknowledgement.
    pub async fn ask(&self, event: &str, values: &[Value]) -> Value {
        self.ask_all(&[(event, values)]).await.remove(0)
    }

    /// The same; `Err` says that the connection was lost before the acknowledgement.
    pub async fn try_ask(&self, event: &str, values: &[Value]) -> Result<Value, String> {
        let options = json!({ "events": [whole(event, values)], "ack": true });
        let answers = self.node.try_done("emit", self.told(options)).await?;
        Ok(one_value(&answers[0]))
    }

    /// Emits all in one go and gives their acknowledgements.
    pub async fn ask_all(&self, events: &[(&str, &[Value])]) -> Vec<Value> {
        let events: Vec<_> = events.iter().map(|(event, values)| whole(event, values)).collect();
        let answers = self.done("emit", json!({ "events": events, "ack": true })).await;
        answers.as_array().expect("a list of acknowledgements").iter().map(one_value).collect()
    }

    pub async fn emit(&self, event: &str, values: &[Value]) {
        self.done("emit", json!({ "events": [whole(event, values)] })).await;
    }

    /// The values of the next event of that name; `connect`, `disconnect` and `connect_error` are events too.
    pub async fn event(&self, name: &str) -> Value {
        self.done("next", json!({ "event": name })).await
    }

    pub async fn disconnect(&self) {
        self.done("disconnect", json!({})).await;
    }

    /// The value of a cookie that its browser keeps.
    pub async fn cookie(&self, name: &str) -> Option<String> {
        let state = self.done("state", json!({})).await;
        state["cookies"][name].as_str().map(str::to_owned)
    }

    /// All `Set-Cookie` lines that its browser was sent.
    pub async fn set_cookies(&self) -> Vec<String> {
        let state = self.done("state", json!({})).await;
        let lines = state["received"].as_array().expect("a list of lines");
        lines.iter().map(|line| line.as_str().expect("a line").to_owned()).collect()
    }

    pub async fn is_connected(&self) -> bool {
        self.done("state", json!({})).await["connected"] == true
    }

    /// Shows this cookie from the next connection on.
    pub async fn keep(&self, cookie: &str) {
        self.done("setCookie", json!({ "cookie": cookie })).await;
    }
}

fn one_value(acknowledgement: &Value) -> Value {
    match acknowledgement.as_array().map(Vec::as_slice) {
        Some([value]) => value.clone(),
        _ => panic!("one value in the acknowledgement: {acknowledgement}"),
    }
}

fn whole(event: &str, values: &[Value]) -> Value {
    let mut all = vec![Value::from(event)];
    all.extend_from_slice(values);
    all.into()
}

fn milliseconds() -> Value {
    u64::try_from(PATIENCE.as_millis()).expect("patience that ends").into()
}

/// A real browser with one profile.
#[derive(Debug)]
pub struct Chromium {
    node: Helper,
}

impl Chromium {
    pub async fn launch() -> Self {
        Self::start(json!({})).await
    }

    /// With these options of its command line, too.
    pub async fn launch_with(options: &[&str]) -> Self {
        Self::start(json!({ "options": options })).await
    }

    /// One that reaches no server but those of this machine.
    pub async fn launch_without_internet() -> Self {
        Self::start(json!({ "internet": false })).await
    }

    /// One whose requests nobody intercepts: it sends preflights, and its pages have the client from their own server.
    pub async fn launch_untouched() -> Self {
        Self::start(json!({ "untouched": true })).await
    }

    /// The same; whether it keeps and sends cookies of other sites than the page's.
    pub async fn launch_with_third_party_cookies(allowed: bool) -> Self {
        let profile =
            json!({ "block_third_party_cookies": !allowed, "cookie_controls_mode": u8::from(!allowed) });
        Self::start(json!({ "untouched": true, "preferences": { "profile": profile } })).await
    }

    async fn start(mut options: Value) -> Self {
        let executable = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find_map(on_path)
            .expect("chromium, which tests/run installs or asks for");
        let node = start("browser.mjs");
        options["executable"] = executable.into();
        node.done("launch", options).await;
        Self { node }
    }

    pub fn page(&self, name: &str) -> Page<'_> {
        Page { node: &self.node, name: name.to_owned() }
    }

    /// The cookies that the browser has for that address.
    pub async fn cookies(&self, url: &str) -> Value {
        self.node.done("cookies", json!({ "url": url })).await
    }

    pub async fn close(self) {
        self.node.done("close", json!({})).await;
    }
}

fn on_path(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())?;
    Some(found.to_str()?.to_owned())
}

/// One tab.
#[derive(Debug)]
pub struct Page<'a> {
    node: &'a Helper,
    name: String,
}

impl Page<'_> {
    async fn done(&self, command: &str, mut options: Value) -> Value {
        options["page"] = self.name.as_str().into();
        self.node.done(command, options).await
    }

    pub async fn open(&self, url: &str) {
        self.done("open", json!({ "url": url })).await;
    }

    pub async fn reload(&self) {
        self.done("reload", json!({})).await;
    }

    pub async fn fill(&self, selector: &str, text: &str) {
        self.done("fill", json!({ "selector": selector, "text": text })).await;
    }

    pub async fn click(&self, selector: &str) {
        self.done("click", json!({ "selector": selector })).await;
    }

    /// Waits until the element is to be seen.
    pub async fn visible(&self, selector: &str) {
        self.done("visible", json!({ "selector": selector })).await;
    }

    /// Waits until the element is to be seen with this text in it.
    pub async fn reads(&self, selector: &str, text: &str) {
        self.done("reads", json!({ "selector": selector, "text": text })).await;
    }

    /// Waits until the JavaScript expression is true.
    pub async fn until(&self, expression: &str) {
        self.done("until", json!({ "expression": expression })).await;
    }

    pub async fn evaluate(&self, expression: &str) -> Value {
        self.done("evaluate", json!({ "expression": expression })).await
    }

    /// The errors that scripts of the page have thrown.
    pub async fn errors(&self) -> Value {
        self.done("errors", json!({})).await
    }

    pub async fn screenshot(&self, path: &str) {
        self.done("screenshot", json!({ "path": path })).await;
    }
}
