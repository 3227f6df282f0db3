//! Whose session it is: its owner and its label, as the application says them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest owner, and the longest label, in bytes.
pub(crate) const LONGEST: usize = 256;

/// Whose a session is. Never logged.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ownership {
    /// A user's id, as the application says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
    /// What its user tells sessions apart by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Arc<str>>,
}

/// What a commit changes of [`Ownership`]: what it does not name stays as it is stored.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::option_option, reason = "no owner is an owner to change to")]
pub struct OwnershipChanges {
    /// Another [`Ownership::owner`].
    pub owner: Option<Option<Arc<str>>>,
    /// Another [`Ownership::label`].
    pub label: Option<Option<Arc<str>>>,
}

impl OwnershipChanges {
    /// What there is after it.
    pub fn apply(&self, stored: Option<&Arc<Ownership>>) -> Option<Arc<Ownership>> {
        let mut ownership = stored.map(|stored| Ownership::clone(stored)).unwrap_or_default();
        if let Some(owner) = &self.owner {
            ownership.owner.clone_from(owner);
        }
        if let Some(label) = &self.label {
            ownership.label.clone_from(label);
        }
        (ownership != Ownership::default()).then(|| Arc::new(ownership))
    }

    /// Both. Of two owners or labels the later one counts.
    pub(crate) fn and(self, later: Self) -> Self {
        Self { owner: later.owner.or(self.owner), label: later.label.or(self.label) }
    }
}

impl std::fmt::Debug for Ownership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ownership").field("has_owner", &self.owner.is_some()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OwnershipChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnershipChanges")
            .field("changes_owner", &self.owner.is_some())
            .finish_non_exhaustive()
    }
}
