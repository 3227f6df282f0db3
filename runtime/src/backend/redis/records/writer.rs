//! Commits: one script each, carried out once however often it must be sent.

use std::{borrow::Cow, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{reader::Reader, record::Damaged};
use crate::{
    backend::{
        Action, BackendError, Commit,
        redis::wire::{
            Wire, millis,
            names::{SessionKeys, field, unique},
            scripts::{
                CommitAction, CommitAnswer, From, Operation, Refusal, SendAttributes, SendCommit,
                SendExpires, UnderLease,
            },
        },
        relay::{Done, LeaseAfter, Stored},
        text::{check_size, encode_expiry, encode_lasting, merge},
    },
    session::{change::Change, id::SessionId},
};

/// How often fields are merged anew, because plain `Session`s write the same value all the time.
const MERGES: usize = 16;

/// The pause before a session is tried again whose id is being changed, in a cluster.
const SHUT: Duration = Duration::from_millis(20);

/// Writes sessions.
pub(crate) struct Writer {
    pub(super) wire: Arc<Wire>,
    reader: Arc<Reader>,
    max_value_size: usize,
}

impl Writer {
    pub(crate) fn new(wire: Arc<Wire>, reader: Arc<Reader>, max_value_size: usize) -> Self {
        Self { wire, reader, max_value_size }
    }

    /// Commits, with a first guess of the values that changed fields are merged into; gives what was done.
    pub(crate) async fn commit(
        &self,
        commit: &Commit,
        under: Option<UnderLease<'_>>,
        stored: &[Stored],
    ) -> Result<Done, BackendError> {
        let keys =
            under.map_or_else(|| Cow::Owned(self.wire.keys(commit.id)), |under| Cow::Borrowed(under.keys));
        let done = self.carry_out(commit, &keys, under, stored).await;
        // Redis tells this process of its own change after it has answered.
        self.reader.forget(&keys.hidden);
        done
    }

    async fn carry_out(
        &self,
        commit: &Commit,
        keys: &SessionKeys,
        under: Option<UnderLease<'_>>,
        stored: &[Stored],
    ) -> Result<Done, BackendError> {
        let new = match commit.action {
            Action::ChangeId(new) => Some(self.wire.keys(new)),
            _ => None,
        };
        // In a cluster the new id is in another slot, as a rule.
        let far = new.as_ref().filter(|_| self.wire.link.is_cluster());
        let (token, begun) = (unique(), Instant::now());
        let (lasting, attributes) = attributes_of(commit)?;
        let mut bases = bases_of(commit, under, stored);
        let mut merges = 0;
        loop {
            let operations = self.operations(commit, &bases)?;
            let sending = SendCommit {
                keys,
                new_record: if far.is_some() { None } else { new.as_ref().map(|new| &*new.record) },
                action: if far.is_some() { CommitAction::Leave } else { action_of(commit) },
                token: &token,
                under,
                lasting: lasting.as_deref(),
                attributes: &attributes,
                operations: &operations,
            };
            let lease = match sending.send(&self.wire).await? {
                CommitAnswer::Done(lease) => lease,
                CommitAnswer::Left(record) => {
                    let new = far.ok_or_else(|| BackendError::failed("the session did not change its id"))?;
                    self.arrive(&sending, new, record).await?;
                    LeaseAfter::Ended
                }
                CommitAnswer::Conflict(values) if merges < MERGES => {
                    bases = values
                        .into_iter()
                        .map(|value| Base { value: value.map(Cow::Owned), held: false })
                        .collect();
                    merges += 1;
                    continue;
                }
                CommitAnswer::Conflict(_) => {
                    return Err(BackendError::failed(
                        "the value changed each time that fields were merged into it",
                    ));
                }
                CommitAnswer::Shut if begun.elapsed() < self.wire.link.timeout() => {
                    sleep(SHUT).await;
                    continue;
                }
                CommitAnswer::Shut => {
                    return Err(BackendError::failed("the session's id is being changed"));
                }
                CommitAnswer::Refused(refusal) => return Err(self.error_of(commit.id, refusal)),
            };
            return Ok(Done { stored: merged_values(operations), merged_anew: merges > 0, lease });
        }
    }

    fn error_of(&self, id: SessionId, refusal: Refusal) -> BackendError {
        match refusal {
            Refusal::Gone(tombstone) => {
                self.reader.found_gone(id, tombstone);
                BackendError::Gone
            }
            Refusal::Lost => BackendError::TurnLost,
            Refusal::Unknown => BackendError::OutcomeUnknown("too many commits came after it".into()),
            Refusal::Exists => BackendError::failed("Redis has a session under a fresh id already"),
            Refusal::Broken => BackendError::failed(Damaged("m")),
        }
    }

    fn operations(&self, commit: &Commit, bases: &[Base<'_>]) -> Result<Vec<Operation>, BackendError> {
        let mut bases = bases.iter();
        let mut operations = Vec::with_capacity(commit.changes.len());
        let begun = match &commit.action {
            Action::Create(attributes) => attributes.ownership.as_deref(),
            _ => None,
        };
        let begun = begun.map(|own| [Some(own.owner.as_deref()), Some(own.label.as_deref())]);
        let changed = commit.attributes.ownership.as_deref();
        let changed = changed
            .map(|changes| [&changes.owner, &changes.label].map(|to| to.as_ref().map(Option::as_deref)));
        for (field, to) in ["o", "b"].into_iter().zip(begun.or(changed).into_iter().flatten()) {
            match to {
                Some(Some(text)) => {
                    operations.push(Operation::Set(field.to_owned(), text.as_bytes().to_vec()));
                }
                Some(None) => operations.push(Operation::Remove(field.to_owned())),
                None => {}
            }
        }
        for (key, change) in &commit.changes {
            let field = field(key);
            let limit = self.max_value_size;
            operations.push(match change {
                Change::Remove => Operation::Remove(field),
                Change::Set(value) => {
                    let json = serde_json::to_vec(value).map_err(BackendError::failed)?;
                    check_size(key, json.len(), limit)?;
                    Operation::Set(field, json)
                }
                Change::Fields(changed) => {
                    let base = bases.next();
                    let value = base.and_then(|base| base.value.as_deref());
                    let to = merge(key, value, changed)?;
                    check_size(key, to.len(), limit)?;
                    let from = match value {
                        _ if base.is_some_and(|base| base.held) => From::Held,
                        Some(value) => From::Stored(value.to_vec()),
                        None => From::Nothing,
                    };
                    Operation::Merge { field, from, to }
                }
            });
        }
        Ok(operations)
    }
}

/// The values into which fields were merged.
fn merged_values(operations: Vec<Operation>) -> Vec<Stored> {
    let merged = operations.into_iter().filter_map(|operation| match operation {
        Operation::Merge { field, to, .. } => {
            let key = field.strip_prefix("v:")?.to_owned();
            Some(Stored { key: Cow::Owned(key), json: to, version: 0 })
        }
        _ => None,
    });
    merged.collect()
}

/// A value into which changed fields are merged.
struct Base<'a> {
    value: Option<Cow<'a, [u8]>>,
    /// It was loaded with the turn of this commit.
    held: bool,
}

/// The values into which changed fields are merged. Without a lease they begin with a guess, that nothing is stored;
/// Redis knows better.
fn bases_of<'a>(commit: &Commit, under: Option<UnderLease<'_>>, stored: &'a [Stored]) -> Vec<Base<'a>> {
    let merged = commit.changes.iter().filter(|(_, change)| matches!(change, Change::Fields(_)));
    let base = |key: &str| Base {
        value: stored.iter().find(|stored| stored.key == key).map(|stored| (&*stored.json).into()),
        held: under.is_some_and(|under| under.states.contains(&key)),
    };
    merged.map(|(key, _)| base(key)).collect()
}

/// What a commit says of the session itself, as it stands in Redis: of a new record what never changes, and what changes.
fn attributes_of(commit: &Commit) -> Result<(Option<String>, SendAttributes), BackendError> {
    let expires = commit.expires.map(|expires| {
        let at = millis::since_1970(expires.at).to_string();
        Ok(SendExpires { at, reckoned_from: (encode_expiry(expires.expiry)?, expires.provisional) })
    });
    let expires = expires.transpose()?;
    if let Action::Create(new) = &commit.action {
        let (expiry, provisional) = (Some(encode_expiry(new.expiry)?), Some(new.provisional));
        return Ok((Some(encode_lasting(new)?), SendAttributes { expiry, provisional, expires }));
    }
    let expiry = commit.attributes.expiry.map(encode_expiry).transpose()?;
    let provisional = commit.attributes.written.then_some(false);
    Ok((None, SendAttributes { expiry, provisional, expires }))
}

fn action_of(commit: &Commit) -> CommitAction {
    match commit.action {
        Action::End if commit.revoked => CommitAction::Revoke,
        Action::Create(_) => CommitAction::Create,
        Action::Update => CommitAction::Update,
        Action::ChangeId(_) => CommitAction::Change,
        Action::End => CommitAction::End,
    }
}
