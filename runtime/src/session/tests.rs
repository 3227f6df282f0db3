//! Values through a row of changes: what is live is stored as if it had been JSON all the time.

use std::sync::Arc;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    change::{Change, change_of},
    field::{Fields, changed_fields},
    state::{SessionState, changes_between, remember},
    value::{Known, StoredValue},
};
use crate::{panics::Contained, session_state};

/// Of no `std` type, so that its JSON is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Part(u8);

#[session_state(key = "key")]
#[derive(Clone, Debug, PartialEq)]
struct State {
    #[session(default = 1)]
    count: u8,
    part: Part,
    name: Option<String>,
    scale: f32,
}

/// The same with other fields: of another build, or another of our own types.
#[session_state(key = "key")]
#[derive(Clone, Debug, PartialEq)]
struct Other {
    scale: f32,
    count: u8,
    new: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Write(State),
    WriteOther(Other),
    /// A commit of what somebody read some steps ago.
    WriteLate(usize, State),
    /// One that knows only JSON.
    Put(&'static str, Option<u8>),
    Set(Option<Fields>),
    Read,
    ReadOther,
    ReadJson,
}

fn states() -> impl Strategy<Value = State> {
    let scale = prop_oneof![Just(0.0), Just(-0.0), Just(1.5), Just(0.1)];
    (0..3_u8, 0..2_u8, prop::option::of("[ab]"), scale).prop_map(|(count, part, name, scale)| State {
        count,
        part: Part(part),
        name,
        scale,
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let others = (0..2_u8, 0..3_u8, prop::collection::vec(0..2_u8, 0..2))
        .prop_map(|(scale, count, new)| Other { scale: scale.into(), count, new });
    let name = prop::sample::select(vec!["count", "part", "foreign"]);
    // A number that the state would write in another way.
    let set = json!({ "scale": 5, "foreign": [1] }).as_object().cloned();
    prop_oneof![
        states().prop_map(Step::Write),
        states().prop_map(Step::Write),
        others.prop_map(Step::WriteOther),
        (1..4_usize, states()).prop_map(|(ago, state)| Step::WriteLate(ago, state)),
        (name, prop::option::of(0..3_u8)).prop_map(|(name, value)| Step::Put(name, value)),
        prop::option::of(Just(set.unwrap_or_default())).prop_map(Step::Set),
        Just(Step::Read),
        Just(Step::ReadOther),
        Just(Step::ReadJson),
    ]
}

/// What a handler commits that makes this of what it read.
fn commit<T: SessionState>(from: Option<&StoredValue>, after: T) -> Option<Change> {
    // What does not decode is written by no handler.
    let before = from.map_or_else(|| Ok(Arc::default()), read::<T>).ok()?;
    let fields = changes_between(&*before, remember(&*before).unwrap(), &after).unwrap();
    (!fields.is_empty()).then(|| change_of(fields, from.cloned(), Some(Contained::new(Arc::new(after)))))
}

/// What a handler reads.
fn read<T: SessionState>(value: &StoredValue) -> Result<Arc<T>, crate::Error> {
    let known = match value.known::<T>() {
        Known::Decoded(state) => state,
        Known::Other(_) | Known::Nothing => value.decode()?,
    };
    value.read(Some(&*known)).map(Arc::new)
}

fn json_of(stored: Option<&StoredValue>) -> Option<Value> {
    stored.map(|stored| {
        let text = serde_json::to_string(stored).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json.to_string().len(), text.len(), "each field once: {text}");
        json
    })
}

proptest! {
    /// Whatever is done, what is stored is what it would be if it had been JSON all the time.
    #[test]
    fn what_is_live_is_stored_as_json_would_be(steps in prop::collection::vec(steps(), 1..16)) {
        let mut past: Vec<Option<StoredValue>> = vec![None];
        for step in steps {
            let stored = past.last().unwrap().clone();
            let mut written = None;
            let change = match step {
                Step::Write(state) => {
                    written = Some(state.clone());
                    commit(stored.as_ref(), state)
                }
                Step::WriteOther(state) => commit(stored.as_ref(), state),
                Step::WriteLate(ago, state) => {
                    commit(past[past.len().saturating_sub(ago)..].first().unwrap().as_ref(), state)
                }
                Step::Put(name, value) => {
                    let value = value.map(Value::from);
                    Some(Change::Fields([(name, value)].into_iter().collect()))
                }
                Step::Set(fields) => Some(fields.map_or(Change::Remove, |fields| Change::Set(fields.into()))),
                Step::Read => {
                    stored.as_ref().map(read::<State>);
                    None
                }
                Step::ReadOther => {
                    stored.as_ref().map(read::<Other>);
                    None
                }
                Step::ReadJson => {
                    prop_assert_eq!(stored.as_ref().map(|stored| stored.json().clone()), json_of(stored.as_ref()));
                    None
                }
            };
            let Some(change) = change else { continue };
            let expected = change.clone().into_json(json_of(stored.as_ref())).unwrap();
            let after = change.apply(stored.as_ref()).unwrap();
            prop_assert_eq!(json_of(after.as_ref()), expected);
            if let (Some(written), Some(after)) = (written, &after) {
                let live = read::<State>(after).unwrap();
                prop_assert_eq!(changed(&live, &written), 0);
            }
            past.push(after);
        }
    }
}

/// Not by `==`, for NaN is not equal to itself.
fn changed(before: &State, after: &State) -> usize {
    changes_between(before, remember(before).unwrap(), after).unwrap().len()
}

#[test]
fn only_what_a_commit_changed_is_stored() {
    let state = State { name: Some("a".to_owned()), ..State::default() };
    let stored = commit(None, state).unwrap().apply(None).unwrap().unwrap();
    assert_eq!(stored.fields_kept_as_json(), 0);
    assert_eq!(stored.json(), &json!({ "name": "a" }));
    let state = State { part: Part(1), ..State::clone(&read::<State>(&stored).unwrap()) };
    let stored = commit(Some(&stored), state).unwrap().apply(Some(&stored)).unwrap().unwrap();
    assert_eq!(stored.fields_kept_as_json(), 1);
    assert_eq!(stored.json(), &json!({ "name": "a", "part": 1 }));
}

#[test]
fn what_is_no_object_has_no_fields() {
    let stored = StoredValue::new(json!([1]));
    assert!(stored.parts(None).is_none());
    assert!(stored.decode::<State>().is_err());
    let fields = changed_fields(&Fields::new(), json!({ "a": 1 }).as_object().unwrap());
    let state = Contained::new(Arc::new(State::default()) as _);
    // Another commit came in between.
    let change = change_of(fields.clone(), None, Some(state));
    assert!(change.apply(Some(&stored)).is_err());
    assert_eq!(stored.json(), &json!([1]));
    // Only a state that begins anew reads what is no object.
    let change = change_of(fields, Some(stored.clone()), None);
    assert_eq!(change.apply(Some(&stored)).unwrap().unwrap().json(), &json!({ "a": 1 }));
}
