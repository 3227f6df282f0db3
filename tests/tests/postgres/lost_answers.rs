//! A commit whose answer is lost is sent again, and carried out once.
//!
//! Clauses: 6, 14.

use std::{
    env, fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use socketioxide_session::{
    PostgresBackend,
    backend::{Action, Backend, BackendError, Commit, Lease, SessionId},
};
use socketioxide_session_tests::{
    postgres_server,
    records::{SECOND, begin, fields, set, take, update, value},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;

/// Stands between a node and PostgreSQL, and swallows what it is told to.
struct Proxy {
    directory: PathBuf,
    /// So many answers to commits are swallowed, and their connection closed instead.
    swallow: Arc<AtomicU32>,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Proxy {
    async fn begin() -> Self {
        let server = postgres_server::directory().await.join(SOCKET);
        let name = format!("postgres-of-test-{:x}", SessionId::random().expose().0);
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let listener = UnixListener::bind(directory.join(SOCKET)).unwrap();
        let swallow = Arc::new(AtomicU32::new(0));
        let proxy = Self { directory, swallow: Arc::clone(&swallow) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&swallow)));
            }
        });
        proxy
    }

    /// A node whose calls go through it, and take so long at most. What it hears of others does not.
    async fn node(&self, timeout: Duration) -> PostgresBackend {
        let pool = PgPoolOptions::new().max_connections(2);
        let pool = pool.connect_with(postgres_server::options(&self.directory)).await.unwrap();
        let direct = postgres_server::options(postgres_server::directory().await);
        let builder = PostgresBackend::builder(pool).with_lease(SECOND * 60).with_listener(direct);
        let backend = builder.with_timeout(timeout).build().unwrap();
        backend.migrate().await.unwrap();
        backend
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

async fn pass(mut client: UnixStream, mut server: UnixStream, swallow: Arc<AtomicU32>) -> io::Result<()> {
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                count => server.write_all(&up[..count]).await?,
            },
            read = server.read(&mut down) => {
                let count = read?;
                let says_done = down[..count].windows(4).any(|bytes| bytes == b"done");
                let one_less = |left: u32| left.checked_sub(1);
                if count == 0
                    || says_done && swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
                {
                    return Ok(());
                }
                client.write_all(&down[..count]).await?;
            }
        }
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_carried_out_once() {
    let proxy = Proxy::begin().await;
    let node = proxy.node(SECOND * 60).await;
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    for n in 1..=5 {
        let held = take(&node, id, &["a"], SECOND * 30).await.unwrap().unwrap();
        assert_eq!(held.value("a").unwrap().json(), &json!({"n": n - 1}));
        proxy.swallow.store(n % 3, Ordering::SeqCst);
        node.commit(update(id, held.lease, vec![fields("a", [("n", Some(json!(n)))])])).await.unwrap();
        assert_eq!(proxy.swallow.load(Ordering::SeqCst), 0);
    }
    assert_eq!(value(&node, id, "a").await, Some(json!({"n": 5})));
}

#[tokio::test]
async fn a_session_begins_changes_its_id_and_ends_once_though_answers_are_lost() {
    let proxy = Proxy::begin().await;
    let node = proxy.node(SECOND * 60).await;
    proxy.swallow.store(1, Ordering::SeqCst);
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    let new = SessionId::random();
    for commit in [Commit::new(id, Action::ChangeId(new)), Commit::new(new, Action::End)] {
        proxy.swallow.store(1, Ordering::SeqCst);
        node.commit(commit).await.unwrap();
        assert_eq!(proxy.swallow.load(Ordering::SeqCst), 0);
    }
    let again = node.commit(Commit::new(new, Action::End)).await;
    assert!(matches!(again, Err(BackendError::Gone)), "{again:?}");
}

#[tokio::test]
async fn where_no_answer_comes_it_is_not_known_whether_it_was_saved() {
    let proxy = Proxy::begin().await;
    let node = proxy.node(SECOND * 3).await;
    let id = begin(&node, vec![set("a", json!({"n": 0}))]).await;
    proxy.swallow.store(u32::MAX, Ordering::SeqCst);
    let unknown = node.commit(update(id, Lease::default(), vec![set("a", json!({"n": 1}))])).await;
    assert!(matches!(unknown, Err(BackendError::OutcomeUnknown(_))), "{unknown:?}");
    proxy.swallow.store(0, Ordering::SeqCst);
    assert_eq!(value(&node, id, "a").await, Some(json!({"n": 1})));
}
