//! Calls to PostgreSQL: each one statement on a connection of the application's pool, with a time-out, tried again where
//! that is safe.

use std::{error::Error as StdError, time::Duration};

use sqlx::{
    Connection as _, Error, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, timeout_at},
};

use super::{
    errors::{Tried, advise, explain, is_lost, may_pass},
    schema::{self, Schema, Settings},
};
use crate::backend::BackendError;

/// The pause before a call is tried again: after a deadlock it may go well at once, and a server that begins takes longer.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

const NO_ANSWER: &str = "PostgreSQL did not answer in time";
const NO_CONNECTION: &str = "no connection to PostgreSQL could be had in time: it cannot be reached, or all connections of the \
                             pool are in use";

/// The pool, and what every call goes by.
pub(super) struct Link {
    pub(super) pool: PgPool,
    pub(super) schema: Schema,
    timeout: Duration,
    /// Between this process and the server is one that gives each transaction another connection: a statement is prepared
    /// in the transaction that it runs in.
    is_pooled: bool,
    /// The tables were found to be those of this version, on connections with these settings.
    checked: OnceCell<Settings>,
}

/// What became of a call that has no answer.
pub(super) enum Failure {
    /// Nothing was done.
    Failed(BackendError),
    /// It was sent, and may have been carried out.
    Unanswered(Box<dyn StdError + Send + Sync>),
}

impl Failure {
    /// For calls of which it does not matter.
    pub(super) fn failed(self) -> BackendError {
        match self {
            Self::Failed(error) => error,
            Self::Unanswered(source) => BackendError::Failed(source),
        }
    }

    /// For commits.
    pub(super) fn of_commit(self) -> BackendError {
        match self {
            Self::Failed(error) => error,
            Self::Unanswered(source) => BackendError::OutcomeUnknown(source),
        }
    }
}

/// A statement with its arguments, made anew for each try.
pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

impl Link {
    pub(super) fn new(pool: PgPool, schema: Schema, timeout: Duration, is_pooled: bool) -> Self {
        Self { pool, schema, timeout, is_pooled, checked: OnceCell::new() }
    }

    /// The first row of a statement that may be carried out twice.
    pub(super) async fn ask<'q>(
        &self,
        query: impl Fn() -> Query<'q> + Send + Sync,
    ) -> Result<Option<PgRow>, BackendError> {
        let mut rows = self.call(|_| query(), || {}).await.map_err(Failure::failed)?;
        Ok(if rows.is_empty() { None } else { Some(rows.swap_remove(0)) })
    }

    /// All rows of a statement that may be carried out twice.
    pub(super) async fn ask_all<'q>(
        &self,
        query: impl Fn() -> Query<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, BackendError> {
        self.call(|_| query(), || {}).await.map_err(Failure::failed)
    }

    /// `query` is told how long ago it was sent first, if it was; `sending` is called before it is.
    pub(super) async fn call<'q>(
        &self,
        query: impl Fn(Option<Duration>) -> Query<'q> + Send + Sync,
        sending: impl Fn() + Send + Sync,
    ) -> Result<Vec<PgRow>, Failure> {
        let deadline = Instant::now() + self.timeout;
        let (mut first_sent, mut last, mut pause) = (None::<Instant>, None::<Error>, FIRST_PAUSE);
        loop {
            // It was not sent before: what came to other commits since then tells whether it can have been forgotten.
            let begun = Instant::now();
            let query = || {
                sending();
                query(first_sent.map(|sent| sent.elapsed()))
            };
            let error = match self.try_once(query, last.is_none(), deadline).await {
                Ok(rows) => return Ok(rows),
                Err(Tried::Refused(error)) => return Err(Failure::Failed(error)),
                Err(Tried::Before(error)) => error,
                Err(Tried::Sent(error)) => {
                    if is_lost(&error) {
                        first_sent.get_or_insert(begun);
                    }
                    error
                }
                Err(Tried::TooLate { is_sent }) => {
                    let advice = if is_sent { NO_ANSWER } else { NO_CONNECTION };
                    let reason = last.map_or_else(|| advice.into(), |error| advise(advice, error));
                    return Err(given_up(is_sent || first_sent.is_some(), reason));
                }
            };
            if !may_pass(&error) || Instant::now() + pause >= deadline {
                return Err(given_up(first_sent.is_some(), explain(error)));
            }
            last = Some(error);
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One try. `first`: a connection is taken as it lies in the pool; that it is dead shows soon enough.
    async fn try_once<'q>(
        &self,
        query: impl FnOnce() -> Query<'q> + Send,
        first: bool,
        deadline: Instant,
    ) -> Result<Vec<PgRow>, Tried> {
        let at_once = if first { self.pool.try_acquire() } else { None };
        let connection = match at_once {
            Some(connection) => connection,
            None => match timeout_at(deadline, self.pool.acquire()).await {
                Ok(connection) => connection.map_err(Tried::Before)?,
                Err(_) => return Err(Tried::TooLate { is_sent: false }),
            },
        };
        let mut taken = Taken(None);
        let connection = taken.0.insert(connection);
        let mut is_sent = false;
        let answered = timeout_at(deadline, async {
            let settings = match self.checked.get() {
                Some(settings) => *settings,
                None => schema::check(connection, &self.schema).await?,
            };
            self.checked.set(settings).ok();
            is_sent = true;
            self.run(connection, query(), settings).await.map_err(Tried::Sent)
        });
        match answered.await {
            Ok(answered) => {
                taken.0.take();
                answered
            }
            Err(_) => Err(Tried::TooLate { is_sent }),
        }
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        query: Query<'_>,
        settings: Settings,
    ) -> Result<Vec<PgRow>, Error> {
        if !self.is_pooled && settings.is_read_committed {
            return query.fetch_all(connection).await;
        }
        // Who had to wait for a session sees what was committed to it meanwhile.
        let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let rows = query.persistent(!self.is_pooled).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

/// A connection of the pool, on which an answer is awaited until it is taken out. Else the pool would wait for that answer,
/// for as long as the network takes to notice that none comes: so it is closed, also where the call was cancelled.
struct Taken(Option<PoolConnection<Postgres>>);

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

fn given_up(may_be_done: bool, reason: Box<dyn StdError + Send + Sync>) -> Failure {
    if may_be_done { Failure::Unanswered(reason) } else { Failure::Failed(BackendError::Failed(reason)) }
}
