//! Which structs the values of a backend were decoded into: two under one key are as a rule a mistake, and nobody would
//! notice.

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
