//! An application in this process, which is served on a free port, too, once somebody asks for its address.

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    sync::OnceLock,
};

use axum::Router;
use socketioxide::SocketIo;
use socketioxide_session::{Backend, SessionLayer, testing::TestApp};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::PATIENCE;

/// A running application; it accepts no one any more when this is dropped.
#[derive(Debug)]
pub struct App {
    /// `None`: it runs elsewhere.
    router: Option<(Router, TestApp)>,
    port: OnceLock<Port>,
}

#[derive(Debug)]
struct Port {
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl App {
    pub fn new(router: Router) -> Self {
        let here = TestApp::new(router.clone()).with_patience(PATIENCE);
        Self { router: Some((router, here)), port: OnceLock::new() }
    }

    /// One that another process of this machine serves.
    pub fn elsewhere(address: SocketAddr) -> Self {
        Self { router: None, port: OnceLock::from(Port { address, server: None }) }
    }

    /// The application itself.
    pub fn router(&self) -> Router {
        self.router.as_ref().expect("an application in this process").0.clone()
    }

    /// For clients in this process.
    pub fn here(&self) -> &TestApp {
        &self.router.as_ref().expect("an application in this process").1
    }

    pub fn address(&self) -> SocketAddr {
        self.port.get_or_init(|| self.serve()).address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    fn serve(&self) -> Port {
        let (router, _) = self.router.clone().expect("an application in this process");
        let listener = StdListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let address = listener.local_addr().expect("the port's number");
        let listener = TcpListener::from_std(listener).expect("a listener for tokio");
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("a server that serves") });
        Port { address, server: Some(server) }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(Port { server: Some(server), .. }) = self.port.get() {
            server.abort();
        }
    }
}

/// The layer as an application on plain http has it.
pub fn sessions(backend: impl Backend) -> SessionLayer {
    SessionLayer::new(backend).with_secure(false)
}

/// These routes, and sockets in these namespaces inside of them; handlers of both find the `state`.
pub fn with_sockets<S>(routes: Router<S>, state: S, namespaces: impl FnOnce(&SocketIo)) -> Router
where
    S: Clone + Send + Sync + 'static,
{
    let (sockets, io) = SocketIo::builder().with_state(state.clone()).build_layer();
    namespaces(&io);
    routes.with_state(state).layer(sockets)
}
