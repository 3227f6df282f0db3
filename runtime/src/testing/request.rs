//! `TestRequest`: a request that is sent when it is awaited.

use std::{
    fmt,
    future::{Future, IntoFuture},
    panic::Location,
    pin::Pin,
};

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::{client::TestClient, patience::within, response::TestResponse};

/// A request of a [`TestClient`]. It does nothing before it is awaited.
#[must_use = "it is sent when it is awaited"]
#[derive(Debug)]
pub struct TestRequest {
    client: TestClient,
    request: Request<Body>,
    at: &'static Location<'static>,
}

impl TestRequest {
    #[track_caller]
    pub(super) fn new(client: TestClient, method: Method, path: &str, body: Body) -> Self {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() =
            path.parse::<Uri>().unwrap_or_else(|error| panic!("`{path}` is no path: {error}"));
        Self::of(client, request)
    }

    #[track_caller]
    pub(super) fn of(client: TestClient, request: Request<Body>) -> Self {
        Self { client, request, at: Location::caller() }
    }

    /// One header more.
    ///
    /// # Panics
    ///
    /// If it cannot be a header.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: fmt::Debug>,
        V: TryInto<HeaderValue, Error: fmt::Debug>,
    {
        let (name, value) = header(name, value);
        self.request.headers_mut().append(name, value);
        self
    }
}

#[track_caller]
pub(super) fn header<N, V>(name: N, value: V) -> (HeaderName, HeaderValue)
where
    N: TryInto<HeaderName, Error: fmt::Debug>,
    V: TryInto<HeaderValue, Error: fmt::Debug>,
{
    match (name.try_into(), value.try_into()) {
        (Ok(name), Ok(value)) => (name, value),
        (Err(error), _) => panic!("no header's name: {error:?}"),
        (_, Err(error)) => panic!("no header's value: {error:?}"),
    }
}

/// The response, with its whole body.
///
/// # Panics
///
/// If it does not come in time ([`with_patience`](super::TestApp::with_patience)), its body breaks off, or a handler
/// without an attribute panics.
impl IntoFuture for TestRequest {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, request, at } = self;
        let what = format!("a response to {} {}", request.method(), request.uri());
        Box::pin(async move { within(client.app.patience, what, at, client.send(request)).await })
    }
}
