//! Commits: one statement each, carried out once however often it must be sent.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgRow;

use super::{
    link::Failure,
    node::Node,
    records::get,
    wire::{Wire, since_1970, span, unique},
};
use crate::{
    backend::{
        Action, BackendError, Commit, Ending, Registry,
        progress::Progress,
        relay::{Done, Keep, LeaseAfter, Stored},
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
    max_value_size: usize,
}

/// The lease under which a commit is made.
#[derive(Clone, Copy)]
pub(super) struct UnderLease {
    pub(super) ticket: i64,
    pub(super) states: &'static [&'static str],
    pub(super) keep: Keep,
    /// How long it lasts unless it is renewed.
    pub(super) length: Duration,
    /// For how long the next call may hold it.
    pub(super) hold: Duration,
}

/// The calls of this node whose turn has come.
pub(super) enum Woken {
    These(Vec<i64>),
    /// Perhaps all.
    Unknown,
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
    pub(super) fn new(wire: Arc<Wire>, node: Node, max_value_size: usize) -> Self {
        Self { wire, node, max_value_size }
    }

    /// Commits, with a first guess of the values that changed fields are merged into; gives what was done, and who waits
    /// here and has their turn.
    pub(super) async fn commit(
        &self,
        commit: &Commit,
        under: Option<UnderLease>,
        stored: &[Stored],
    ) -> Result<(Done, Woken), BackendError> {
        let progress = Progress::of_commit();
        progress.has_written_nothing();
        self.carry_out(commit, under, stored, &progress).await
    }

    async fn carry_out(
        &self,
        commit: &Commit,
        under: Option<UnderLease>,
        stored: &[Stored],
        progress: &Progress,
    ) -> Result<(Done, Woken), BackendError> {
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
        let states = under.iter().flat_map(|under| under.states);
        let states: Vec<_> = states.map(|state| state.as_bytes().to_vec()).collect();
        let keep = word(under.map_or(Keep::No, |under| under.keep));
        let [length, hold] = under.map_or([0; 2], |under| [under.length, under.hold].map(span));
        let recent = span(Registry::ENDINGS_ARE_REMEMBERED);
        let mut bases = bases_of(commit, stored);
        for merges in 0..MERGES {
            let operations = self.operations(commit, &bases)?;
            let send = |sent: Option<Duration>| {
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
                let query = query.bind(under.map(|under| under.ticket)).bind(states.clone());
                let query = query.bind(keep).bind(length).bind(hold);
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
                    self.is_in(commit);
                    let lease = lease_after(get(row, "lease")?);
                    let stored = operations.merged(commit, token);
                    return Ok((Done { stored, merged_anew: merges > 0, lease }, woken(row)?));
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

impl Operations {
    /// The values into which fields were merged by the commit with this token.
    fn merged(self, commit: &Commit, token: i64) -> Vec<Stored> {
        let merged =
            commit.changes.iter().zip(self.values).filter_map(|((key, change), value)| match change {
                Change::Fields(_) => Some(Stored { key: key.clone(), json: value?, version: token }),
                _ => None,
            });
        merged.collect()
    }
}

fn word(keep: Keep) -> &'static str {
    match keep {
        Keep::No => "no",
        Keep::UnlessAwaited => "unless awaited",
        Keep::Yes => "yes",
    }
}

fn lease_after(word: Option<&str>) -> LeaseAfter {
    match word {
        Some("ended") => LeaseAfter::Ended,
        Some("awaited") => LeaseAfter::Awaited,
        Some("unawaited") => LeaseAfter::Unawaited,
        _ => LeaseAfter::Unsaid,
    }
}

fn woken(row: &PgRow) -> Result<Woken, BackendError> {
    if get::<Option<&str>>(row, "kind")?.is_some() {
        // It ended when it was sent before, and who waited here was said in the answer that was lost.
        return Ok(Woken::Unknown);
    }
    Ok(Woken::These(get::<Option<Vec<i64>>>(row, "woken")?.unwrap_or_default()))
}

/// The values into which changed fields are merged. Without a lease they begin with a guess, that nothing is stored;
/// PostgreSQL knows better.
fn bases_of(commit: &Commit, stored: &[Stored]) -> Vec<Base> {
    let merged = commit.changes.iter().filter(|(_, change)| matches!(change, Change::Fields(_)));
    let base = |key: &str| {
        let found = stored.iter().find(|stored| stored.key == key);
        found.map_or((None, 0), |stored| (Some(stored.json.clone()), stored.version))
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
