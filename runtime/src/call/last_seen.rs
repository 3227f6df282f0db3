//! What a connection has last seen of its session's states: kept for the disconnect handlers that run after its end.

use time::OffsetDateTime;

use crate::{
    backend::{Attributes, Keys, Loaded},
    session::{change::Changes, value::StoredValue},
};

/// Copies of the states that are asked for, as the connection's own calls loaded and committed them last. Cheap while the
/// backend has the same values.
#[derive(Default)]
pub(super) struct LastSeen {
    states: Vec<Kept>,
    session: Option<(Attributes, OffsetDateTime)>,
}

struct Kept {
    key: &'static str,
    seen: Seen,
}

enum Seen {
    NotYet,
    /// What is stored, if anything is.
    As(Option<StoredValue>),
}

impl LastSeen {
    /// Keeps these states, too, from the next time on that they are seen.
    pub(super) fn keep(&mut self, keys: &[&'static str]) {
        for key in keys {
            if self.states.iter().all(|kept| kept.key != *key) {
                self.states.push(Kept { key, seen: Seen::NotYet });
            }
        }
    }

    /// A call has loaded the session: these keys of it.
    pub(super) fn note_loaded(&mut self, keys: Keys, loaded: &Loaded) {
        for kept in self.states.iter_mut().filter(|kept| keys.want(kept.key)) {
            kept.seen = Seen::As(loaded.value(kept.key).cloned());
        }
        self.session = Some((loaded.attributes.clone(), loaded.expires));
    }

    /// A call has committed this.
    pub(super) fn note_committed(&mut self, changes: &Changes) {
        for (key, change) in changes {
            if let Some(kept) = self.states.iter_mut().find(|kept| kept.key == *key)
                && let Seen::As(value) = &mut kept.seen
                && let Ok(changed) = change.apply(value.as_ref())
            {
                *value = changed;
            }
        }
    }

    /// The session as it was seen last, with these states; `None` if one of them was not.
    pub(super) fn of(&self, keys: &[&str]) -> Option<Loaded> {
        let (attributes, expires) = self.session.clone()?;
        let mut loaded = Loaded::new(attributes, expires);
        for key in keys {
            let kept = self.states.iter().find(|kept| kept.key == *key)?;
            match &kept.seen {
                Seen::NotYet => return None,
                Seen::As(Some(value)) => loaded.values.push((kept.key.into(), value.clone())),
                Seen::As(None) => {}
            }
        }
        Some(loaded)
    }
}
