//! A connection to Redis that fails on purpose.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Duration, sleep},
};

/// Stands between a node and Redis.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    faults: Arc<Faults>,
}

struct Faults {
    /// So many answers are swallowed, and their connection closed instead.
    swallow: AtomicU32,
    /// So many are let through before.
    spare: AtomicU32,
    /// Nobody gets through, and who is through is cut off.
    closed: watch::Sender<bool>,
    /// Nothing passes, and no connection is closed.
    silent: AtomicBool,
    /// Milliseconds by which everything is late.
    delay: AtomicU32,
}

impl Proxy {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("redis://{}/", listener.local_addr().unwrap());
        let (swallow, spare, silent, delay) = Default::default();
        let faults = Arc::new(Faults { swallow, spare, closed: watch::Sender::new(false), silent, delay });
        let proxy = Self { url, faults: Arc::clone(&faults) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !*faults.closed.borrow()
                    && let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await
                {
                    tokio::spawn(pass(client, server, Arc::clone(&faults)));
                }
            }
        });
        proxy
    }

    pub(crate) fn swallow_answers(&self, count: u32) {
        self.faults.swallow.store(count, Ordering::SeqCst);
    }

    /// As `swallow_answers`, after so many that are let through.
    pub(crate) fn swallow_answers_after(&self, spared: u32, count: u32) {
        self.faults.spare.store(spared, Ordering::SeqCst);
        self.swallow_answers(count);
    }

    pub(crate) fn all_swallowed(&self) -> bool {
        self.faults.swallow.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn close(&self, closed: bool) {
        self.faults.closed.send_replace(closed);
    }

    pub(crate) fn silence(&self, silent: bool) {
        self.faults.silent.store(silent, Ordering::SeqCst);
    }

    pub(crate) fn delay(&self, milliseconds: u32) {
        self.faults.delay.store(milliseconds, Ordering::SeqCst);
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, faults: Arc<Faults>) {
    let mut closed = faults.closed.subscribe();
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            () = until_closed(&mut closed) => return,
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                faults.hold_up().await;
                if server.write_all(&up[..count]).await.is_err() { return }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                // The greeting of a connection is no answer to a call.
                let is_answer = !is_greeting(&down[..count]);
                if is_answer && !takes_one(&faults.spare) && takes_one(&faults.swallow) {
                    return;
                }
                faults.hold_up().await;
                if client.write_all(&down[..count]).await.is_err() { return }
            }
        }
    }
}

fn takes_one(count: &AtomicU32) -> bool {
    let one_less = |left: u32| left.checked_sub(1);
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
}

async fn until_closed(closed: &mut watch::Receiver<bool>) {
    closed.wait_for(|closed| *closed).await.ok();
}

/// Answers to `CLIENT SETINFO`, with which a connection begins, and what a subscription hears.
fn is_greeting(mut bytes: &[u8]) -> bool {
    while let Some(rest) = bytes.strip_prefix(b"+OK\r\n") {
        bytes = rest;
    }
    bytes.is_empty()
        || bytes.starts_with(b"-ERR unknown")
        || bytes.starts_with(b"*3\r\n$9\r\nsubscribe")
        || bytes.starts_with(b"*3\r\n$7\r\nmessage")
}

impl Faults {
    async fn hold_up(&self) {
        sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst).into())).await;
        while self.silent.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}
