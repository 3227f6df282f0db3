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
    errors::{Tried, explain, is_lost, may_pass},
    schema::{self, Schema},
};
use crate::backend::BackendError;

/// The pause before a call is tried again.
const PAUSE: Duration = Duration::from_millis(25);

/// The pool, and what every call goes by.
pub(super) struct Link {
    pub(super) pool: PgPool,
    pub(super) schema: Schema,
    timeout: Duration,
    /// Between this process and the server is one that gives each transaction another connection: a statement is prepared
    /// in the transaction that it runs in.
    is_pooled: bool,
    /// The tables were found to be those of this version.
    checked: OnceCell<()>,
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
        let mut first_sent: Option<Instant> = None;
        let mut last: Option<Error> = None;
        loop {
            let mut is_sent = false;
            let tried = timeout_at(deadline, async {
                let mut connection = self.connection().await?;
                if self.checked.get().is_none() {
                    schema::check(&mut connection, &self.schema).await?;
                    self.checked.set(()).ok();
                }
                sending();
                is_sent = true;
                self.run(&mut connection, query(first_sent.map(|sent| sent.elapsed())))
                    .await
                    .map_err(Tried::Sent)
            })
            .await;
            let error = match tried {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(Tried::Refused(error))) => return Err(Failure::Failed(error)),
                Ok(Err(Tried::Before(error))) => error,
                Ok(Err(Tried::Sent(error))) => {
                    if is_lost(&error) {
                        first_sent.get_or_insert_with(Instant::now);
                    }
                    error
                }
                Err(_) => {
                    if is_sent {
                        first_sent.get_or_insert_with(Instant::now);
                    }
                    return Err(given_up(first_sent.is_some(), reason(last)));
                }
            };
            if !may_pass(&error) || Instant::now() + PAUSE >= deadline {
                return Err(given_up(first_sent.is_some(), reason(Some(error))));
            }
            last = Some(error);
            sleep(PAUSE).await;
        }
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, Tried> {
        self.pool.acquire().await.map_err(Tried::Before)
    }

    async fn run(&self, connection: &mut PgConnection, query: Query<'_>) -> Result<Vec<PgRow>, Error> {
        if !self.is_pooled {
            return query.fetch_all(connection).await;
        }
        let mut transaction = connection.begin().await?;
        let rows = query.persistent(false).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

/// In words that say what to do.
fn reason(error: Option<Error>) -> Box<dyn StdError + Send + Sync> {
    error.map_or_else(|| "PostgreSQL did not answer in time".into(), explain)
}

fn given_up(may_be_done: bool, reason: Box<dyn StdError + Send + Sync>) -> Failure {
    if may_be_done { Failure::Unanswered(reason) } else { Failure::Failed(BackendError::Failed(reason)) }
}
