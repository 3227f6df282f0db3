//! Engine.IO's two transports: how frames come and go.

use axum::body::Body;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::{HeaderMap, Method, Request, header};
use tokio::{io::DuplexStream, sync::watch};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::{client::TestClient, response::TestResponse};

/// What stands between the packets in the body of a poll.
const SEPARATOR: char = '\u{1e}';

/// A connection that is open.
pub(super) struct Opened {
    pub(super) handshake: TestResponse,
    /// The packet with which Engine.IO opens it.
    pub(super) opening: String,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
}

/// What sends frames.
pub(super) enum Writer {
    WebSocket(SplitSink<WebSocketStream<DuplexStream>, Message>),
    Polling(Box<Poll>),
}

/// What receives frames.
pub(super) enum Reader {
    WebSocket(SplitStream<WebSocketStream<DuplexStream>>),
    Polling(Box<Poll>),
}

/// Shakes hands over WebSocket, through a pipe that holds so many bytes in each direction. `Err`: the response that
/// refuses it.
pub(super) async fn over_websocket(
    client: &TestClient,
    headers: &HeaderMap,
    pipe: usize,
) -> Result<Opened, TestResponse> {
    let app = &client.app;
    let path = format!("{}?EIO=4&transport=websocket", app.socket_path);
    let Ok(url) = app.url.join(&path) else { panic!("`{path}` is no path") };
    // What is `https` outside is plain in here, as behind a proxy that ends TLS.
    let address = format!("ws://{}{path}", &app.url[url::Position::BeforeHost..url::Position::AfterPort]);
    let mut request = address.into_client_request().unwrap_or_else(|error| panic!("no handshake: {error}"));
    if let Some(cookies) = client.cookie_header(&url) {
        request.headers_mut().insert(header::COOKIE, cookies);
    }
    replace(request.headers_mut(), headers);
    let (mut stream, response) = match client_async(request, app.pipe(pipe)).await {
        Ok(connected) => connected,
        Err(Error::Http(refusal)) => return Err(TestResponse::of_handshake(*refusal)),
        Err(error) => panic!("a handshake that broke off: {error}"),
    };
    let handshake = TestResponse::of_handshake(response);
    client.keep_cookies(&handshake, &url);
    let opening = match stream.next().await {
        Some(Ok(Message::Text(opening))) => opening.to_string(),
        other => panic!("no packet that opens the connection, but {other:?}"),
    };
    let (writer, reader) = stream.split();
    Ok(Opened { handshake, opening, writer: Writer::WebSocket(writer), reader: Reader::WebSocket(reader) })
}

/// Shakes hands over polling. `Err`: the response that refuses it.
pub(super) async fn over_polling(client: &TestClient, headers: &HeaderMap) -> Result<Opened, TestResponse> {
    let poll = Poll {
        client: client.clone(),
        headers: headers.clone(),
        path: format!("{}?EIO=4&transport=polling", client.app.socket_path),
    };
    let handshake = poll.request(Method::GET, String::new()).await;
    if !handshake.status().is_success() {
        return Err(handshake);
    }
    let opening = handshake.text().to_owned();
    let path = format!("{}&sid={}", poll.path, sid(&opening));
    let poll = Box::new(Poll { path, ..poll });
    Ok(Opened { handshake, opening, writer: Writer::Polling(poll.clone()), reader: Reader::Polling(poll) })
}

/// Engine.IO's name of the connection, in the packet that opens it.
pub(super) fn sid(opening: &str) -> String {
    let json = opening.strip_prefix('0').and_then(|json| serde_json::from_str(json).ok());
    let sid = json.and_then(|json: serde_json::Value| json["sid"].as_str().map(str::to_owned));
    sid.unwrap_or_else(|| panic!("no packet that opens the connection, but {opening}"))
}

impl Writer {
    /// Sends these frames in one go. `Err`: why it cannot.
    pub(super) async fn send(&mut self, frames: &[String]) -> Result<(), String> {
        match self {
            Self::WebSocket(sink) => {
                for frame in frames {
                    sink.feed(Message::text(frame.as_str())).await.map_err(|error| error.to_string())?;
                }
                sink.flush().await.map_err(|error| error.to_string())
            }
            Self::Polling(poll) => {
                let body = frames.join(&SEPARATOR.to_string());
                let response = poll.request(Method::POST, body).await;
                if response.status().is_success() { Ok(()) } else { Err(refusal("a post", &response)) }
            }
        }
    }

    /// Ends the connection, as a client that leaves does.
    pub(super) async fn close(&mut self) {
        match self {
            Self::WebSocket(sink) => sink.close().await.unwrap_or_default(),
            Self::Polling(poll) => drop(poll.request(Method::POST, "1".to_owned()).await),
        }
    }
}

impl Reader {
    /// The frames that come next. Nothing is read while `reading` is false. `Err`: why nothing more comes.
    pub(super) async fn receive(
        &mut self,
        reading: &mut watch::Receiver<bool>,
    ) -> Result<Vec<String>, String> {
        loop {
            if reading.wait_for(|reading| *reading).await.is_err() {
                return Err("the client has dropped it".to_owned());
            }
            match self {
                Self::Polling(poll) => {
                    // Never dropped midway: what the server had put into the response would be lost.
                    let response = poll.request(Method::GET, String::new()).await;
                    if !response.status().is_success() {
                        return Err(refusal("a poll", &response));
                    }
                    return Ok(response.text().split(SEPARATOR).map(str::to_owned).collect());
                }
                Self::WebSocket(stream) => {
                    let message = tokio::select! {
                        biased;
                        _ = reading.wait_for(|reading| !*reading) => continue,
                        message = stream.next() => message,
                    };
                    match message {
                        Some(Ok(Message::Text(text))) => return Ok(vec![text.to_string()]),
                        Some(Ok(Message::Close(_))) | None => {
                            return Err("the server has closed it".to_owned());
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(error.to_string()),
                    }
                }
            }
        }
    }
}

/// The requests of a connection over polling.
#[derive(Clone)]
pub(super) struct Poll {
    client: TestClient,
    headers: HeaderMap,
    path: String,
}

impl Poll {
    async fn request(&self, method: Method, body: String) -> TestResponse {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() =
            self.path.parse().unwrap_or_else(|error| panic!("`{}` is no path: {error}", self.path));
        replace(request.headers_mut(), &self.headers);
        self.client.send(request).await
    }
}

fn refusal(what: &str, response: &TestResponse) -> String {
    format!("{what} was answered {}: {}", response.status(), String::from_utf8_lossy(response.body()))
}

/// Puts `with` in place of headers of the same names.
fn replace(headers: &mut HeaderMap, with: &HeaderMap) {
    for name in with.keys() {
        headers.remove(name);
    }
    for (name, value) in with {
        headers.append(name, value.clone());
    }
}
