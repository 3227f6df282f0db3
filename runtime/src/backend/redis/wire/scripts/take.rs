//! All turns of a call, or a place in the line for them, and what it loads. As a rule it is one turn, and nobody has or
//! wants one of the session: then two plain commands do it, and else `take.lua`.

use std::{iter, sync::LazyLock, time::Duration};

use redis::{FromRedisValue, ParsingError, Script, Value};

use super::{
    Tombstone,
    call::{Answer, Call, run, script},
};
use crate::backend::{
    BackendError, Load,
    redis::wire::{
        Wire,
        link::Failure,
        millis::span,
        names::{Record, SessionKeys, wanted_fields},
        source::Connection,
    },
};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| {
    script(&[include_str!("clock.lua"), include_str!("turns.lua"), include_str!("take.lua")])
});

/// What is sent.
pub(crate) struct Take<'a> {
    pub(crate) keys: &'a SessionKeys,
    /// The name of the call in the line.
    pub(crate) ticket: &'a str,
    /// How long the lease lasts unless it is renewed.
    pub(crate) lease: Duration,
    pub(crate) load: Load,
}

/// What comes back.
pub(crate) enum TakeAnswer {
    /// The call has all its turns. The values of the fields that were asked for; of all fields, each after its name.
    Granted(Vec<Option<Vec<u8>>>),
    /// It is in line: it asks again after so many milliseconds, or when it is woken.
    Wait(u64),
    /// There is no such session.
    Gone(Option<Tombstone>),
    /// What is stored is not this crate's.
    Broken,
}

impl Take<'_> {
    /// The lease as a text, by which it stands where it is the only one (see `turns.lua`).
    pub(crate) fn text(&self) -> Option<String> {
        let [state] = self.load.turns else { return None };
        Some(format!("{} {} {} {state}", self.ticket, span(self.lease), span(self.load.hold)))
    }

    /// Takes the turn by this text, if nothing is there of the session's turns; and loads what was there after that.
    /// `None`: the script is to be asked.
    pub(crate) async fn send_text(
        &self,
        wire: &Wire,
        text: &str,
    ) -> Result<Option<Vec<Option<Vec<u8>>>>, BackendError> {
        let Self { keys, load, .. } = self;
        let ends = span(self.lease.min(load.hold)).max(1);
        let (fields, mut both) = (wanted_fields(load.keys), redis::pipe());
        both.cmd("SET").arg(keys.control()).arg(text).arg("NX").arg("PX").arg(ends);
        match fields {
            Some(fields) => both.cmd("HMGET").arg(&keys.record).arg(fields),
            None => both.cmd("HGETALL").arg(&keys.record),
        };
        let both = &both;
        let take = |mut connection: Connection, _| async move {
            both.query_async::<(Option<Value>, Value)>(&mut connection).await
        };
        let (taken, values) = wire.link.call(take).await.map_err(Failure::failed)?;
        if taken.is_none() {
            return Ok(None);
        }
        let values = Vec::<Option<Vec<u8>>>::from_redis_value(values);
        let values = values.map_err(|error| Failure::of_answer(error).failed())?;
        let is_ours = match fields {
            Some(_) => values.first().is_some_and(Option::is_some),
            None => values.iter().step_by(2).flatten().any(|name| name == b"m"),
        };
        Ok(is_ours.then_some(values))
    }

    /// Takes all turns, or a place in the line.
    pub(crate) async fn send(&self, wire: &Wire) -> Result<TakeAnswer, BackendError> {
        run(wire, |_| self.call(wire)).await.map_err(Failure::failed)
    }

    /// The record of what was granted.
    pub(crate) fn record(&self, values: Vec<Option<Vec<u8>>>) -> Record {
        if let Some(names) = wanted_fields(self.load.keys) {
            return Record::of_wanted(names, values);
        }
        let mut values = values.into_iter().flatten();
        Record::of_all(iter::from_fn(|| Some((values.next()?, values.next()?))).collect())
    }

    pub(super) fn call(&self, wire: &Wire) -> Call {
        let Self { keys, load, .. } = self;
        let call = Call::of(&SCRIPT, 3)
            .key("record", &keys.record)
            .key("control", keys.control())
            .key("tombstone", keys.tombstone())
            .arg("ticket", self.ticket)
            .arg("node", &wire.node)
            .arg("lease_ms", span(self.lease))
            .arg("hold_ms", span(load.hold))
            .arg("count", load.turns.len())
            .more(load.turns);
        match wanted_fields(load.keys) {
            Some(fields) => call.more(fields),
            None => call.more("*"),
        }
    }
}

impl FromRedisValue for TakeAnswer {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut answer = Answer::new(value)?;
        Ok(match &*answer.word {
            b"granted" => Self::Granted(answer.take()?),
            b"wait" => Self::Wait(answer.take()?),
            b"gone" => Self::Gone(Tombstone::take_from(&mut answer)?),
            b"broken" => Self::Broken,
            _ => return answer.unexpected(),
        })
    }
}
