//! HTTP clients over real connections: one that keeps cookies, one that shows what it is told to show, one that goes away.

use std::{net::SocketAddr, sync::Arc};

use reqwest::{
    Client, Method, Response,
    cookie::{CookieStore, Jar},
    header::{COOKIE, HeaderMap, SET_COOKIE},
    redirect::Policy,
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{app::App, soon};

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("a body that is text") }
    }

    /// All `Set-Cookie` lines.
    pub fn set_cookies(&self) -> Vec<String> {
        let line =
            |value: &reqwest::header::HeaderValue| value.to_str().expect("a readable cookie").to_owned();
        self.headers.get_all(SET_COOKIE).iter().map(line).collect()
    }

    /// The `name=value` of the only cookie that was set.
    pub fn new_cookie(&self) -> String {
        let lines = self.set_cookies();
        assert_eq!(
            lines.len(),
            1,
            "one Set-Cookie was expected: {lines:?} with {} {}",
            self.status,
            self.body
        );
        lines[0].split(';').next().expect("a cookie before its attributes").to_owned()
    }

    /// The body, if the status is 200.
    pub fn ok(self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    pub fn json(self) -> Value {
        let body = self.ok();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error} in {body}"))
    }
}

/// A client that keeps its cookies, as a browser does; it follows no redirects.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    jar: Arc<Jar>,
    base: String,
}

impl Browser {
    pub fn new(app: &App) -> Self {
        Self::at(&app.url(""))
    }

    /// For the server at that address, without a slash at its end.
    pub fn at(url: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .cookie_provider(Arc::clone(&jar))
            .build()
            .expect("an HTTP client");
        Self { client, jar, base: url.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base));
        Answer::of(soon(path, request.send()).await.expect("an answer")).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base)).form(form);
        Answer::of(soon(path, request.send()).await.expect("an answer")).await
    }

    /// The `Cookie` line that the next request will show.
    pub fn cookie(&self) -> Option<String> {
        let url = self.base.parse().expect("the server's address");
        self.jar.cookies(&url).map(|line| line.to_str().expect("a readable cookie").to_owned())
    }

    /// The `Cookie` line of a browser that has a session.
    pub fn session(&self) -> String {
        self.cookie().expect("a session cookie")
    }

    pub fn keep(&self, cookie: &str) {
        self.jar.add_cookie_str(cookie, &self.base.parse().expect("the server's address"));
    }
}

/// One GET that shows this `Cookie` line, or none, and keeps nothing.
pub async fn get(app: &App, path: &str, cookie: Option<&str>) -> Answer {
    get_with(app, path, cookie.iter().map(|line| (COOKIE.as_str(), *line))).await
}

/// One GET with these headers.
pub async fn get_with<'a>(
    app: &App,
    path: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Answer {
    send(app, Method::GET, path, headers, "").await
}

/// One request with these headers and this body.
pub async fn send<'a>(
    app: &App,
    method: Method,
    path: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &str,
) -> Answer {
    let client = Client::builder().redirect(Policy::none()).no_proxy().build().expect("an HTTP client");
    let request = client.request(method, app.url(path)).body(body.to_owned());
    let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    Answer::of(soon(path, request.send()).await.expect("an answer")).await
}

/// A request that is under way; dropped, its client is gone.
#[derive(Debug)]
pub struct Underway {
    _connection: TcpStream,
}

/// Sends a GET and does not wait for the answer.
pub async fn begin(app: &App, path: &str, cookie: Option<&str>) -> Underway {
    let address: SocketAddr = app.address();
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let cookie = cookie.map(|line| format!("Cookie: {line}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{cookie}\r\n");
    connection.write_all(request.as_bytes()).await.expect("a request that is sent");
    Underway { _connection: connection }
}
