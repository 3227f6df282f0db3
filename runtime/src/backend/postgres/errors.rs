//! What goes wrong, whether it may pass, and what to do about it.

use std::{borrow::Cow, error::Error as StdError};

use sqlx::Error;

use crate::backend::BackendError;

/// What became of one try.
pub(super) enum Tried {
    /// It was not sent.
    Before(Error),
    /// It was sent.
    Sent(Error),
    /// There was no answer in time.
    TooLate { is_sent: bool },
    /// It is of no use to try again.
    Refused(BackendError),
}

fn code_of(error: &Error) -> Option<String> {
    error.as_database_error()?.code().map(Cow::into_owned)
}

/// Whether a statement that was sent may have been carried out all the same.
pub(super) fn is_lost(error: &Error) -> bool {
    match code_of(error).as_deref() {
        // The server ends the connection; where it says so in place of an answer, the commit may be in.
        Some(code) => code.starts_with("08") || code.starts_with("57P"),
        None => matches!(error, Error::Io(_) | Error::Protocol(_) | Error::Tls(_) | Error::WorkerCrashed),
    }
}

/// Whether it may go well the next time.
pub(super) fn may_pass(error: &Error) -> bool {
    match code_of(error).as_deref() {
        Some(code) => {
            // Deadlocks and serialization; connections; too many of them; a server that begins or ends.
            matches!(code, "40001" | "40P01" | "53300" | "55P03")
                || code.starts_with("08")
                || (code.starts_with("57P") && code != "57P04")
        }
        None => matches!(error, Error::Io(_) | Error::Protocol(_)),
    }
}

/// What went wrong, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Explained {
    advice: &'static str,
    #[source]
    error: Error,
}

/// An error with what it came to in the end.
pub(super) fn advise(advice: &'static str, error: Error) -> Box<dyn StdError + Send + Sync> {
    Box::new(Explained { advice, error })
}

/// An error with what to do about it.
pub(super) fn explain(error: Error) -> Box<dyn StdError + Send + Sync> {
    let advice = match &error {
        Error::PoolTimedOut => {
            "the pool gave no connection in time: PostgreSQL cannot be reached, or the pool has too few of them \
             (`PgPoolOptions::max_connections`), or somebody keeps them"
        }
        Error::PoolClosed => "the pool is closed: `PostgresBackend` must not outlive it",
        known => match code_of(known).as_deref() {
            Some("25006") => {
                "the server is read-only: `PostgresBackend` needs the primary, not a replica, and no \
                 `default_transaction_read_only`"
            }
            Some("3F000" | "42P01" | "42883") => {
                "a table or function is not there: call `PostgresBackend::migrate()` first, with the same schema"
            }
            Some("26000" | "42P05") => {
                "a pooler between here and PostgreSQL gives each transaction another connection: say so, by \
                 `PostgresBackendBuilder::with_pooler`"
            }
            Some("54000") => "a key of the session is too long: PostgreSQL takes some 2,700 bytes",
            Some("42501") => {
                "the role may not do this: it needs `USAGE` on the schema of the sessions and its tables; and to migrate, \
                 `CREATE` on that schema, or on the database where the schema is not there yet"
            }
            _ => return Box::new(error),
        },
    };
    advise(advice, error)
}
