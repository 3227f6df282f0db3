//! A change of id in a cluster, where the new record lies in another slot, and no script reaches both. The new one
//! exists before the old one goes; if this process dies in between, the old one goes on as it was after a while, and
//! the new one, whose id nobody was told, expires.

use super::commits::{Keep, Operation, Sending};
use crate::backend::{
    BackendError, Lease,
    redis::{
        Inner, unexpected,
        wire::{
            names::{SessionKeys, unique},
            scripts::{Answer, fields},
        },
    },
};

impl Inner {
    /// The old record was checked and is shut: puts it, with its changes, under the new id, and ends the old one.
    pub(crate) async fn arrive(
        &self,
        leaving: &Sending<'_>,
        new: &SessionKeys,
        left: &Answer,
    ) -> Result<(), BackendError> {
        let mut record = fields(left.rest.first());
        record.retain(|(field, _)| field != b"l");
        for operation in leaving.operations {
            let (field, value) = match operation {
                Operation::Set(field, value) | Operation::Merge { field, to: value, .. } => {
                    (field, Some(value))
                }
                Operation::Remove(field) => (field, None),
            };
            record.retain(|(stored, _)| stored != field.as_bytes());
            record.extend(value.map(|value| (field.clone().into_bytes(), value.clone())));
        }
        let mut take = |name: &[u8]| {
            let at = record.iter().position(|(field, _)| field == name)?;
            String::from_utf8(record.swap_remove(at).1).ok()
        };
        let (meta, expires) = (take(b"m"), take(b"x"));
        let operations: Vec<_> = record
            .into_iter()
            .filter_map(|(field, value)| Some(Operation::Set(String::from_utf8(field).ok()?, value)))
            .collect();
        let arriving = Sending {
            keys: new,
            new: None,
            action: "create",
            token: leaving.token,
            held: None,
            lease: Lease::default(),
            keep: Keep::No,
            meta: leaving.meta.clone().or(meta),
            expires: leaving.expires.clone().or(expires),
            operations: &operations,
        };
        let arrived = self.send(&arriving).await?;
        if arrived.word != "done" {
            return Err(unexpected(&arrived));
        }
        let ending = Sending { action: "left", meta: None, expires: None, operations: &[], ..*leaving };
        let ended = self.send(&ending).await?;
        if ended.word != "done" {
            // The old one was opened again, or ended. Two live ids of one session must not be.
            let undo = Sending {
                action: "end",
                token: &unique(),
                meta: None,
                expires: None,
                operations: &[],
                ..arriving
            };
            self.send(&undo).await?;
        }
        match &*ended.word {
            "done" => Ok(()),
            "gone" => Err(BackendError::Gone),
            _ => Err(BackendError::TurnLost),
        }
    }
}
