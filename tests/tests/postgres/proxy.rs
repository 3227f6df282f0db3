//! A connection to PostgreSQL that fails on purpose.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use socketioxide_session::backend::SessionId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::{Notify, watch},
};

const SOCKET: &str = ".s.PGSQL.5432";

/// Stands between a node and PostgreSQL, and swallows what it is told to.
pub(crate) struct Proxy {
    /// Where its socket is.
    pub(crate) directory: PathBuf,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// So many answers to commits are swallowed, and their connection closed instead.
    commits: AtomicU32,
    /// The same of any call.
    answers: AtomicU32,
    /// So many commits do not get through, where they are the first on their connection: it is closed instead.
    requests: AtomicU32,
    /// So many answers to calls are kept back until it is noticed that they are lost.
    late: AtomicU32,
    noticed: Notify,
    way: watch::Sender<Way>,
}

/// What passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Way {
    #[default]
    Open,
    /// Nobody gets through, and who is through is cut off.
    Closed,
    /// Nothing passes, and no connection is closed.
    Silent,
    /// New connections are open; those that were silent are so for ever.
    OpenForNewOnes,
}

impl Proxy {
    /// In front of the server whose socket is in that directory.
    pub(crate) fn before(server: &Path) -> Self {
        let server = server.join(SOCKET);
        let name = format!("postgres-of-test-{:x}", SessionId::random().expose().0);
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(SOCKET)).unwrap();
        let faults = Arc::new(Faults::default());
        let proxy = Self { directory, faults: Arc::clone(&faults) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *faults.way.borrow() != Way::Closed
                    && let Ok(server) = UnixStream::connect(&server).await
                {
                    tokio::spawn(pass(client, server, Arc::clone(&faults)));
                }
            }
        });
        proxy
    }

    pub(crate) fn swallow_commits(&self, count: u32) {
        self.faults.commits.store(count, Ordering::SeqCst);
    }

    pub(crate) fn swallow_requests(&self, count: u32) {
        self.faults.requests.store(count, Ordering::SeqCst);
    }

    pub(crate) fn all_swallowed(&self) -> bool {
        self.faults.commits.load(Ordering::SeqCst) + self.faults.requests.load(Ordering::SeqCst) == 0
    }

    pub(crate) fn swallow_an_answer(&self) {
        self.faults.answers.store(1, Ordering::SeqCst);
    }

    /// The answer to the next commit, or that grants the next turn, does not come, and its connection stays open.
    pub(crate) fn keep_back_an_answer(&self) {
        self.faults.late.store(1, Ordering::SeqCst);
    }

    /// The connection of the answer that was kept back is closed.
    pub(crate) fn lose_what_was_kept_back(&self) {
        self.faults.noticed.notify_one();
    }

    pub(crate) fn go(&self, way: Way) {
        self.faults.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

fn takes_one(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn says(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|bytes| bytes == word)
}

impl Faults {
    fn swallow(&self, answer: &[u8]) -> bool {
        let says = |word| says(answer, word);
        let is_commit = says(b"done");
        is_commit && takes_one(&self.commits)
            || (is_commit || says(b"granted") || says(b"wait")) && takes_one(&self.answers)
    }

    fn keeps_back(&self, answer: &[u8]) -> bool {
        (says(answer, b"done") || says(answer, b"granted")) && takes_one(&self.late)
    }

    async fn hold_up(&self) {
        if *self.way.borrow() == Way::Silent {
            self.way.subscribe().wait_for(|way| matches!(way, Way::Open | Way::Closed)).await.ok();
        }
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, faults: Arc<Faults>) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut way = faults.way.subscribe();
    loop {
        tokio::select! {
            () = until_closed(&mut way) => return Ok(()),
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                // It says what it is when it is prepared.
                count if says(&up[..count], b".commit(") && takes_one(&faults.requests) => return Ok(()),
                count => {
                    faults.hold_up().await;
                    server.write_all(&up[..count]).await?;
                }
            },
            read = server.read(&mut down) => {
                let count = read?;
                if faults.keeps_back(&down[..count]) {
                    faults.noticed.notified().await;
                    return Ok(());
                }
                if count == 0 || faults.swallow(&down[..count]) {
                    return Ok(());
                }
                faults.hold_up().await;
                client.write_all(&down[..count]).await?;
            }
        }
    }
}

async fn until_closed(way: &mut watch::Receiver<Way>) {
    way.wait_for(|way| *way == Way::Closed).await.ok();
}
