//! Sessions by their keys and by their owners: columns of their own rows, so that there is nothing to keep beside them.

use std::sync::Arc;

use super::{
    records::get,
    wire::{Wire, moment},
};
use crate::{
    backend::{BackendError, HiddenId, Owned, SessionId},
    session::key::SessionKey,
};

pub(super) struct Index {
    wire: Arc<Wire>,
}

impl Index {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        Self { wire }
    }

    /// The id that stands for the session with this key, if there is one.
    pub(super) async fn find(&self, key: &SessionKey) -> Result<Option<SessionId>, BackendError> {
        let key: &str = key.as_ref();
        let find = || sqlx::query(&self.wire.statements.find).bind(key.as_bytes());
        let Some(row) = self.wire.link.ask(find).await? else { return Ok(None) };
        let hidden: &[u8] = get(&row, "hidden")?;
        Ok(HiddenId::from_bytes(hidden).map(|hidden| self.wire.alias(hidden)))
    }

    /// An owner's sessions, those whose login was last first, without the first `skip`.
    pub(super) async fn owned_by(
        &self,
        owner: &str,
        skip: usize,
        most: usize,
    ) -> Result<Vec<Owned>, BackendError> {
        let [skip, most] = [skip, most].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let ask = || sqlx::query(&self.wire.statements.owned).bind(owner.as_bytes()).bind(skip).bind(most);
        let mut found = Vec::new();
        for row in self.wire.link.ask_all(ask).await? {
            let key = String::from_utf8(get(&row, "public_key")?);
            if let Some((key, since)) = key.ok().zip(moment(get(&row, "since")?)) {
                found.push(Owned { key: key.into(), since });
            }
        }
        Ok(found)
    }
}
