//! Finding sessions by their keys and by their owners.

use super::{Answer, BackendError, SessionId};
use crate::session::key::SessionKey;

/// What a backend can be asked for beside sessions by their ids: see [`Backend::owners`](super::Backend::owners).
///
/// It may give more than there is: who asks looks at each session, and passes over those that are not as they should be.
pub trait Owners: Send + Sync {
    /// The id by which this process can ask for the session with this key: its own, or one that stands for it in this
    /// process alone, and that nobody was shown. `None` where there is no such session.
    fn find(&self, key: &SessionKey) -> Answer<Result<Option<SessionId>, BackendError>>;

    /// The keys of an owner's sessions, the newest first, without the first `skip` of them: `most` at most.
    fn owned_by(
        &self,
        owner: &str,
        skip: usize,
        most: usize,
    ) -> Answer<Result<Vec<SessionKey>, BackendError>>;
}
