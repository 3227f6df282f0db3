//! `commit.lua`: a commit, carried out once however often it is sent.

use std::{sync::LazyLock, time::Duration};

use redis::{FromRedisValue, ParsingError, Script, Value};

use super::{
    Tombstone,
    call::{Answer, Call, run, script},
};
use crate::backend::{
    BackendError, Registry,
    redis::wire::{
        Wire,
        link::Failure,
        millis::span,
        names::{Fields, SessionKeys},
    },
    relay::{Keep, LeaseAfter},
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[
        include_str!("commit_usual.lua"),
        include_str!("clock.lua"),
        include_str!("turns.lua"),
        include_str!("commit.lua"),
    ])
});

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) struct SendCommit<'a> {
    pub(crate) keys: &'a SessionKeys,
    /// The record under the new id, if it changes and the script can reach it.
    pub(crate) new_record: Option<&'a str>,
    pub(crate) action: CommitAction,
    /// By this a second sending is known.
    pub(crate) token: &'a str,
    pub(crate) under: Option<UnderLease<'a>>,
    /// The attributes that never change, of a new record.
    pub(crate) lasting: Option<&'a str>,
    pub(crate) attributes: &'a SendAttributes,
    pub(crate) operations: &'a [Operation],
}

/// What a commit does to the record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitAction {
    Create,
    Update,
    /// It moves to a new id in the same slot.
    Change,
    End,
    /// The same, by somebody else than its own page.
    Revoke,
    /// It is about to move to another slot: the script checks everything, shuts it and gives it.
    Leave,
    /// It has moved to another slot.
    Left,
}

/// The lease under which a commit is made.
#[derive(Clone, Copy)]
pub(crate) struct UnderLease<'a> {
    /// Of its session.
    pub(crate) keys: &'a SessionKeys,
    /// The call that took it.
    pub(crate) ticket: &'a str,
    /// How it stands in Redis where there is nothing else to be known of the session's turns.
    pub(crate) text: Option<&'a str>,
    pub(crate) states: &'a [&'static str],
    pub(crate) keep: Keep,
    /// How long it lasts unless it is renewed.
    pub(crate) length: Duration,
    /// For how long the next call may hold it.
    pub(crate) hold: Duration,
}

/// What changes of the session itself.
#[derive(Clone, Default)]
pub(crate) struct SendAttributes {
    /// Another expiry of its own, as text; empty: none.
    pub(crate) expiry: Option<String>,
    pub(crate) provisional: Option<bool>,
    pub(crate) expires: Option<SendExpires>,
}

/// A new moment of expiry.
#[derive(Clone, Default)]
pub(crate) struct SendExpires {
    /// In milliseconds since 1970.
    pub(crate) at: String,
    /// What must be there after the commit for `at` to count.
    pub(crate) reckoned_from: (String, bool),
}

/// What happens to one field of the record.
pub(crate) enum Operation {
    Set(String, Vec<u8>),
    Remove(String),
    /// Some fields of a value change, which `to` has.
    Merge {
        field: String,
        from: From,
        to: Vec<u8>,
    },
}

/// The value that changed fields were merged into. If another one is there, it is given instead.
pub(crate) enum From {
    /// The one that was loaded with the turn under which this is a commit.
    Held,
    Stored(Vec<u8>),
    Nothing,
}

/// What comes back.
pub(crate) enum CommitAnswer {
    Done(LeaseAfter),
    /// Merged values have changed meanwhile: those that are there now.
    Conflict(Vec<Option<Vec<u8>>>),
    /// The session's id is being changed: later.
    Shut,
    /// [`CommitAction::Leave`] is done: the record.
    Left(Fields),
    /// Nothing was written.
    Refused(Refusal),
}

/// Why nothing was written.
pub(crate) enum Refusal {
    /// There is no such session.
    Gone(Option<Tombstone>),
    /// The lease is lost.
    Lost,
    /// Too many commits came after it to know whether it took place.
    Unknown,
    /// There is a session under the new id already.
    Exists,
    /// What is stored is not this crate's.
    Broken,
}

