//! Commits: one script each, carried out once however often it must be sent.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use tower_sessions::Expiry;

use super::record::{check_size, merge, milliseconds};
use crate::{
    backend::redis::{
        Inner,
        turns::leases::{Held, whole_ms},
        unexpected,
        wire::{
            link::Failure,
            names::{SessionKeys, field, unique},
            scripts::{Answer, COMMIT, bytes, run},
        },
    },
    backend::{Action, BackendError, Commit, Lease},
    process::endings::RECENT,
    session::{change::Change, id::SessionId},
};

/// How often fields are merged anew, because plain `Session`s write the same value all the time.
const MERGES: usize = 16;

/// The pause before a session is tried again whose id is being changed, in a cluster.
const SHUT: Duration = Duration::from_millis(20);

/// What happens to one field of the record.
pub(crate) enum Operation {
    Set(String, Vec<u8>),
    Remove(String),
    /// Some fields of a value change; `from` is the value that they were merged into.
    Merge {
        field: String,
        from: Option<Vec<u8>>,
        to: Vec<u8>,
    },
}

/// Whether the lease outlives a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    No,
    /// Another call of this node is to have it, unless other nodes wait.
    UnlessAwaited,
    /// Another call of this node has it.
    Yes,
}

/// What a commit came to.
pub(crate) struct Done {
    pub(crate) operations: Vec<Operation>,
    /// The values were not those that the changes were made from.
    pub(crate) merged_anew: bool,
    /// The lease has ended.
    pub(crate) ended: bool,
    /// The lease has not ended, and no other node waits for it.
    pub(crate) unawaited: bool,
}

/// What is sent to the script, beside what is the same for all commits of a backend.
pub(crate) struct Sending<'a> {
    pub(crate) keys: &'a SessionKeys,
    /// The record under the new id, where it can be reached.
    pub(crate) new: Option<&'a str>,
    pub(crate) action: &'static str,
    pub(crate) token: &'a str,
    pub(crate) held: Option<&'a Held>,
    pub(crate) lease: Lease,
    pub(crate) keep: Keep,
    pub(crate) meta: Option<String>,
    pub(crate) expires: Option<String>,
    pub(crate) operations: &'a [Operation],
}

impl Inner {
    pub(crate) async fn commit(&self, commit: &Commit) -> Result<(), BackendError> {
        let held = if commit.lease == Lease::default() {
            None
        } else {
            Some(self.leases.held(commit.id, commit.lease).ok_or(BackendError::TurnLost)?)
        };
        let stored = held.as_ref().map_or(&[][..], |held| &held.stored);
        let done = self.carry_out(commit, held.as_deref(), stored, Keep::No).await;
        // Redis tells this process of its own change after it has answered.
        self.forget_read(&commit.id.hidden_bytes());
        done?;
        self.leases.forget(commit.id, commit.lease);
        Ok(())
    }

    /// Commits, with a first guess of what the changed fields are merged into; gives what was done.
    pub(crate) async fn carry_out(
        &self,
        commit: &Commit,
        held: Option<&Held>,
        stored: &[(String, Vec<u8>)],
        keep: Keep,
    ) -> Result<Done, BackendError> {
        let new = match commit.action {
            Action::ChangeId(new) => Some(SessionKeys::new(&self.options.prefix, new)),
            _ => None,
        };
        // In a cluster the new id is in another slot, as a rule.
        let far = new.as_ref().filter(|_| self.link.is_cluster());
        let keys = SessionKeys::new(&self.options.prefix, commit.id);
        let (token, begun) = (unique(), Instant::now());
        let mut stored = values_of(commit, stored);
        let mut merges = 0;
        loop {
            let operations = self.operations(commit, &stored)?;
            let sending = Sending {
                keys: &keys,
                new: if far.is_some() { None } else { new.as_ref().map(|new| &*new.record) },
                action: if far.is_some() { "leave" } else { word_of(commit.action) },
                token: &token,
                held,
                lease: commit.lease,
                keep,
                meta: commit
                    .meta
                    .as_ref()
                    .map(serde_json::to_string)
                    .transpose()
                    .map_err(BackendError::failed)?,
                expires: commit.expires.map(|moment| reckoned(moment, commit.expiry)).transpose()?,
                operations: &operations,
            };
            let answer = self.send(&sending).await?;
            match (&*answer.word, far) {
                ("conflict", _) if merges < MERGES => {
                    stored = answer.rest.iter().map(bytes).collect();
                    merges += 1;
                }
                ("conflict", _) => {
                    return Err(BackendError::failed(
                        "the value changed each time that fields were merged into it",
                    ));
                }
                ("shut", _) if begun.elapsed() < self.options.timeout => sleep(SHUT).await,
                ("shut", _) => return Err(BackendError::failed("the session's id is being changed")),
                ("left", Some(new)) => {
                    self.arrive(&sending, new, &answer).await?;
                    return Ok(Done::after(operations, merges, "ended"));
                }
                _ => {
                    self.judge(commit.id, &answer)?;
                    let lease = answer.rest.first().and_then(bytes).unwrap_or_default();
                    return Ok(Done::after(operations, merges, &String::from_utf8_lossy(&lease)));
                }
            }
        }
    }

