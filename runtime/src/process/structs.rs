//! What is warned of once for each struct of states: two under one key, and live ones that no layer sends. Both are as a rule
//! mistakes that nobody would notice.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use smallvec::SmallVec;

/// The whole names of the structs under each key.
#[derive(Debug, Default)]
pub(crate) struct Structs(Mutex<HashMap<&'static str, SmallVec<[&'static str; 1]>, RandomState>>);

impl Structs {
    /// Notes that a value under this key was decoded into a struct of this name, and warns of the second one.
    pub(crate) fn note(&self, key: &'static str, name: &'static str) {
        let first = {
            let mut structs = self.0.lock();
            let names = structs.entry(key).or_default();
            if names.contains(&name) {
                return;
            }
            names.push(name);
            names[0]
        };
        if first != name {
            tracing::warn!(
                "two structs have their values under the key `{key}`: `{first}` and `{name}`. If they are not two views of one \
                 value, give one of them another key: `#[session_state(key = \"..\")]`"
            );
        }
    }
}

/// The live states that were committed under a layer that does not send them.
#[derive(Debug, Default)]
pub(crate) struct UnnamedLive(Mutex<SmallVec<[&'static str; 2]>>);

impl UnnamedLive {
    /// Warns of a state, by its key, the first time.
    pub(crate) fn note(&self, key: &'static str) {
        let is_new = {
            let mut noted = self.0.lock();
            let is_new = !noted.contains(&key);
            if is_new {
                noted.push(key);
            }
            is_new
        };
        if is_new {
            tracing::warn!(
                "the state under the key `{key}` has an event (`#[session_state(emit = \"..\")]`), and no socket is sent it, for \
                 the layer does not know of it: write `SessionLayer::new(..).with_live::<..>()` with its type"
            );
        }
    }
}
