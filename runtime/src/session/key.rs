//! A session's public key, as applications hold it.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A session's public key: for rooms, for logs, for lists of sessions. It stays for the session's life, also when its id
/// changes, and is no credential: it may be shown to others.
///
/// `to_string()` gives a room for `socket.join(..)` and `io.to(..)`. It serialises as its text, and is parsed from any
/// text: one that is no session's is nobody's key.
///
/// ```
/// use socketioxide_session::SessionKey;
///
/// let key = SessionKey::from("Vq0SbVSPnkvNHS6gT0FgmA");
/// assert_eq!(key.to_string(), key.as_ref());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(Arc<str>);

impl SessionKey {
    pub(crate) fn shared(&self) -> &Arc<str> {
        &self.0
    }
}

impl From<Arc<str>> for SessionKey {
    fn from(key: Arc<str>) -> Self {
        Self(key)
    }
}

impl From<&str> for SessionKey {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

impl From<String> for SessionKey {
    fn from(key: String) -> Self {
        Self(key.into())
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl AsRef<str> for SessionKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for SessionKey {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionKey").field(&&*self.0).finish()
    }
}
