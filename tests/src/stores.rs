//! A store that can be slow, held up, or broken, and that shows what is in it; a backend that loses answers.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use socketioxide_session::{
    Backend, MemoryBackend,
    backend::{Answer, BackendError, Commit, Load, Loaded, Registry, SessionId},
};
use time::OffsetDateTime;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
    session_store::{Error, Result},
};

use crate::gate::Gate;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Load,
    /// `load`, when it has read.
    HasLoaded,
    /// `create` and `save`.
    Write,
    Delete,
}

/// What a step does before it does what it should.
#[derive(Clone, Debug)]
enum Trouble {
    Slow(Duration),
    Held(Gate),
    Broken,
    BrokenOnce,
    Forgetful,
    ForgetfulOnce,
}

/// What becomes of a step's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    All,
    /// The step was carried out, and says that it failed.
    AFailure,
}

impl Said {
    fn or_failure(self) -> Result<()> {
        match self {
            Self::All => Ok(()),
            Self::AFailure => Err(Error::Backend("the answer is lost, as the test wants".to_owned())),
        }
    }
}

/// Clones share their records. As many stores do, it brings a deleted session back when someone saves it.
#[derive(Clone, Debug, Default)]
pub struct TestStore {
    records: Arc<Mutex<HashMap<Id, Record>>>,
    troubles: Arc<Mutex<HashMap<Step, Trouble>>>,
    writes: Arc<Mutex<u64>>,
    loads: Arc<Mutex<u64>>,
    late: Arc<Mutex<Option<Duration>>>,
}

impl TestStore {
    /// This step takes so long from now on.
    pub fn slow(&self, step: Step, delay: Duration) {
        self.trouble(step, Trouble::Slow(delay));
    }

    /// This step stops at the gate from now on.
    pub fn hold(&self, step: Step) -> Gate {
        let gate = Gate::default();
        self.trouble(step, Trouble::Held(gate.clone()));
        gate
    }

    /// This step fails from now on.
    pub fn break_down(&self, step: Step) {
        self.trouble(step, Trouble::Broken);
    }

    /// This step fails the next time.
    pub fn fail_once(&self, step: Step) {
        self.trouble(step, Trouble::BrokenOnce);
    }

    /// This step is carried out from now on, and then says that it failed.
    pub fn lose_answers(&self, step: Step) {
        self.trouble(step, Trouble::Forgetful);
    }

    /// The same the next time.
    pub fn lose_answer_once(&self, step: Step) {
        self.trouble(step, Trouble::ForgetfulOnce);
    }

    /// The next `save` is carried out so late: whether or not anybody still waits for it, as a server does.
    pub fn save_late_once(&self, delay: Duration) {
        *lock(&self.late) = Some(delay);
    }

    /// Every step works again.
    pub fn recover(&self) {
        lock(&self.troubles).clear();
    }

    fn trouble(&self, step: Step, trouble: Trouble) {
        lock(&self.troubles).insert(step, trouble);
    }

    async fn suffer(&self, step: Step) -> Result<Said> {
        let trouble = lock(&self.troubles).get(&step).cloned();
        match trouble {
            None => Ok(Said::All),
            Some(Trouble::Slow(delay)) => {
                tokio::time::sleep(delay).await;
                Ok(Said::All)
            }
            Some(Trouble::Held(gate)) => {
                gate.pass().await;
                Ok(Said::All)
            }
            Some(Trouble::Forgetful) => Ok(Said::AFailure),
            Some(Trouble::ForgetfulOnce) => {
                lock(&self.troubles).remove(&step);
                Ok(Said::AFailure)
            }
            Some(Trouble::BrokenOnce) => {
                lock(&self.troubles).remove(&step);
                Err(Error::Backend(format!("{step:?} is broken this once, as the test wants")))
            }
            Some(Trouble::Broken) => Err(Error::Backend(format!("{step:?} is broken, as the test wants"))),
        }
    }

    fn keep(&self, record: Record) {
        lock(&self.records).insert(record.id, record);
        *lock(&self.writes) += 1;
    }

