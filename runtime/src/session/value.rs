//! A stored value: the fields that are there only as JSON, and the decoded state, in which those are that a commit of
//! it wrote. So a session that handlers alone use is kept once, many handlers decode once, and a commit copies little.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::{
    error::Error,
    session::{
        diff::Differences,
        field::{Place, Places},
        state::{SessionState, decode},
    },
};

/// A field's name and its value.
pub(crate) type Field = (Cow<'static, str>, Arc<Value>);

/// The JSON value under one key of a session. Cheap to clone; clones share the decoded state.
#[derive(Clone)]
pub struct StoredValue(Arc<Shared>);

struct Shared {
    parts: Parts,
    /// The state that was decoded from the value, or from which a commit made it.
    state: OnceLock<Decoded>,
    /// The whole value: as it came, and then `parts` is empty; or made of the parts when it is asked for.
    json: OnceLock<Box<Value>>,
}

/// The fields of an object: each is either here as JSON, or in the state.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    fields: Vec<Field>,
    /// Those that are stored as they are in the state.
    live: Places,
}

/// A state, whichever it is.
pub(crate) type Decoded = Arc<dyn Live>;

pub(crate) trait Live: Any + Send + Sync {
    /// The fields in these places as JSON.
    fn fields(&self, places: Places) -> Vec<Field>;
}

impl<T: SessionState> Live for T {
    fn fields(&self, places: Places) -> Vec<Field> {
        Differences::fields_of(self, places)
    }
}

impl StoredValue {
    /// A value as it is stored.
    pub fn new(json: Value) -> Self {
        Self(Arc::new(Shared {
            parts: Parts::default(),
            state: OnceLock::new(),
            json: OnceLock::from(Box::new(json)),
        }))
    }

    /// An object of these fields, and the state that they are, where it is known.
    pub(crate) fn of_parts(parts: Parts, state: Option<Decoded>) -> Self {
        let state = state.map_or_else(OnceLock::new, OnceLock::from);
        Self(Arc::new(Shared { parts, state, json: OnceLock::new() }))
    }

    /// The value as it is stored.
    pub fn json(&self) -> &Value {
        self.0.json.get_or_init(|| {
            let fields = self.0.fields();
            let fields = fields.map(|(name, value)| (name.into_owned(), Arc::unwrap_or_clone(value)));
            Box::new(Value::Object(fields.collect()))
        })
    }

    /// What a value is made of that comes out of this one, if this is an object. Fields stay in the state only if the
    /// new value has one of the same type.
    pub(crate) fn parts(&self, state: Option<&Decoded>) -> Option<Parts> {
        let Shared { parts, state: own, json } = &*self.0;
        let type_of = |state: &Decoded| (**state).type_id();
        let in_parts = !parts.is_empty() || json.get().is_none();
        if in_parts && (parts.live.is_empty() || state.map(type_of) == own.get().map(type_of)) {
            return Some(parts.clone());
        }
        let fields = self.json().as_object()?.iter();
        let fields = fields.map(|(name, value)| (Cow::Owned(name.clone()), Arc::new(value.clone())));
        Some(Parts { fields: fields.collect(), live: Places::default() })
    }

    /// Whether this is the same value, and not only an equal one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The value as a state, decoded at most once for all clones.
    pub(crate) fn state<T: SessionState>(&self) -> Result<Arc<T>, Error> {
        if let Some(state) = self.0.state.get()
            && let Ok(state) = Arc::downcast::<T>(Arc::clone(state) as Arc<dyn Any + Send + Sync>)
        {
            return Ok(state);
        }
        let state = Arc::new(decode::<T>(self.json())?);
        // Another type under the same key may have been first: then this one is decoded each time.
        self.0.state.set(Arc::clone(&state) as _).ok();
        Ok(state)
    }
}

