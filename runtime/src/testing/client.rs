//! `TestClient`: a browser, with its cookies.

use std::{fmt, panic::Location, sync::Arc};

use axum::body::Body;
use cookie_store::CookieStore;
use http::{HeaderValue, Method, Request, header};
use parking_lot::Mutex;
use serde::Serialize;
use tower_service::Service;
use url::Url;

use super::{
    app::TestApp, connection::Connect, patience::within, request::TestRequest, response::TestResponse,
};
use crate::{http::seed::Seed, session::state::SessionState};

/// A client with a cookie jar of its own. Clones share the jar.
///
/// Responses fill the jar and requests and handshakes show what is in it, by a browser's rules for domains, paths and
/// lives. `SameSite` is not acted on: what a browser sends from another site, without the cookie, is
/// [`another(None)`](Self::another) with the header `sec-fetch-site: cross-site`. Redirects are not followed. A request that is dropped is one whose client went away.
#[derive(Clone)]
pub struct TestClient {
    pub(super) app: TestApp,
    jar: Arc<Mutex<CookieStore>>,
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient").field("app", &self.app).finish_non_exhaustive()
    }
}

impl TestClient {
    pub(super) fn new(app: TestApp) -> Self {
        Self { app, jar: Arc::default() }
    }

    /// Another client of the same application, whose jar holds this `Cookie` line alone, or nothing.
    #[must_use]
    pub fn another(&self, cookies: Option<&str>) -> Self {
        let other = Self::new(self.app.clone());
        for pair in cookies.iter().flat_map(|line| line.split("; ")) {
            other.set_cookie(pair);
        }
        other
    }

    /// The `Cookie` line that the next request to `/` will show.
    pub fn cookies(&self) -> Option<String> {
        self.cookies_for(&self.app.url)
    }

    /// Puts a cookie into the jar, written as in `Set-Cookie`.
    ///
    /// # Panics
    ///
    /// If a browser would refuse it.
    #[track_caller]
    pub fn set_cookie(&self, line: &str) {
        if let Err(error) = self.jar.lock().parse(line, &self.app.url) {
            panic!("`{line}` is no cookie for {}: {error}", self.app.url);
        }
    }

    /// Empties the jar.
    pub fn clear_cookies(&self) {
        self.jar.lock().clear();
    }

    /// A GET.
    ///
    /// # Panics
    ///
    /// If `path` is no path.
    #[track_caller]
    pub fn get(&self, path: &str) -> TestRequest {
        TestRequest::new(self.clone(), Method::GET, path, Body::empty())
    }

    /// A POST of a form.
    ///
    /// # Panics
    ///
    /// If `path` is no path, or `form` does not encode.
    #[track_caller]
    pub fn post_form(&self, path: &str, form: &impl Serialize) -> TestRequest {
        let body = serde_urlencoded::to_string(form).unwrap_or_else(|error| panic!("no form: {error}"));
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        TestRequest::new(self.clone(), Method::POST, path, body.into()).header(header::CONTENT_TYPE, form)
    }

    /// A POST of JSON.
    ///
    /// # Panics
    ///
    /// If `path` is no path, or `json` does not encode.
    #[track_caller]
    pub fn post_json(&self, path: &str, json: &impl Serialize) -> TestRequest {
        let body = serde_json::to_vec(json).unwrap_or_else(|error| panic!("no JSON: {error}"));
        let json = HeaderValue::from_static("application/json");
        TestRequest::new(self.clone(), Method::POST, path, body.into()).header(header::CONTENT_TYPE, json)
    }

    /// Any other request. A `Cookie` header of its own takes the place of the jar's cookies.
    #[track_caller]
    pub fn request(&self, request: Request<impl Into<Body>>) -> TestRequest {
        TestRequest::of(self.clone(), request.map(Into::into))
    }

    /// A connection to the application and to this namespace of it.
    #[track_caller]
    pub fn connect(&self, namespace: &str) -> Connect {
        Connect::new(self.clone(), namespace)
    }

    /// Changes a state of this client's session; a session begins, if there is none.
    ///
    /// # Panics
    ///
    /// If the router has no [`SessionLayer`](crate::SessionLayer), or the commit fails.
    #[track_caller]
    pub fn seed<T: SessionState>(
        &self,
        change: impl FnOnce(&mut T) + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        let (client, at) = (self.clone(), Location::caller());
        async move { client.sow(change, at).await }
    }

    pub(super) async fn sow<T: SessionState>(
        &self,
        change: impl FnOnce(&mut T) + Send + 'static,
        at: &'static Location<'static>,
    ) {
        let seed = Seed::new(change);
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(seed.clone());
        let response = within(self.app.patience, "a session to be seeded", at, self.send(request)).await;
        match seed.outcome() {
            Some(Ok(())) => {}
            Some(Err(error)) => panic!("the session could not be seeded: {error} ({at})"),
            None => panic!(
                "nothing was seeded: no `SessionLayer` saw a request to `/`, which was answered {}; write \
                 `.layer(SessionLayer::new(backend))` as the last `.layer(..)` of the router ({at})",
                response.status()
            ),
        }
    }

    /// Sends a request, and keeps the cookies of its response.
    pub(super) async fn send(&self, mut request: Request<Body>) -> TestResponse {
        let url = self.app.url.join(&request.uri().to_string()).unwrap_or_else(|_| self.app.url.clone());
        let headers = request.headers_mut();
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, self.host());
        }
        if !headers.contains_key(header::COOKIE)
            && let Some(cookies) = self.cookie_header(&url)
        {
            headers.insert(header::COOKIE, cookies);
        }
        let Ok(response) = self.app.router.clone().call(request).await;
        let response = TestResponse::read(response).await;
        self.keep_cookies(&response, &url);
        response
    }

    /// The application's name, with its port if that is not the scheme's.
    pub(super) fn host(&self) -> HeaderValue {
        let host = &self.app.url[url::Position::BeforeHost..url::Position::AfterPort];
        header_value(host)
    }

    pub(super) fn cookie_header(&self, url: &Url) -> Option<HeaderValue> {
        self.cookies_for(url).map(|cookies| header_value(&cookies))
    }

    fn cookies_for(&self, url: &Url) -> Option<String> {
        let jar = self.jar.lock();
        let pairs: Vec<_> =
            jar.get_request_values(url).map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// As a browser does: one that it refuses is not kept.
    pub(super) fn keep_cookies(&self, response: &TestResponse, url: &Url) {
        let mut jar = self.jar.lock();
        for line in response.set_cookies() {
            jar.parse(&line, url).ok();
        }
    }
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| panic!("`{text}` cannot be a header"))
}
