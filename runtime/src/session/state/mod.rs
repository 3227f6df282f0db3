//! What a `#[session_state]` struct is to the runtime: a key, and a JSON object of fields.

mod reading;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::reading::Reading;
pub(super) use self::reading::fields_of_json;
use super::{
    diff::{Differences, Remembered},
    encode::{LEVELS, Refused, encode},
    field::{ChangedFields, Field, FieldSet, NewValue},
};
use crate::error::{Error, ErrorKind};

/// A struct whose value lives in the session. Implemented by [`#[session_state]`](macro@crate::session_state).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session state",
    label = "needs `#[session_state]`",
    note = "write `#[session_state]` above `struct {Self}`, above its `#[derive(..)]`"
)]
pub trait SessionState: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// The key in the session under which the state's value is stored.
    const KEY: &'static str;

    /// The struct's name, for errors.
    const NAME: &'static str;

    /// What may be kept of it in memory.
    #[doc(hidden)]
    const LIVES: Lives = Lives::AsItsEncoding;

    /// Fields that have other names as well, under which they are read and not written.
    #[doc(hidden)]
    const ALIASES: &'static [(&'static str, &'static [&'static str])] = &[];

    /// Whether what does not decode begins with its default.
    #[doc(hidden)]
    const BEGINS_ANEW: bool = false;

    /// Whether it is a [`LiveState`].
    #[doc(hidden)]
    const IS_LIVE: bool = false;

    /// Reads it.
    #[doc(hidden)]
    fn read(reading: &Reading<'_, Self>) -> Result<Self, Error> {
        reading.whole()
    }

    /// Collects the fields that differ.
    #[doc(hidden)]
    fn compare(before: &Self, after: &Self, differences: &mut Differences) -> Result<(), Error> {
        let _ = before;
        differences.whole(after)
    }
}

/// A state that is sent to the session's sockets when it has changed. Implemented by
/// [`#[session_state(emit = "..")]`](macro@crate::session_state); the layer is told of it by
/// [`with_live`](crate::SessionLayer::with_live).
#[diagnostic::on_unimplemented(
    message = "no event is sent when `{Self}` changes",
    label = "needs `#[session_state(emit = \"..\")]`",
    note = "write `#[session_state(emit = \"user\")]` above `struct {Self}`, with the name of the event"
)]
pub trait LiveState: SessionState {
    /// The event as which it is sent.
    const EVENT: &'static str;

    /// The names of the fields that are never sent.
    #[doc(hidden)]
    const SERVER_ONLY: &'static [&'static str];
}

/// What clients are sent of a state.
pub(crate) fn pushed<T: LiveState>(state: &T) -> Result<Value, Error> {
    let refused = |refused: Refused| {
        let text = format!("state `{}` cannot be sent: {}", T::NAME, refused.text());
        Error::with_text(ErrorKind::Encode, text).because(refused.into_why())
    };
    let mut pushed = encode(state, LEVELS).map_err(refused)?;
    if let Value::Object(fields) = &mut pushed {
        fields.retain(|name, _| !T::SERVER_ONLY.contains(&name.as_str()));
    }
    Ok(pushed)
}

/// What of a state may be kept in memory as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lives {
    /// All of it: each field is exact.
    AsItIs,
    /// Its exact fields; the others are read from their encoding by each call.
    ByField,
    /// Nothing: serde attributes say how it is stored.
    AsItsEncoding,
}

impl Lives {
    /// Of a state that is stored field by field.
    pub const fn by_field(all_exact: bool) -> Self {
        if all_exact { Self::AsItIs } else { Self::ByField }
    }
}

/// What a handler's changes are found by, beside the state whose exact fields it had: the encoding of all others.
pub(crate) fn remember<T: SessionState>(state: &T) -> Result<Remembered, Error> {
    let mut differences = Differences::remembering(T::NAME);
    T::compare(state, state, &mut differences)?;
    Ok(differences.into_remembered())
}

/// The fields in which a state differs from what it was.
pub(crate) fn changes_between<T: SessionState>(
    before: &T,
    remembered: Remembered,
    after: &T,
) -> Result<ChangedFields, Error> {
    let mut differences = Differences::new(T::NAME, remembered);
    T::compare(before, after, &mut differences)?;
    let mut changed = differences.into_changed();
    for (name, aliases) in T::ALIASES {
        if changed.iter().any(|(changed, _)| changed == name) {
            // Under two names serde would not read it again.
            changed.extend(aliases.iter().map(|alias| ((*alias).into(), NewValue::Nothing)));
        }
    }
    Ok(changed)
}

/// These fields as JSON. They serialise, for they did when a commit left them in the state.
pub(super) fn fields_of<T: SessionState>(state: &T, fields: FieldSet) -> Vec<Field> {
    let mut asked = Differences::of_fields(T::NAME, fields);
    T::compare(state, state, &mut asked).ok();
    let asked = asked.into_changed().into_iter();
    asked.filter_map(|(name, value)| value.into_json().map(|json| (name, json))).collect()
}