impl Shared {
    /// All fields, where the value is not there as JSON from the beginning.
    fn fields(&self) -> impl Iterator<Item = Field> {
        let live = self.state.get().map(|state| state.fields(self.parts.live));
        self.parts.fields.iter().cloned().chain(live.into_iter().flatten())
    }
}

impl Parts {
    fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.live.is_empty()
    }

    #[allow(clippy::ptr_arg, reason = "a name that is owned is cloned only if it is new")]
    pub(crate) fn put(&mut self, name: &Cow<'static, str>, json: Arc<Value>) {
        match self.fields.iter_mut().find(|(stored, _)| stored == name) {
            Some((_, stored)) => *stored = json,
            None => self.fields.push((name.clone(), json)),
        }
    }

    /// From now on the field is stored as it is in the state.
    pub(crate) fn put_live(&mut self, name: &str, place: Place) {
        if !self.live.contains(place) {
            self.remove(name);
            self.live.insert(place);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(stored, _)| stored != name);
    }
}

impl Serialize for StoredValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(json) = self.0.json.get() {
            return json.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.fields() {
            map.serialize_entry(&name, &*value)?;
        }
        map.end()
    }
}

impl fmt::Debug for StoredValue {
    /// Does not show the value: sessions hold what belongs into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredValue(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::{
        session::change::{Change, Fields, change_of, changed_fields},
        session_state,
    };

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
        let scale = prop_oneof![Just(0.0), Just(-0.0), Just(1.5), Just(f32::NAN)];
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
        let before = from.map_or_else(|| Ok(Arc::default()), StoredValue::state::<T>).ok()?;
        let fields = Differences::between(&*before, &after).unwrap();
        change_of(fields, from.cloned(), || Arc::new(after))
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
                        stored.as_ref().map(StoredValue::state::<State>);
                        None
                    }
                    Step::ReadOther => {
                        stored.as_ref().map(StoredValue::state::<Other>);
                        None
                    }
                    Step::ReadJson => {
                        prop_assert_eq!(stored.as_ref().map(|stored| stored.json().clone()), json_of(stored.as_ref()));
                        None
                    }
                };
                let Some(change) = change else { continue };
                let expected = change.apply_to_json(json_of(stored.as_ref())).unwrap();
                let after = change.apply(stored.as_ref()).unwrap();
                prop_assert_eq!(json_of(after.as_ref()), expected);
                if let (Some(written), Some(after)) = (written, &after) {
                    let live = after.state::<State>().unwrap();
                    prop_assert_eq!(changed(&live, &written), 0);
                }
                past.push(after);
            }
        }
    }

    /// Not by `==`, for NaN is not equal to itself.
    fn changed(before: &State, after: &State) -> usize {
        Differences::between(before, after).unwrap().len()
    }

    #[test]
    fn only_what_a_commit_changed_is_stored() {
        let state = State { name: Some("a".to_owned()), ..State::default() };
        let stored = commit(None, state).unwrap().apply(None).unwrap().unwrap();
        assert!(stored.0.parts.fields.is_empty());
        assert_eq!(stored.json(), &json!({ "name": "a" }));
        let state = State { part: Part(1), ..State::clone(&stored.state().unwrap()) };
        let stored = commit(Some(&stored), state).unwrap().apply(Some(&stored)).unwrap().unwrap();
        assert_eq!(stored.0.parts.fields.len(), 1);
        assert_eq!(stored.json(), &json!({ "name": "a", "part": 1 }));
    }

    #[test]
    fn what_is_no_object_has_no_fields() {
        let stored = StoredValue::new(json!([1]));
        assert!(stored.parts(None).is_none());
        assert!(stored.state::<State>().is_err());
        let fields = changed_fields(&Fields::new(), json!({ "a": 1 }).as_object().unwrap());
        let change = change_of(fields, Some(stored.clone()), || Arc::new(State::default())).unwrap();
        assert!(change.apply(Some(&stored)).is_err());
        assert_eq!(stored.json(), &json!([1]));
    }
}