    /// How many sessions are stored.
    pub fn len(&self) -> usize {
        lock(&self.records).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of all sessions, as cookies carry them.
    pub fn ids(&self) -> Vec<String> {
        lock(&self.records).keys().map(Id::to_string).collect()
    }

    /// How many times `create` or `save` was carried out.
    pub fn writes(&self) -> u64 {
        *lock(&self.writes)
    }

    /// How many times `load` was asked for.
    pub fn loads(&self) -> u64 {
        *lock(&self.loads)
    }

    /// What is stored under this key in the session of this cookie, `null` where nothing is.
    pub fn stored(&self, cookie: &str, key: &str) -> Value {
        let records = lock(&self.records);
        records.get(&id(cookie)).and_then(|record| record.data.get(key)).cloned().unwrap_or_default()
    }

    /// All that is stored in the session of this cookie, if it is stored.
    pub fn record(&self, cookie: &str) -> Option<HashMap<String, Value>> {
        lock(&self.records).get(&id(cookie)).map(|record| record.data.clone())
    }

    /// Whether the session of this cookie is stored.
    pub fn has(&self, cookie: &str) -> bool {
        lock(&self.records).contains_key(&id(cookie))
    }

    /// Puts a value into the session of this cookie behind everyone's back.
    pub fn put(&self, cookie: &str, key: &str, value: Value) {
        let mut records = lock(&self.records);
        records.get_mut(&id(cookie)).expect("a stored session").data.insert(key.to_owned(), value);
    }

    /// How long the session of this cookie has to live.
    pub fn lives(&self, cookie: &str) -> time::Duration {
        let records = lock(&self.records);
        records.get(&id(cookie)).expect("a stored session").expiry_date - OffsetDateTime::now_utc()
    }

    /// Makes the session of this cookie one that has expired.
    pub fn expire(&self, cookie: &str) {
        self.expire_in(cookie, time::Duration::minutes(-1));
    }

    /// Gives the session of this cookie so long to live.
    pub fn expire_in(&self, cookie: &str, life: time::Duration) {
        let mut records = lock(&self.records);
        let record = records.get_mut(&id(cookie)).expect("a stored session");
        record.expiry_date = OffsetDateTime::now_utc() + life;
    }
}

/// The session id in a cookie `name=value`.
pub fn id(cookie: &str) -> Id {
    let (_, value) = cookie.split_once('=').expect("a cookie's name and value");
    value.parse().unwrap_or_else(|error| panic!("{error:?}: no session id in {cookie}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with a store in its hands")
}

#[async_trait]
impl SessionStore for TestStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        let said = self.suffer(Step::Write).await?;
        {
            let records = lock(&self.records);
            while records.contains_key(&record.id) {
                record.id = Id::default();
            }
        }
        self.keep(record.clone());
        said.or_failure()
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let late = lock(&self.late).take();
        if let Some(delay) = late {
            let (store, record) = (self.clone(), record.clone());
            let server = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                store.keep(record);
            });
            server.await.expect("no test panics with a store in its hands");
            return Ok(());
        }
        let said = self.suffer(Step::Write).await?;
        self.keep(record.clone());
        said.or_failure()
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        *lock(&self.loads) += 1;
        self.suffer(Step::Load).await?.or_failure()?;
        let found = lock(&self.records).get(id).cloned();
        self.suffer(Step::HasLoaded).await?.or_failure()?;
        Ok(found.filter(|record| record.expiry_date > OffsetDateTime::now_utc()))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let said = self.suffer(Step::Delete).await?;
        lock(&self.records).remove(id);
        said.or_failure()
    }
}

/// A backend that carries commits out and can lose the answers.
#[derive(Clone, Debug, Default)]
pub struct ForgetfulBackend {
    inner: MemoryBackend,
    loses: Arc<AtomicBool>,
}

impl ForgetfulBackend {
    pub fn lose_answers(&self, loses: bool) {
        self.loses.store(loses, Ordering::SeqCst);
    }
}

impl Backend for ForgetfulBackend {
    fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    fn load(&self, id: SessionId, load: Load) -> Answer<std::result::Result<Option<Loaded>, BackendError>> {
        self.inner.load(id, load)
    }

    fn commit(&self, commit: Commit) -> Answer<std::result::Result<(), BackendError>> {
        let Self { inner, loses } = self.clone();
        Answer::pending(async move {
            inner.commit(commit).await?;
            if loses.load(Ordering::SeqCst) {
                return Err(BackendError::OutcomeUnknown("the answer is lost, as the test wants".into()));
            }
            Ok(())
        })
    }
}
