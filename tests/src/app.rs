//! An application on a free port of this machine.

use std::net::SocketAddr;

use axum::Router;
use socketioxide_session::{Backend, SessionLayer};
use tokio::{net::TcpListener, task::JoinHandle};

/// A running server; it accepts no one any more when this is dropped.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    /// `None`: it runs elsewhere.
    server: Option<JoinHandle<()>>,
}

impl App {
    /// One that another process of this machine serves.
    pub fn elsewhere(address: SocketAddr) -> Self {
        Self { address, server: None }
    }

    pub async fn serve(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the port's number");
        let server =
            tokio::spawn(async move { axum::serve(listener, router).await.expect("a server that serves") });
        Self { address, server: Some(server) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

/// The layer as an application on plain http has it.
pub fn sessions(backend: impl Backend) -> SessionLayer {
    SessionLayer::new(backend).with_secure(false)
}
