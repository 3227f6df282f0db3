//! Finding sessions by their keys and by their owners.

use time::OffsetDateTime;

use super::{Answer, BackendError, HiddenId, SessionId};
use crate::session::key::SessionKey;

/// A session that may be an owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Its public key.
    pub key: SessionKey,
    /// Since when it stands in the owner's index.
    pub since: OffsetDateTime,
}

/// What a backend can be asked for beside sessions by their ids: see [`Backend::owners`](super::Backend::owners).
///
/// It may give more than there is: who asks looks at each session, and passes over those that are not as they should be.
pub trait Owners: Send + Sync {
    /// The id by which this process can ask for the session with this key: its own, or one that stands for it in this
    /// process alone, and that nobody was shown. `None` where there is no such session.
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>>;

    /// An owner's sessions, the last login first, without the first `skip` of them: `most` at most.
    fn owned_by(&self, owner: &str, skip: usize, most: usize) -> Answer<Result<Vec<Owned>, BackendError>>;

    /// These were looked at and are not the owner's (any more): they may leave its index. Not those that have stood there for a
    /// moment only, for their commit may be under way. How many of them have left, so that others have moved up to their places.
    fn forget(&self, owner: &str, sessions: Vec<Owned>) -> Answer<Result<usize, BackendError>> {
        let _ = (owner, sessions);
        Answer::Ready(Ok(0))
    }

    /// What this id stands for, if it came from [`find`](Self::find) and is not the session's own. `None`, as without an
    /// implementation: it is its own.
    fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        let _ = id;
        None
    }
}
