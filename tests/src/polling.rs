//! A socket that polls inside the application's own task: no network, so that a paused clock goes on exactly when
//! everybody waits for it.

use std::{collections::VecDeque, time::Duration};

use axum::{Router, http::Method};
use serde_json::Value;

use crate::{http::Answer, inside::request, raw::event_frame};

const ENGINE: &str = "/socket.io/?EIO=4&transport=polling";

/// A GET.
pub async fn get(router: &Router, path: &str, cookie: Option<&str>) -> Answer {
    request(router, Method::GET, path, cookie, "").await
}

/// A handshake and nothing more.
pub async fn handshake(router: &Router, cookie: Option<&str>) -> Answer {
    get(router, ENGINE, cookie).await
}

/// A client that polls, and answers heartbeats while somebody reads from it.
pub struct Polling {
    router: Router,
    pub cookie: String,
    sid: String,
    kept: VecDeque<String>,
    next_ack: u64,
}

impl Polling {
    /// In the namespace `/`, with this cookie or with the one that it is given.
    pub async fn connect(router: &Router, cookie: Option<&str>) -> Self {
        let answer = handshake(router, cookie).await;
        let cookie = cookie.map_or_else(|| answer.new_cookie(), str::to_owned);
        let body = answer.ok();
        let opening: Value = serde_json::from_str(&body[1..]).expect("the opening's JSON");
        let sid = opening["sid"].as_str().expect("a sid").to_owned();
        let router = router.clone();
        let mut client = Self { router, cookie, sid, kept: VecDeque::new(), next_ack: 0 };
        client.send("40").await;
        let answer = client.next().await;
        assert!(answer.as_deref().is_some_and(|packet| packet.starts_with("40")), "{answer:?}");
        client
    }

    async fn request(&self, method: Method, body: &str) -> Answer {
        let path = format!("{ENGINE}&sid={}", self.sid);
        request(&self.router, method, &path, Some(&self.cookie), body).await
    }

    /// Sends a packet; whether the connection is still there is found out by reading.
    pub async fn send(&self, packet: &str) {
        self.request(Method::POST, packet).await;
    }

    /// The next packet that is no heartbeat; `None` once the connection or the namespace is over.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            while let Some(packet) = self.kept.pop_front() {
                match &*packet {
                    "2" => self.send("3").await,
                    "6" => {}
                    "1" | "41" => return None,
                    _ => return Some(packet),
                }
            }
            let answer = self.request(Method::GET, "").await;
            if answer.status != 200 {
                return None;
            }
            self.kept.extend(answer.body.split('\x1e').map(str::to_owned));
        }
    }

    /// Listens and answers heartbeats for so long; `false` if the server ended it meanwhile.
    pub async fn listen(&mut self, time: Duration) -> bool {
        let listening = async { while self.next().await.is_some() {} };
        tokio::time::timeout(time, listening).await.is_err()
    }

    /// Emits, and gives the acknowledgement; `None` once it is over.
    pub async fn ask(&mut self, event: &str, values: &[Value]) -> Option<Value> {
        let id = self.next_ack;
        self.next_ack += 1;
        self.send(&event_frame("/", Some(id), event, values)).await;
        loop {
            let packet = self.next().await?;
            if let Some(values) = packet.strip_prefix(&format!("43{id}")) {
                let mut values: Vec<Value> = serde_json::from_str(values).expect("an acknowledgement's JSON");
                return Some(values.pop().unwrap_or_default());
            }
        }
    }
}
