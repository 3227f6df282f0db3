//! Commits: one script each, carried out once however often it must be sent.

use super::{
    Inner,
    leases::Held,
    link::Failure,
    names::{SessionKeys, field, unique},
    record::{check_size, merge, milliseconds},
    scripts::{Answer, COMMIT, bytes, run},
};
use crate::{
    backend::{Action, BackendError, Commit, Lease},
    change::Change,
    recent::RECENT,
};

/// How often fields are merged anew, because plain `Session`s write the same value all the time.
const MERGES: usize = 16;

/// What happens to one field of the record.
enum Operation {
    Set(String, Vec<u8>),
    Remove(String),
    /// Some fields of a value change; `from` is the value that they were merged into.
    Merge {
        field: String,
        from: Option<Vec<u8>>,
        to: Vec<u8>,
    },
}

impl Inner {
    pub(super) async fn commit(&self, commit: &Commit) -> Result<(), BackendError> {
        let held = if commit.lease == Lease::default() {
            None
        } else {
            Some(self.leases.held(commit.id, commit.lease).ok_or(BackendError::TurnLost)?)
        };
        let keys = SessionKeys::new(&self.options.prefix, commit.id);
        // Fields that change without a lease begin with a guess, that nothing is stored; Redis knows better.
        let mut stored: Vec<Option<Vec<u8>>> = commit
            .changes
            .iter()
            .filter(|(_, change)| matches!(change, Change::Fields(_)))
            .map(|(key, _)| {
                let loaded = &held.as_ref()?.loaded;
                loaded.iter().find(|(stored, _)| stored == key).map(|(_, value)| value.clone())
            })
            .collect();
        let token = unique();
        for _ in 0..MERGES {
            let operations = self.operations(commit, &stored)?;
            let answer = self.send(commit, &keys, held.as_ref(), &token, &operations).await?;
            match &*answer.word {
                "done" => {
                    self.leases.forget(commit.id, commit.lease);
                    return Ok(());
                }
                "conflict" => stored = answer.rest.iter().map(bytes).collect(),
                "gone" => {
                    self.heard_of_end(commit.id, answer.rest.first());
                    return Err(BackendError::Gone);
                }
                "lost" => return Err(BackendError::TurnLost),
                "unknown" => {
                    return Err(BackendError::OutcomeUnknown("too many commits came after it".into()));
                }
                "exists" => {
                    return Err(BackendError::failed("Redis has a session under a fresh id already"));
                }
                _ => return Err(super::unexpected(&answer)),
            }
        }
        Err(BackendError::failed("the value changed each time that fields were merged into it"))
    }

    fn operations(
        &self,
        commit: &Commit,
        stored: &[Option<Vec<u8>>],
    ) -> Result<Vec<Operation>, BackendError> {
        let mut stored = stored.iter();
        let mut operations = Vec::with_capacity(commit.changes.len());
        for (key, change) in &commit.changes {
            let field = field(key);
            let limit = self.options.max_value_size;
            operations.push(match change {
                Change::Remove => Operation::Remove(field),
                Change::Set(value) => {
                    let json = serde_json::to_vec(value).map_err(BackendError::failed)?;
                    check_size(key, json.len(), limit)?;
                    Operation::Set(field, json)
                }
                Change::Fields(changed) => {
                    let from = stored.next().cloned().flatten();
                    let to = merge(key, from.as_deref(), changed)?;
                    check_size(key, to.len(), limit)?;
                    Operation::Merge { field, from, to }
                }
            });
        }
        Ok(operations)
    }

    async fn send(
        &self,
        commit: &Commit,
        keys: &SessionKeys,
        held: Option<&Held>,
        token: &str,
        operations: &[Operation],
    ) -> Result<Answer, BackendError> {
        let meta =
            commit.meta.as_ref().map(serde_json::to_string).transpose().map_err(BackendError::failed)?;
        let expires = commit.expires.map(|moment| milliseconds(moment).to_string());
        let new = match commit.action {
            Action::ChangeId(new) => Some(SessionKeys::new(&self.options.prefix, new).record),
            _ => None,
        };
        let (ticket, states) = held.map_or(("", &[][..]), |held| (&*held.ticket, &*held.states));
        let prepared = |retried: bool| {
            let mut script = COMMIT.prepare_invoke();
            script.key(&keys.record).key(&keys.control).key(&keys.tokens).key(&keys.tombstone);
            if let Some(new) = &new {
                script.key(new);
            }
            script.arg(&self.options.prefix).arg(&self.node).arg(&keys.hidden).arg(word_of(commit.action));
            script.arg(token).arg(u8::from(retried)).arg(ticket).arg(commit.lease.0);
            script.arg(expires.as_deref().unwrap_or_default()).arg(meta.as_deref().unwrap_or_default());
            script.arg(u64::try_from(RECENT.as_millis()).unwrap_or(u64::MAX));
            script.arg(states.len()).arg(states);
            for operation in operations {
                let (word, field, to, from): (_, _, &[u8], &[u8]) = match operation {
                    Operation::Set(field, value) => ("set", field, value, b""),
                    Operation::Remove(field) => ("remove", field, b"", b""),
                    Operation::Merge { field, from: Some(from), to } => ("merge", field, to, from),
                    Operation::Merge { field, from: None, to } => ("begin", field, to, b""),
                };
                script.arg(word).arg(field).arg(to).arg(from);
            }
            script
        };
        self.link
            .call(|connection, retried| {
                let script = prepared(retried);
                async move { run(&script, connection).await }
            })
            .await
            .map_err(Failure::of_commit)
    }
}

fn word_of(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::ChangeId(_) => "change",
        Action::End => "end",
    }
}
