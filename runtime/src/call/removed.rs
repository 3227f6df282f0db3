//! The states that a call has asked to go, as a number: what a call wants is copied many times, and seldom is it this.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// Keys of states. 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removed(u32);

type Keys = BTreeSet<&'static str>;

/// Those that have a number. They stay: there are as many as the application's code names together.
static KNOWN: Mutex<Vec<Keys>> = Mutex::new(Vec::new());

impl Removed {
    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// These, and this one.
    pub(crate) fn with(self, key: &'static str) -> Self {
        let mut keys = self.keys();
        keys.insert(key);
        Self::of(keys)
    }

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        if self.is_empty() || self == other {
            return other;
        }
        if other.is_empty() { self } else { Self::of(&self.keys() | &other.keys()) }
    }

    pub(crate) fn keys(self) -> Keys {
        let at = usize::try_from(self.0).ok().and_then(|number| number.checked_sub(1));
        at.and_then(|at| KNOWN.lock().get(at).cloned()).unwrap_or_default()
    }

    fn of(keys: Keys) -> Self {
        let mut known = KNOWN.lock();
        let at = known.iter().position(|known| *known == keys).unwrap_or_else(|| {
            known.push(keys);
            known.len() - 1
        });
        Self(u32::try_from(at + 1).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_states_have_one_number() {
        let none = Removed::default();
        let (a, b) = (none.with("a"), none.with("b"));
        assert!(none.is_empty() && none.keys().is_empty() && !a.is_empty());
        assert_eq!(a.and(b), b.with("a"));
        assert_eq!(a.and(b).keys(), Keys::from(["a", "b"]));
        assert_eq!((a.and(none), none.and(a), a.with("a")), (a, a, a));
    }
}
