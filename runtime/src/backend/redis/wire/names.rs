//! The names of a session's keys in Redis, and of the fields of its record.

use std::borrow::Cow;

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};
use tower_sessions::session::Id;

use crate::{backend::Keys, session::id::HiddenId};

/// The keys of one session. The braces put them into one slot of a cluster; the id stands in none of them.
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) hidden: HiddenId,
    /// The hash that is the session. Of its [`Attributes`](crate::backend::Attributes) `e` is an expiry of its own, `p` that it
    /// is provisional, `m` all others; `x` is its moment of expiry in ms since 1970, `v:<key>` a value, and `l` shuts it
    /// while its id is being changed in a cluster, `o` is its owner and `b` its label.
    pub(crate) record: String,
    /// The session is known here by an id that stands for its own.
    pub(crate) is_alias: bool,
}

impl SessionKeys {
    pub(crate) fn of_hidden(prefix: &str, hidden: HiddenId) -> Self {
        Self { record: format!("{prefix}{{{hidden}}}"), hidden, is_alias: false }
    }

    /// The lease on one of its turns, or a hash of the leases and of the calls that wait for them.
    pub(crate) fn control(&self) -> Key<'_> {
        Key { record: &self.record, kind: ":turns" }
    }

    /// A hash of the tokens of its last commits, each in its slot.
    pub(crate) fn tokens(&self) -> Key<'_> {
        Key { record: &self.record, kind: ":commits" }
    }

    /// For some seconds after its end: `E` (ended) or `C` (its id changed), the node, the commit's token.
    pub(crate) fn tombstone(&self) -> Key<'_> {
        Key { record: &self.record, kind: ":end" }
    }
}

/// The key of something beside a record.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    record: &'a str,
    kind: &'static str,
}

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        out.write_arg_fmt(format_args!("{}{}", self.record, self.kind));
    }
}

impl ToSingleRedisArg for Key<'_> {}

/// Fields of a record and their values.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The name of a node, a call or a commit: 128 random bits.
pub(crate) fn unique() -> String {
    Id::default().to_string()
}

/// The field of a value.
pub(crate) fn field(key: &str) -> String {
    format!("v:{key}")
}

/// The names of the fields to read: what belongs to the session itself, and the values of these keys.
#[derive(Clone, Copy)]
pub(crate) struct FieldsOf(&'static [&'static str]);

/// The fields to read for these keys; `None` for all.
pub(crate) fn wanted_fields(wanted: Keys) -> Option<FieldsOf> {
    match wanted {
        Keys::Only(keys) => Some(FieldsOf(keys)),
        Keys::All => None,
    }
}

impl ToRedisArgs for FieldsOf {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        for name in ["m", "e", "p", "x"] {
            out.write_arg(name.as_bytes());
        }
        for key in self.0 {
            out.write_arg_fmt(format_args!("v:{key}"));
        }
    }

    fn num_of_args(&self) -> usize {
        4 + self.0.len()
    }
}

/// What was read of a record.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) lasting: Option<Vec<u8>>,
    pub(crate) expiry: Option<Vec<u8>>,
    pub(crate) provisional: Option<Vec<u8>>,
    pub(crate) expires: Option<Vec<u8>>,
    /// The values that are stored, as JSON, by their keys.
    pub(crate) values: Vec<(Cow<'static, str>, Vec<u8>)>,
}

impl Record {
    /// What came for these names.
    pub(crate) fn of_wanted(FieldsOf(keys): FieldsOf, values: Vec<Option<Vec<u8>>>) -> Self {
        let mut values = values.into_iter();
        let mut next = || values.next().flatten();
        let (lasting, expiry, provisional, expires) = (next(), next(), next(), next());
        let values = keys.iter().zip(values).filter_map(|(key, value)| Some((Cow::Borrowed(*key), value?)));
        Self { lasting, expiry, provisional, expires, values: values.collect() }
    }

    /// All fields, each name with its value.
    pub(crate) fn of_all(fields: Fields) -> Self {
        let mut record = Self { values: Vec::with_capacity(fields.len()), ..Self::default() };
        for (name, value) in fields {
            match &*name {
                b"m" => record.lasting = Some(value),
                b"e" => record.expiry = Some(value),
                b"p" => record.provisional = Some(value),
                b"x" => record.expires = Some(value),
                name => {
                    if let Some(key) = name.strip_prefix(b"v:") {
                        let key = String::from_utf8_lossy(key).into_owned();
                        record.values.push((Cow::Owned(key), value));
                    }
                }
            }
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::id::SessionId;

    #[test]
    fn keys_share_a_slot_and_hide_the_id() {
        let id = SessionId::random();
        let keys = SessionKeys::of_hidden("app:", id.hidden());
        let tag = format!("app:{{{}}}", id.hidden());
        let beside =
            [keys.control(), keys.tokens(), keys.tombstone()].map(|key| key.to_redis_args().remove(0));
        for key in beside.into_iter().map(|key| String::from_utf8(key).unwrap()).chain([keys.record.clone()])
        {
            assert!(key.starts_with(&tag));
            assert!(!key.contains(&id.expose().to_string()));
        }
        assert_eq!(keys.record.len(), 43 + "app:{}".len());
        assert_ne!(keys.record, SessionKeys::of_hidden("app:", SessionId::random().hidden()).record);
    }
}
