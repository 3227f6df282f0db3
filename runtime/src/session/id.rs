//! Session ids, which nothing prints, and the public key that stands for a session in rooms and logs.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tower_sessions::session::Id;

/// A session's id: the secret that its cookie carries. 128 bits from a cryptographic generator.
///
/// It has no `Display`, and `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Id);

impl SessionId {
    /// A fresh id.
    pub fn random() -> Self {
        Self(Id::default())
    }

    /// The id itself, for a store or a cookie.
    pub fn expose(self) -> Id {
        self.0
    }

    /// Which of `shards` shards a session is in. Ids are random; one that a client made up hurts only its shard's
    /// mutex, for the shards' own maps hash with a secret.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the low bits are as good as any"
    )]
    pub(crate) fn shard(self, shards: usize) -> usize {
        self.0.0 as usize % shards
    }

    /// The public key of a session that began under this id: a hash, which leads nobody back to the id.
    pub(crate) fn public_key(self) -> String {
        URL_SAFE_NO_PAD.encode(&self.hash(b"socketioxide-session public key")[..16])
    }

    /// Stands for the id in the keys and messages of a backend that others can look into: a hash, which leads
    /// nobody back to the id.
    #[cfg(feature = "redis")]
    pub(crate) fn hidden(self) -> String {
        URL_SAFE_NO_PAD.encode(self.hidden_bytes())
    }

    /// The bytes of [`hidden`](Self::hidden).
    #[cfg(feature = "redis")]
    pub(crate) fn hidden_bytes(self) -> [u8; 32] {
        self.hash(b"socketioxide-session backend key")
    }

    fn hash(self, purpose: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update(self.0.0.to_le_bytes());
        hash.finalize().into()
    }
}

/// The bytes of what stands for an id.
#[cfg(feature = "redis")]
pub(crate) fn hidden_bytes(hidden: &[u8]) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(hidden).ok()?.try_into().ok()
}

impl From<Id> for SessionId {
    fn from(id: Id) -> Self {
        Self(id)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
