//! A change of id in a cluster, where the new record lies in another slot, and no script reaches both. The new one
//! exists before the old one goes; if this process dies in between, the old one goes on as it was after a while, and
//! the new one, whose id nobody was told, expires.

use super::writer::Writer;
use crate::backend::{
    BackendError,
    redis::wire::{
        names::{SessionKeys, unique},
        scripts::{CommitAction, CommitAnswer, Expires, Fields, Operation, Refusal, SendCommit},
    },
};

impl Writer {
    /// The old record was checked and is shut: puts it, with its changes, under the new id, and ends the old one.
    pub(super) async fn arrive(
        &self,
        leaving: &SendCommit<'_>,
        new: &SessionKeys,
        mut record: Fields,
    ) -> Result<(), BackendError> {
        change(&mut record, leaving.operations);
        let (attributes, expires) = (take(&mut record, b"m"), take(&mut record, b"x"));
        let expires = expires.map(|at| Expires { at, reckoned_from: String::new() });
        let operations: Vec<_> = record
            .into_iter()
            .filter_map(|(field, value)| Some(Operation::Set(String::from_utf8(field).ok()?, value)))
            .collect();
        let arriving = SendCommit {
            keys: new,
            action: CommitAction::Create,
            under: None,
            attributes: leaving.attributes.or(attributes.as_deref()),
            expires: leaving.expires.or(expires.as_ref()),
            operations: &operations,
            ..*leaving
        };
        let CommitAnswer::Done(_) = arriving.send(&self.wire).await? else {
            return Err(BackendError::failed("Redis did not take the session under its new id"));
        };
        let ending = SendCommit {
            action: CommitAction::Left,
            attributes: None,
            expires: None,
            operations: &[],
            ..*leaving
        };
        let error = match ending.send(&self.wire).await? {
            CommitAnswer::Done(_) => return Ok(()),
            CommitAnswer::Refused(Refusal::Gone(_)) => BackendError::Gone,
            _ => BackendError::TurnLost,
        };
        // The old one was opened again, or ended. Two live ids of one session must not be.
        let token = unique();
        let undo = SendCommit {
            action: CommitAction::End,
            token: &token,
            attributes: None,
            expires: None,
            operations: &[],
            ..arriving
        };
        undo.send(&self.wire).await?;
        Err(error)
    }
}

/// The record as the commit leaves it, and open.
fn change(record: &mut Fields, operations: &[Operation]) {
    record.retain(|(field, _)| field != b"l");
    for operation in operations {
        let (field, value) = match operation {
            Operation::Set(field, value) | Operation::Merge { field, to: value, .. } => (field, Some(value)),
            Operation::Remove(field) => (field, None),
        };
        record.retain(|(stored, _)| stored != field.as_bytes());
        record.extend(value.map(|value| (field.clone().into_bytes(), value.clone())));
    }
}

fn take(record: &mut Fields, name: &[u8]) -> Option<String> {
    let at = record.iter().position(|(field, _)| field == name)?;
    String::from_utf8(record.swap_remove(at).1).ok()
}