    /// Whether a commit is done, by its last answer.
    pub(crate) fn judge(&self, id: SessionId, answer: &Answer) -> Result<(), BackendError> {
        match &*answer.word {
            "done" => Ok(()),
            "gone" => {
                self.heard_of_end(id, answer.rest.first());
                Err(BackendError::Gone)
            }
            "lost" => Err(BackendError::TurnLost),
            "unknown" => Err(BackendError::OutcomeUnknown("too many commits came after it".into())),
            "exists" => Err(BackendError::failed("Redis has a session under a fresh id already")),
            _ => Err(unexpected(answer)),
        }
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

    pub(crate) async fn send(&self, sending: &Sending<'_>) -> Result<Answer, BackendError> {
        let Sending { keys, held, operations, .. } = *sending;
        let (ticket, states) = held.map_or(("", &[][..]), |held| (&*held.ticket, &*held.states));
        let prepared = |retried: bool| {
            let mut script = COMMIT.prepare_invoke();
            script.key(&keys.record).key(&keys.control).key(&keys.tokens).key(&keys.tombstone);
            if let Some(new) = sending.new {
                script.key(new);
            }
            script.arg(&self.options.prefix).arg(&self.node).arg(&keys.hidden).arg(sending.action);
            script.arg(sending.token).arg(u8::from(retried)).arg(ticket).arg(sending.lease.0);
            script.arg(sending.expires.as_deref().unwrap_or_default());
            script.arg(sending.meta.as_deref().unwrap_or_default());
            script.arg(whole_ms(RECENT));
            script.arg(match sending.keep {
                Keep::No => "",
                Keep::UnlessAwaited => "unless awaited",
                Keep::Yes => "yes",
            });
            script.arg(whole_ms(self.options.lease)).arg(held.map_or(0, |held| whole_ms(held.hold)));
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

impl Done {
    /// `lease`: what the script said of it.
    fn after(operations: Vec<Operation>, merges: usize, lease: &str) -> Self {
        let (ended, unawaited) = (lease == "ended", lease == "unawaited");
        Self { operations, merged_anew: merges > 0, ended, unawaited }
    }
}

/// The values into which changed fields are merged. Without a lease they begin with a guess, that nothing is stored;
/// Redis knows better.
fn values_of(commit: &Commit, stored: &[(String, Vec<u8>)]) -> Vec<Option<Vec<u8>>> {
    let merged = commit.changes.iter().filter(|(_, change)| matches!(change, Change::Fields(_)));
    let value = |key: &str| stored.iter().find(|(stored, _)| stored == key).map(|(_, value)| value.clone());
    merged.map(|(key, _)| value(key)).collect()
}

/// A moment of expiry, and what it was reckoned from as it stands in [`Meta`](crate::backend::Meta).
fn reckoned(moment: OffsetDateTime, expiry: Option<Expiry>) -> Result<String, BackendError> {
    let moment = milliseconds(moment);
    let Some(expiry) = expiry else { return Ok(moment.to_string()) };
    let expiry = serde_json::to_string(&expiry).map_err(BackendError::failed)?;
    Ok(format!(r#"{moment} "expiry":{expiry}"#))
}

fn word_of(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::ChangeId(_) => "change",
        Action::End => "end",
    }
}
