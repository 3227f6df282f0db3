//! The names of a session's keys in Redis, and of the fields of its record.

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};
use tower_sessions::session::Id;

use crate::{
    backend::Keys,
    session::id::{HiddenId, SessionId},
};

/// The keys of one session. The braces put them into one slot of a cluster; the id stands in none of them.
#[derive(Clone)]
pub(crate) struct SessionKeys {
    pub(crate) hidden: HiddenId,
    /// The hash that is the session. Of its [`Attributes`](crate::backend::Attributes) `e` is an expiry of its own, `p` that it
    /// is provisional, `m` all others; `x` is its moment of expiry in ms since 1970, `v:<key>` a value, and `l` shuts it
    /// while its id is being changed in a cluster.
    pub(crate) record: String,
}

impl SessionKeys {
    pub(crate) fn new(prefix: &str, id: SessionId) -> Self {
        let hidden = id.hidden();
        Self { record: format!("{prefix}{{{hidden}}}"), hidden }
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

/// The fields to read for these keys; `None` for all.
pub(crate) fn wanted_fields(wanted: Keys) -> Option<Vec<String>> {
    let Keys::Only(wanted) = wanted else { return None };
    let mut names: Vec<_> = ["m", "e", "p", "x"].map(str::to_owned).into();
    names.extend(wanted.iter().map(|key| field(key)));
    Some(names)
}

/// What was read by these names.
pub(crate) fn named(names: &[String], values: Vec<Option<Vec<u8>>>) -> Fields {
    let fields = names.iter().map(|name| name.clone().into_bytes()).zip(values);
    fields.filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_share_a_slot_and_hide_the_id() {
        let id = SessionId::random();
        let keys = SessionKeys::new("app:", id);
        let tag = format!("app:{{{}}}", id.hidden());
        let beside =
            [keys.control(), keys.tokens(), keys.tombstone()].map(|key| key.to_redis_args().remove(0));
        for key in beside.into_iter().map(|key| String::from_utf8(key).unwrap()).chain([keys.record.clone()])
        {
            assert!(key.starts_with(&tag));
            assert!(!key.contains(&id.expose().to_string()));
        }
        assert_eq!(keys.record.len(), 43 + "app:{}".len());
        assert_ne!(keys.record, SessionKeys::new("app:", SessionId::random()).record);
    }
}
