//! Commits: one statement each, carried out once however often it must be sent.

use std::sync::Arc;

use super::{
    link::Failure,
    node::Node,
    records::get,
    turns::{Held, Leases},
    wire::{Wire, since_1970, span, unique},
};
use crate::{
    backend::{
        Action, BackendError, Commit, Ending, Lease, Registry,
        progress::Progress,
        text::{check_size, encode_expiry, encode_lasting, merge},
    },
    session::change::Change,
};

/// How often fields are merged anew, because plain `Session`s write the same value all the time.
const MERGES: usize = 64;

/// Writes sessions.
pub(super) struct Writer {
    wire: Arc<Wire>,
    node: Node,
    leases: Arc<Leases>,
    max_value_size: usize,
}

/// A value into which changed fields are merged, and its version; 0: there is none.
type Base = (Option<Vec<u8>>, i64);

/// What a commit says of the session itself.
#[allow(clippy::option_option, reason = "no owner is an owner to change to")]
#[derive(Default)]
struct Said {
    public_key: Option<Vec<u8>>,
    lasting: Option<String>,
    expiry: Option<String>,
    provisional: Option<bool>,
    expires: Option<i64>,
    reckoned: Option<(String, bool)>,
    owner: Option<Option<Vec<u8>>>,
    label: Option<Option<Vec<u8>>>,
}

/// Keys, their new values (none: it is removed), and the versions that they must have.
#[derive(Default)]
struct Operations {
    keys: Vec<Vec<u8>>,
    values: Vec<Option<Vec<u8>>>,
    versions: Vec<Option<i64>>,
}

impl Writer {
    pub(super) fn new(wire: Arc<Wire>, node: Node, leases: Arc<Leases>, max_value_size: usize) -> Self {
        Self { wire, node, leases, max_value_size }
    }

    /// Commits, and ends the lease.
    pub(super) async fn commit(&self, commit: &Commit) -> Result<(), BackendError> {
        let lease = commit.lease;
        let held = if lease == Lease::default() || commit.action == Action::End {
            None
        } else {
            Some(self.leases.held(commit.id, lease).ok_or(BackendError::TurnLost)?)
        };
        let progress = Progress::of_commit();
        progress.has_written_nothing();
        self.carry_out(commit, held.as_deref(), &progress).await?;
        self.leases.forget(commit.id, lease);
        Ok(())
    }

    async fn carry_out(
        &self,
        commit: &Commit,
        held: Option<&Held>,
        progress: &Progress,
    ) -> Result<(), BackendError> {
        let session = self.wire.hidden(commit.id);
        let hidden = &session.as_bytes()[..];
        let new = match commit.action {
            Action::ChangeId(new) => Some(self.wire.hidden(new).as_bytes().to_vec()),
            _ => None,
        };
        let action = match commit.action {
            Action::Create(_) => "create",
            Action::Update => "update",
            Action::ChangeId(_) => "change",
            Action::End if commit.revoked => "R",
            Action::End => "E",
        };
        let (token, said) = (unique(), said(commit)?);
        let (reckoned_expiry, reckoned_provisional) = said.reckoned.clone().unwrap_or_default();
        let states: Vec<_> =
            held.iter().flat_map(|held| held.states).map(|state| state.as_bytes().to_vec()).collect();
        let recent = span(Registry::ENDINGS_ARE_REMEMBERED);
        let mut bases = bases_of(commit, held);
        for _ in 0..MERGES {
            let operations = self.operations(commit, &bases)?;
            let send = |sent: Option<std::time::Duration>| {
                let query =
                    sqlx::query(&self.wire.statements.commit).bind(hidden).bind(action).bind(new.clone());
                let query = query.bind(token).bind(sent.map(span)).bind(&*self.wire.node).bind(recent);
                let query =
                    query.bind(said.public_key.clone()).bind(said.lasting.clone().map(String::into_bytes));
                let query = query.bind(said.expiry.clone().map(String::into_bytes)).bind(said.provisional);
                let query = query.bind(said.expires).bind(reckoned_expiry.clone().into_bytes());
                let query = query.bind(reckoned_provisional);
                let query = query.bind(said.owner.is_some()).bind(said.owner.clone().flatten());
                let query = query.bind(said.label.is_some()).bind(said.label.clone().flatten());
                let query = query.bind(held.map(|held| held.ticket)).bind(states.clone());
                query
                    .bind(operations.keys.clone())
                    .bind(operations.values.clone())
                    .bind(operations.versions.clone())
            };
            let rows = self.wire.link.call(send, || progress.may_have_written()).await;
            let rows = rows.map_err(Failure::of_commit)?;
            let row = rows.first().ok_or_else(|| BackendError::failed("PostgreSQL gave no answer"))?;
            match get(row, "answer")? {
                "done" => {
                    let woken: Option<Vec<i64>> = get(row, "woken")?;
                    woken.into_iter().flatten().for_each(|ticket| self.leases.wake(ticket));
                    if get::<Option<&str>>(row, "kind")?.is_some() {
                        // It ended when it was sent before, and who waited here was said in the answer that was lost.
                        self.leases.wake_all();
                    }
                    self.is_in(commit);
                    return Ok(());
                }
                "conflict" => {
                    progress.has_written_nothing();
                    let values: Vec<Option<Vec<u8>>> = get(row, "vals")?;
                    let versions: Vec<i64> = get(row, "versions")?;
                    bases = values.into_iter().zip(versions).collect();
                }
                "gone" => {
                    self.node.found_gone(session, get(row, "kind")?, get(row, "node")?);
                    return Err(BackendError::Gone);
                }
                "lost" => return Err(BackendError::TurnLost),
                "unknown" => {
                    return Err(BackendError::OutcomeUnknown("too many commits came after it".into()));
                }
                _ => return Err(BackendError::failed("PostgreSQL has a session under a fresh id already")),
            }
        }
        Err(BackendError::failed("the value changed each time that fields were merged into it"))
    }

