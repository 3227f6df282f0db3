//! `python-socketio`, a client of another language, in a process that this side tells what to do.

use std::process::Command;

use serde_json::{Value, json};

use crate::{app::App, helper::Helper, node::Transport};

/// A process of Python's clients.
#[derive(Debug)]
pub struct PythonClients(Helper);

impl PythonClients {
    pub fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
        let python = format!("{folder}/.venv/bin/python");
        assert!(std::path::Path::new(&python).exists(), "tests/run installs what is missing: {python}");
        Self(Helper::start(Command::new(python).arg("client.py").current_dir(folder)))
    }

    /// One GET by `requests`: `{status, headers, body}`.
    pub async fn get(&self, app: &App, path: &str, headers: Value) -> Value {
        self.0.done("get", json!({ "url": app.url(path), "headers": headers })).await
    }

    /// Connects the socket of that name to the namespace `/`; `Err` is what was wrong.
    pub async fn connect(
        &self,
        app: &App,
        socket: &str,
        transport: Transport,
        headers: Value,
    ) -> Result<(), String> {
        let options = json!({
            "socket": socket,
            "url": app.url(""),
            "transports": transport.names(),
            "headers": headers,
        });
        match self.0.done("connect", options).await {
            Value::Null => Ok(()),
            error => Err(error.as_str().expect("a text").to_owned()),
        }
    }

    /// Emits and gives the one value of the acknowledgement.
    pub async fn ask(&self, socket: &str, event: &str) -> Value {
        self.0.done("ask", json!({ "socket": socket, "event": event })).await
    }

    /// Which transport a socket uses by now.
    pub async fn transport(&self, socket: &str) -> Value {
        self.0.done("transport", json!({ "socket": socket })).await
    }

    /// Waits until the socket is disconnected.
    pub async fn ended(&self, socket: &str) {
        self.0.done("ended", json!({ "socket": socket })).await;
    }
}
