//! The connection to Redis: every call ends in time, lost connections are replaced, and a call that failed says
//! whether it may have been carried out.

use std::{error::Error as StdError, fmt, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex as SyncMutex;
use redis::{
    ErrorKind, ParsingError, RedisError, RedisResult, ServerErrorKind,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

use super::{
    source::{Connection, Source},
    tracking::{Tracker, connect_tracked},
};
use crate::backend::BackendError;

/// The pause before a call is tried again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// One connection, shared by all calls, and replaced when it is lost.
pub(crate) struct Link {
    source: Source,
    /// The longest that a call takes, with all its tries.
    timeout: Duration,
    /// Held while a connection is opened, so that one is.
    opening: Mutex<()>,
    current: SyncMutex<Current>,
    /// Hears what Redis tells on the connection.
    tracker: Option<Arc<dyn Tracker>>,
}

#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// Counts the connections, so that a lost one is given up once.
    number: u64,
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn StdError + Send + Sync>,
    /// It was sent at least once, and its answer lost.
    maybe_done: bool,
}

impl Failure {
    /// Of a call whose answer is not understood.
    pub(crate) fn of_answer(error: ParsingError) -> Self {
        Self { error: Box::new(error), maybe_done: false }
    }

    /// Of a call that changes nothing for good, or whose being carried out does not matter.
    pub(crate) fn failed(self) -> BackendError {
        BackendError::Failed(self.error)
    }

    /// Of a commit.
    pub(crate) fn of_commit(self) -> BackendError {
        if self.maybe_done { BackendError::OutcomeUnknown(self.error) } else { self.failed() }
    }
}

/// Redis did not answer in time.
#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis did not answer in time")
    }
}

impl StdError for NoAnswer {}

/// What a failed try means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Redis refused it.
    Refused,
    /// Redis refused it for the moment.
    NotNow,
    /// Redis refuses to write here: perhaps the primary is elsewhere now.
    NotHere,
    /// The connection is lost, and with it the answer.
    Lost,
}

fn judge(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => Verdict::Lost,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask,
        )
        | ErrorKind::ClusterConnectionNotFound => Verdict::NotNow,
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Verdict::NotHere,
        _ if error.code() == Some("BUSY") => Verdict::NotNow,
        _ => Verdict::Refused,
    }
}

impl Link {
    pub(crate) fn new(source: Source, timeout: Duration, tracker: Option<Arc<dyn Tracker>>) -> Self {
        Self { source, timeout, opening: Mutex::default(), current: SyncMutex::default(), tracker }
    }

    /// How long a single try may take.
    fn patience(&self) -> Duration {
        self.timeout * 2 / 5
    }

    /// Calls until there is an answer or the time is up. `attempt` is given whether an earlier try may have been
    /// carried out; to be carried out twice must do no harm.
    pub(crate) async fn call<T, F>(&self, attempt: impl Fn(Connection, bool) -> F) -> Result<T, Failure>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let deadline = Instant::now() + self.timeout;
        // A cluster's connection tries again by itself, and tells only how the last try failed.
        let hides_tries = self.is_cluster();
        let mut maybe_done = false;
        let mut pause = PAUSE.0;
        loop {
            let until = deadline.min(Instant::now() + self.patience());
            let connected = match self.current_connection() {
                Some(connection) => Ok(Ok(connection)),
                None => timeout_at(until, self.connect()).await,
            };
            let (verdict, error): (_, Box<dyn StdError + Send + Sync>) = match connected {
                Err(_) => (Verdict::NotNow, Box::new(NoAnswer)),
                // Nothing was sent yet.
                Ok(Err(error)) if judge(&error) == Verdict::Lost => (Verdict::NotNow, Box::new(error)),
                Ok(Err(error)) => (judge(&error), Box::new(error)),
                Ok(Ok((number, connection))) => {
                    let (verdict, error): (_, Box<dyn StdError + Send + Sync>) =
                        match timeout_at(until, attempt(connection, maybe_done || hides_tries)).await {
                            Ok(Ok(answer)) => return Ok(answer),
                            Ok(Err(error)) => (judge(&error), Box::new(error)),
                            Err(_) => (Verdict::Lost, Box::new(NoAnswer)),
                        };
                    if matches!(verdict, Verdict::Lost | Verdict::NotHere) {
                        self.give_up(number);
                    }
                    maybe_done |= verdict == Verdict::Lost || hides_tries && verdict != Verdict::Refused;
                    (verdict, error)
                }
            };
            let refused = matches!(verdict, Verdict::Refused | Verdict::NotHere);
            if refused || Instant::now() + pause >= deadline {
                return Err(Failure { error, maybe_done });
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Whether Redis answers.
    pub(crate) async fn ping(&self) -> Result<(), Failure> {
        self.call(|mut connection, _| async move { redis::cmd("PING").query_async(&mut connection).await })
            .await
    }

    async fn connect(&self) -> RedisResult<(u64, Connection)> {
        if let Some(connection) = self.current_connection() {
            return Ok(connection);
        }
        let _opening = self.opening.lock().await;
        if let Some(connection) = self.current_connection() {
            return Ok(connection);
        }
        let number = self.current.lock().number + 1;
        let connection = match (&self.tracker, &self.source) {
            (Some(tracker), Source::One(client)) => connect_tracked(client, tracker, number).await?,
            _ => self.source.connect().await?,
        };
        *self.current.lock() = Current { connection: Some(connection.clone()), number };
        Ok((number, connection))
    }

    fn current_connection(&self) -> Option<(u64, Connection)> {
        let current = self.current.lock();
        current.connection.clone().map(|connection| (current.number, connection))
    }

    fn give_up(&self, number: u64) {
        let mut current = self.current.lock();
        if current.number == number {
            current.connection = None;
            if let Some(tracker) = &self.tracker {
                tracker.end(number);
            }
        }
    }

    /// The longest that a call takes, with all its tries.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.source.is_cluster()
    }

    /// Another connection, which listens to these channels. The first half keeps it. `number`: of the try.
    pub(crate) async fn subscribe(
        &self,
        number: usize,
        channels: &[String],
    ) -> Result<(PubSubSink, PubSubStream), Box<dyn StdError + Send + Sync>> {
        let subscribed = async {
            let (mut sink, stream) = self.source.listen(number).await?.split();
            sink.subscribe(channels).await?;
            Ok::<_, RedisError>((sink, stream))
        };
        match timeout_at(Instant::now() + self.patience(), subscribed).await {
            Ok(Ok(halves)) => Ok(halves),
            Ok(Err(error)) => Err(Box::new(error)),
            Err(_) => Err(Box::new(NoAnswer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn verdicts() {
        let server = |code: &str| redis::make_extension_error(code.to_owned(), None);
        assert_eq!(judge(&RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset))), Verdict::Lost);
        assert_eq!(judge(&server("OOM")), Verdict::Refused);
        assert_eq!(judge(&server("WRONGTYPE")), Verdict::Refused);
        assert_eq!(judge(&server("BUSY")), Verdict::NotNow);
        let moved = ErrorKind::Server(ServerErrorKind::Moved);
        assert_eq!(judge(&RedisError::from((moved, "it moved once more"))), Verdict::NotNow);
    }
}