impl SendCommit<'_> {
    pub(crate) async fn send(&self, wire: &Wire) -> Result<CommitAnswer, BackendError> {
        run(wire, |retried| self.call(wire, retried)).await.map_err(Failure::of_commit)
    }

    pub(super) fn call(&self, wire: &Wire, retried: bool) -> Call {
        self.usual(wire, retried).unwrap_or_else(|| self.any(wire, retried))
    }

    /// Where fields of one state change, as they do in most commits, and nothing else but when the session expires.
    fn usual(&self, wire: &Wire, retried: bool) -> Option<Call> {
        let Self { keys, action: CommitAction::Update, under: Some(under), attributes, operations, .. } =
            self
        else {
            return None;
        };
        let SendAttributes { expiry: None, provisional: None, expires: Some(expires) } = attributes else {
            return None;
        };
        let [Operation::Merge { field, from: From::Held, to }] = operations else { return None };
        let (expiry, provisional) = &expires.reckoned_from;
        let call = Call::of(&SCRIPT, 4)
            .key("record", &keys.record)
            .key("control", keys.control())
            .key("tokens", keys.tokens())
            .key("tombstone", keys.tombstone())
            .arg("_", "usual")
            .arg("lease", under.text?)
            .arg("keep", under.keep.word())
            .arg("token", self.token)
            .arg("slot", slot(self.token))
            .arg("expires", &expires.at)
            .arg("reckoned_expiry", expiry)
            .arg("reckoned_provisional", flag(*provisional))
            .arg("field", field)
            .arg("value", to)
            .arg("retried", u8::from(retried))
            .arg("node", self.node(wire))
            .arg("recent_ms", span(Registry::ENDINGS_ARE_REMEMBERED));
        Some(call)
    }

    /// Who says so. What is done by an alias this node must hear from itself, too: its sockets know the session's own id.
    fn node<'a>(&self, wire: &'a Wire) -> &'a str {
        if self.keys.is_alias { "alias" } else { &wire.node }
    }

    fn any(&self, wire: &Wire, retried: bool) -> Call {
        let Self { keys, under, attributes, .. } = self;
        let expires = attributes.expires.as_ref();
        let (reckoned_expiry, reckoned_provisional) =
            expires.map_or(("", false), |expires| (&expires.reckoned_from.0, expires.reckoned_from.1));
        let mut call = Call::of(&SCRIPT, 4 + usize::from(self.new_record.is_some()))
            .key("record", &keys.record)
            .key("control", keys.control())
            .key("tokens", keys.tokens())
            .key("tombstone", keys.tombstone());
        if let Some(new) = self.new_record {
            call = call.key("new_record", new);
        }
        call = call
            .arg("action", self.action.word())
            .arg("token", self.token)
            .arg("slot", slot(self.token))
            .arg("retried", u8::from(retried))
            .arg("expires", expires.map_or("", |expires| &expires.at))
            .arg("reckoned_expiry", reckoned_expiry)
            .arg("reckoned_provisional", flag(reckoned_provisional))
            .arg("node", self.node(wire))
            .arg("lasting", self.lasting.unwrap_or_default())
            .arg(
                "expiry",
                attributes.expiry.as_ref().map_or("", |expiry| if expiry.is_empty() { "-" } else { expiry }),
            )
            .arg(
                "provisional",
                attributes.provisional.map_or("", |provisional| if provisional { "1" } else { "-" }),
            )
            .arg("recent_ms", span(Registry::ENDINGS_ARE_REMEMBERED))
            .arg("ticket", under.map_or("", |under| under.ticket))
            .arg("keep", under.map_or("", |under| under.keep.word()))
            .arg("lease_ms", under.map_or(0, |under| span(under.length)))
            .arg("hold_ms", under.map_or(0, |under| span(under.hold)));
        let states = under.map_or(&[][..], |under| under.states);
        call = call.arg("count", states.len()).more(states);
        for operation in self.operations {
            let (word, field, to, from) = operation.words();
            call = call.more(word).more(field).more(to).more(from);
        }
        call
    }
}

/// Where the token is remembered: one of 1024 places.
fn slot(token: &str) -> u32 {
    token.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 1024
}

fn flag(is_so: bool) -> &'static str {
    if is_so { "1" } else { "" }
}

impl CommitAction {
    fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Change => "change",
            Self::End => "end",
            Self::Revoke => "revoke",
            Self::Leave => "leave",
            Self::Left => "left",
        }
    }
}

impl Keep {
    fn word(self) -> &'static str {
        match self {
            Self::No => "",
            Self::UnlessAwaited => "unless awaited",
            Self::Yes => "yes",
        }
    }
}

impl Operation {
    /// The word, the field, the new value, and the value that it was made from.
    fn words(&self) -> (&'static str, &str, &[u8], &[u8]) {
        match self {
            Self::Set(field, value) => ("set", field, value, b""),
            Self::Remove(field) => ("remove", field, b"", b""),
            Self::Merge { field, from: From::Held, to } => ("held", field, to, b""),
            Self::Merge { field, from: From::Stored(from), to } => ("merge", field, to, from),
            Self::Merge { field, from: From::Nothing, to } => ("begin", field, to, b""),
        }
    }
}

impl FromRedisValue for CommitAnswer {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        match value {
            Value::Int(1) => return Ok(Self::Done(LeaseAfter::Ended)),
            Value::Int(2) => return Ok(Self::Done(LeaseAfter::Unawaited)),
            _ => {}
        }
        let mut answer = Answer::new(value)?;
        Ok(match &*answer.word {
            b"done" => Self::Done(answer.take()?),
            b"conflict" => Self::Conflict(answer.rest()?),
            b"shut" => Self::Shut,
            b"left" => Self::Left(answer.take()?),
            b"gone" => Self::Refused(Refusal::Gone(Tombstone::take_from(&mut answer)?)),
            b"lost" => Self::Refused(Refusal::Lost),
            b"unknown" => Self::Refused(Refusal::Unknown),
            b"exists" => Self::Refused(Refusal::Exists),
            b"broken" => Self::Refused(Refusal::Broken),
            _ => return answer.unexpected(),
        })
    }
}

impl FromRedisValue for LeaseAfter {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        Ok(match Option::<Vec<u8>>::from_redis_value(value)?.as_deref() {
            Some(b"ended") => Self::Ended,
            Some(b"awaited") => Self::Awaited,
            Some(b"unawaited") => Self::Unawaited,
            _ => Self::Unsaid,
        })
    }
}
