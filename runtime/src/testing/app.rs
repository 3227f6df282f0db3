//! `TestApp`: the application, and the server of its pipes.

use std::{
    fmt,
    future::pending,
    io,
    panic::Location,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Router, serve::Listener};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::JoinHandle,
};
use url::Url;

use super::client::TestClient;
use crate::session::state::SessionState;

/// Longer than any limit that a session's layer or Socket.IO has by default: so that their errors are heard first.
const PATIENCE: Duration = Duration::from_mins(1);

/// An application in this process. See the [module](super).
#[derive(Clone)]
pub struct TestApp {
    pub(super) router: Router,
    pub(super) url: Url,
    pub(super) socket_path: String,
    pub(super) patience: Duration,
    server: Arc<Server>,
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

impl TestApp {
    /// The application with this router: with its layers, as it is given to `axum::serve`.
    ///
    /// Handlers that extract `ConnectInfo` need axum's `MockConnectInfo` as a layer.
    pub fn new(router: Router) -> Self {
        let url = Url::parse("https://localhost/").unwrap_or_else(|_| unreachable!("it is an address"));
        Self {
            router,
            url,
            socket_path: "/socket.io/".to_owned(),
            patience: PATIENCE,
            server: Arc::default(),
        }
    }

    /// Where clients believe the application to be: it decides on the `Host` header, and on which cookies are kept and
    /// shown. Default: `https://localhost`, so that cookies that are `Secure` are shown.
    ///
    /// # Panics
    ///
    /// If it is no URL with a host.
    #[must_use]
    #[track_caller]
    pub fn with_url(mut self, url: &str) -> Self {
        let parsed = Url::parse(url).ok().filter(Url::has_host);
        self.url = parsed.unwrap_or_else(|| {
            panic!("`{url}` is no URL of an application: write it as in `https://app.example.com`")
        });
        self
    }

    /// The path of Socket.IO. Default: `/socket.io/`.
    #[must_use]
    pub fn with_socket_path(mut self, path: &str) -> Self {
        self.socket_path = format!("/{}/", path.trim_matches('/'));
        self
    }

    /// How long a wait may take before it panics, by the machine's clock and by tokio's, whichever is later. Default:
    /// one minute.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A client with an empty cookie jar.
    pub fn client(&self) -> TestClient {
        TestClient::new(self.clone())
    }

    /// A client whose session has this state, changed so. Its cookie is in the client's jar, as if a handler had done
    /// it: where `change` leaves the default as it is, nothing is written and no session begins. More states: [`TestClient::seed`].
    ///
    /// # Panics
    ///
    /// If the router has no [`SessionLayer`](crate::SessionLayer), or the commit fails.
    #[track_caller]
    pub fn seed<T: SessionState>(
        &self,
        change: impl FnOnce(&mut T) + Send + 'static,
    ) -> impl Future<Output = TestClient> + Send {
        let (client, at) = (self.client(), Location::caller());
        async move {
            client.sow(change, at).await;
            client
        }
    }

    /// The near end of a pipe to the application that holds so many bytes in each direction.
    pub(super) fn pipe(&self, bytes: usize) -> DuplexStream {
        let (near, far) = duplex(bytes);
        let pipes = &self.server.0.get_or_init(|| Serving::start(self.router.clone())).pipes;
        assert!(pipes.send(far).is_ok(), "the runtime in which this `TestApp` was used first has ended");
        near
    }
}

/// Serves what comes as a pipe, from the first one on, until the last client is dropped.
#[derive(Debug, Default)]
struct Server(OnceLock<Serving>);

#[derive(Debug)]
struct Serving {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    task: JoinHandle<()>,
}

impl Serving {
    fn start(router: Router) -> Self {
        let (pipes, incoming) = mpsc::unbounded_channel();
        let serve = axum::serve(Pipes(incoming), router);
        let task = tokio::spawn(async move { serve.await.unwrap_or_default() });
        Self { pipes, task }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The far ends of the pipes.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}
