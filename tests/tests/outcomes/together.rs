//! The answers to events that came together leave together: in few writes to the connection, and not in one for each.
//!
//! Clauses: 6.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread,
};

use axum::{Router, serve::Listener};
use socketioxide::SocketIo;
use socketioxide_session::{EventRouter, MemoryBackend, socket_handler};
use socketioxide_session_tests::{
    app::{App, sessions},
    fixture::shop::Counter,
    raw::{RawSocket, event_frame},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};

const EVENTS: usize = 16;

/// One of the answer to the last event, which tokio's worker runs first, one of all others, and two to spare.
const MOST_WRITES: usize = 4;

/// Counts the writes to all of its connections.
struct Counting(TcpListener, Arc<AtomicUsize>);

struct Counted(TcpStream, Arc<AtomicUsize>);

impl Listener for Counting {
    type Io = Counted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Counted, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Counted(stream, Arc::clone(&self.1)), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.0).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[socket_handler(counter)]
async fn read(counter: &Counter) -> u64 {
    counter.count
}

#[socket_handler(counter)]
async fn add(counter: &mut Counter) -> u64 {
    counter.count += 1;
    counter.count
}

/// Served by one worker of tokio's, which then decides alone who runs next.
fn served() -> (App, Arc<AtomicUsize>) {
    let writes = Arc::new(AtomicUsize::new(0));
    let (counter, (tells, told)) = (Arc::clone(&writes), mpsc::channel());
    thread::spawn(move || {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let server = runtime.spawn(async move {
            let (sockets, io) = SocketIo::new_layer();
            io.ns("/", EventRouter::new().on("read", read).on("add", add));
            let router = Router::new().layer(sockets).layer(sessions(MemoryBackend::default()));
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            tells.send(listener.local_addr().expect("an address")).expect("who asked");
            axum::serve(Counting(listener, counter), router).await
        });
        runtime.block_on(server).expect("a server that does not panic").ok();
    });
    (App::elsewhere(told.recv().expect("an address")), writes)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_events_that_came_together_leave_together() {
    let (app, writes) = served();
    let mut socket = RawSocket::connect(&app, None).await;
    // The first write of a session that a handshake began may wait for something.
    for event in ["add", "read", "add"] {
        let before = writes.load(Ordering::SeqCst);
        let frames: Vec<_> = (0..EVENTS as u64).map(|n| event_frame("/", Some(n), event, &[])).collect();
        socket.send(&frames).await;
        let answered = socket.next_answers(EVENTS).await;
        let writes = writes.load(Ordering::SeqCst) - before;
        assert!(writes <= MOST_WRITES, "{EVENTS} answers to `{event}` in {writes} writes: {answered:?}");
    }
}
