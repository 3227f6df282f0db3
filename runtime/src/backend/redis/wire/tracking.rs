//! Connections on which Redis tells of changes to what was read on them (client-side caching).

use std::sync::Arc;

use redis::{Client, PushInfo, PushKind, RedisResult, Value, aio::SendError};
use tokio::time::Instant;

use super::source::{Connection, connect_and_hear};

/// Hears what Redis tells on the tracked connections of a link. They are numbered in the order in which they were
/// opened.
pub(crate) trait Tracker: Send + Sync {
    /// A connection is open, and all reads go there from now on. It was alive at `sent`.
    fn begin(&self, connection: u64, sent: Instant);

    /// These keys changed, or any key may have. Comes before any later answer on the same connection.
    fn changed(&self, keys: Option<&[Value]>);

    /// A connection is lost, and with it all that it would have told. May come more than once.
    fn end(&self, connection: u64);
}

/// Opens a connection on which Redis tells of changes to what is read after `CLIENT CACHING YES`, and of no others:
/// scripts read, too.
pub(super) async fn connect_tracked(
    client: &Client,
    tracker: &Arc<dyn Tracker>,
    number: u64,
) -> RedisResult<Connection> {
    let hears = Arc::clone(tracker);
    let hear = move |push: PushInfo| -> Result<(), SendError> {
        match (&push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => hears.changed(Some(keys)),
            (PushKind::Invalidate, _) => hears.changed(None),
            (PushKind::Disconnection, _) => hears.end(number),
            _ => {}
        }
        Ok(())
    };
    let mut connection = connect_and_hear(client, hear).await?;
    let sent = Instant::now();
    let mut tracking = redis::pipe();
    tracking.cmd("CLIENT").arg("TRACKING").arg("ON").arg("OPTIN");
    // Each read sends this; here it shows that it is allowed.
    tracking.cmd("CLIENT").arg("CACHING").arg("YES");
    match tracking.query_async::<()>(&mut connection).await {
        Ok(()) => {
            tracker.begin(number, sent);
            Ok(Connection::One { connection, tracked: Some(number) })
        }
        Err(error) if error.is_unrecoverable_error() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "Redis refuses to tell of changes: the read cache is off");
            Ok(Connection::One { connection, tracked: None })
        }
    }
}
