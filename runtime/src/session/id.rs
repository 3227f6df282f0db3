//! Session ids, which nothing prints, and the public key that stands for a session in rooms and logs.

use std::{collections::HashMap, fmt};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use foldhash::fast::RandomState;
use sha2::{Digest, Sha256};
use tower_sessions::session::Id;

/// A session's id: the secret that its cookie carries. 128 bits from a cryptographic generator.
///
/// It is without `Display`, and `Debug` does not show it.
///
/// Two halves of it, because an `i128` is aligned to 16 bytes, for which whatever holds one would be padded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64, u64);

impl SessionId {
    /// The first one in their order.
    pub(crate) const LEAST: Self = Self(0, 0);

    /// A fresh id.
    pub fn random() -> Self {
        Id::default().into()
    }

    /// The id itself, for a store or a cookie.
    pub fn expose(self) -> Id {
        Id((u128::from(self.0) << 64 | u128::from(self.1)).cast_signed())
    }

    /// Which of `shards` shards a session is in. Ids are random; one that a client made up hurts only its shard's
    /// mutex, for the shards' own maps hash with a secret.
    #[allow(clippy::cast_possible_truncation, reason = "the low bits are as good as any")]
    pub(crate) fn shard(self, shards: usize) -> usize {
        self.1 as usize % shards
    }

    /// The public key of a session that began under this id: a hash, which leads nobody back to the id.
    pub(crate) fn public_key(self) -> String {
        URL_SAFE_NO_PAD.encode(self.public())
    }

    /// What stands for the id in the keys and messages of an engine that others can look into.
    ///
    /// It is made from the public key, so that a session which has the id that it began with is found by its key.
    pub fn hidden(self) -> HiddenId {
        HiddenId::of_public(&self.public())
    }

    fn public(self) -> [u8; 16] {
        let mut public = [0; 16];
        public.copy_from_slice(&self.hash(b"socketioxide-session public key")[..16]);
        public
    }

    fn hash(self, purpose: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update(self.expose().0.to_le_bytes());
        hash.finalize().into()
    }
}

/// A table by session ids. They are random, and each table hashes with a secret of its own: a fast hash will do.
pub(crate) type BySession<V> = HashMap<SessionId, V, RandomState>;

/// What stands for a session's id in the keys and messages of an engine: a hash, which leads nobody back to the id. So it
/// may be shown, and `Display` does: 43 letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HiddenId([u8; 32]);

impl HiddenId {
    fn of_public(public: &[u8; 16]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"socketioxide-session backend key");
        hash.update(public);
        Self(hash.finalize().into())
    }

    /// Of the session with this public key, while it has the id that it began with. `None` if that is no key.
    pub fn of_key(key: &str) -> Option<Self> {
        let public = URL_SAFE_NO_PAD.decode(key).ok()?.try_into().ok()?;
        Some(Self::of_public(&public))
    }

    /// Reads what `Display` wrote; `None` if it is something else.
    pub fn parse(text: impl AsRef<[u8]>) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What [`as_bytes`](Self::as_bytes) gave. `None` of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for HiddenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl From<Id> for SessionId {
    #[allow(clippy::cast_possible_truncation, reason = "each half of it")]
    fn from(Id(id): Id) -> Self {
        let id = id.cast_unsigned();
        Self((id >> 64) as u64, id as u64)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(..)")
    }
}
