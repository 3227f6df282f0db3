//! A change of id in a cluster, where the new record lies in another slot, and no script reaches both. The new one
//! exists before the old one goes; if this process dies in between, the old one goes on as it was after a while, and
//! the new one, whose id nobody was told, expires.

use super::writer::Writer;
use crate::backend::{
    BackendError,
    redis::wire::{
        names::{Fields, SessionKeys, unique},
        scripts::{CommitAction, CommitAnswer, Operation, Refusal, SendAttributes, SendCommit, SendExpires},
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
        let attributes = change_attributes(&mut record, leaving.attributes);
        let operations: Vec<_> = record
            .into_iter()
            .filter_map(|(field, value)| Some(Operation::Set(String::from_utf8(field).ok()?, value)))
            .collect();
        let arriving = SendCommit {
            keys: new,
            action: CommitAction::Create,
            under: None,
            attributes: &attributes,
            operations: &operations,
            ..*leaving
        };
        let CommitAnswer::Done(_) = arriving.send(&self.wire).await? else {
            return Err(BackendError::failed("Redis did not take the session under its new id"));
        };
        let nothing = SendAttributes::default();
        let ending =
            SendCommit { action: CommitAction::Left, attributes: &nothing, operations: &[], ..*leaving };
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
            attributes: &nothing,
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

/// What the session itself is as the commit leaves it. When it expires is given, for the script sees to it.
fn change_attributes(record: &mut Fields, changed: &SendAttributes) -> SendAttributes {
    let own = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let expiry = match &changed.expiry {
        Some(expiry) => own(expiry),
        None => of(record, b"e"),
    };
    let provisional = changed.provisional.unwrap_or_else(|| of(record, b"p").is_some());
    let reckoned_from = (expiry.clone().unwrap_or_default(), provisional);
    let reckoned = changed.expires.as_ref().filter(|expires| expires.reckoned_from == reckoned_from);
    let at = reckoned.map(|expires| expires.at.clone()).or_else(|| of(record, b"x"));
    record.retain(|(field, _)| !matches!(&**field, b"e" | b"p" | b"x"));
    let expires = at.map(|at| SendExpires { at, reckoned_from });
    SendAttributes { expiry, provisional: Some(provisional), expires }
}

fn of(record: &Fields, name: &[u8]) -> Option<String> {
    let (_, value) = record.iter().find(|(field, _)| field == name)?;
    String::from_utf8(value.clone()).ok()
}