    /// What this node knows from now on.
    fn is_in(&self, commit: &Commit) {
        let session = self.wire.hidden(commit.id);
        match commit.action {
            Action::End if commit.revoked => self.node.has_ended(session, Ending::Revoked),
            Action::End => self.node.has_ended(session, Ending::Ended),
            Action::ChangeId(_) => self.node.has_ended(session, Ending::IdChanged),
            _ if !commit.changes.is_empty() => self.node.has_committed(session),
            _ => {}
        }
    }

    fn operations(&self, commit: &Commit, bases: &[Base]) -> Result<Operations, BackendError> {
        let (mut bases, mut operations) = (bases.iter(), Operations::default());
        for (key, change) in &commit.changes {
            let (value, version) = match change {
                Change::Remove => (None, None),
                Change::Set(value) => (Some(serde_json::to_vec(value).map_err(BackendError::failed)?), None),
                Change::Fields(changed) => {
                    let base = bases.next();
                    let stored = base.and_then(|(value, _)| value.as_deref());
                    (Some(merge(key, stored, changed)?), Some(base.map_or(0, |(_, version)| *version)))
                }
            };
            if let Some(value) = &value {
                check_size(key, value.len(), self.max_value_size)?;
            }
            operations.keys.push(key.as_bytes().to_vec());
            operations.values.push(value);
            operations.versions.push(version);
        }
        Ok(operations)
    }
}

/// The values into which changed fields are merged. Without a lease they begin with a guess, that nothing is stored;
/// PostgreSQL knows better.
fn bases_of(commit: &Commit, held: Option<&Held>) -> Vec<Base> {
    let merged = commit.changes.iter().filter(|(_, change)| matches!(change, Change::Fields(_)));
    let base = |key: &str| {
        let stored = held.into_iter().flat_map(|held| &held.stored);
        let found = stored.into_iter().find(|(stored, ..)| stored == key.as_bytes());
        found.map_or((None, 0), |(_, value, version)| (Some(value.clone()), *version))
    };
    merged.map(|(key, _)| base(key)).collect()
}

fn said(commit: &Commit) -> Result<Said, BackendError> {
    let mut said = Said::default();
    if let Some(expires) = &commit.expires {
        said.expires = Some(since_1970(expires.at));
        said.reckoned = Some((encode_expiry(expires.expiry)?, expires.provisional));
    }
    let bytes = |text: &Arc<str>| text.as_bytes().to_vec();
    if let Action::Create(new) = &commit.action {
        said.public_key = Some(new.key.as_bytes().to_vec());
        said.lasting = Some(encode_lasting(new)?);
        said.expiry = Some(encode_expiry(new.expiry)?);
        said.provisional = Some(new.provisional);
        said.owner = Some(new.ownership.as_ref().and_then(|own| own.owner.as_ref().map(bytes)));
        said.label = Some(new.ownership.as_ref().and_then(|own| own.label.as_ref().map(bytes)));
        return Ok(said);
    }
    said.expiry = commit.attributes.expiry.map(encode_expiry).transpose()?;
    said.provisional = commit.attributes.written.then_some(false);
    if let Some(changes) = &commit.attributes.ownership {
        said.owner = changes.owner.as_ref().map(|owner| owner.as_ref().map(bytes));
        said.label = changes.label.as_ref().map(|label| label.as_ref().map(bytes));
    }
    Ok(said)
}
