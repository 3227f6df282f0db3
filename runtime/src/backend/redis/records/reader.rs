//! The read path: what is kept of a session, or what Redis says.

use std::sync::Arc;

use super::{
    cache::{Cache, Mark},
    record::{Damaged, decode},
};
use crate::{
    backend::{
        BackendError, Keys, Lease, Loaded, OwnershipChanges,
        redis::{
            node::Node,
            wire::{
                Wire,
                link::Failure,
                names::{Record, SessionKeys, wanted_fields},
                scripts::Tombstone,
                source::Connection,
            },
        },
    },
    session::id::{HiddenId, SessionId},
};

/// Reads sessions, without any turn.
pub(crate) struct Reader {
    wire: Arc<Wire>,
    node: Node,
    cache: Option<Arc<Cache>>,
}

impl Reader {
    pub(crate) fn new(wire: Arc<Wire>, node: Node, cache: Option<Arc<Cache>>) -> Self {
        Self { wire, node, cache }
    }

    /// What is kept of a session, if it is all that is wanted.
    pub(crate) fn kept(&self, id: SessionId, wanted: Keys) -> Option<Loaded> {
        let cache = self.cache.as_ref()?;
        if self.wire.stands_for(id).is_some() { None } else { cache.get(id, wanted) }
    }

    /// Asks Redis. `None` where there is no such session.
    pub(crate) async fn read(&self, id: SessionId, wanted: Keys) -> Result<Option<Loaded>, BackendError> {
        let keys = self.wire.keys(id);
        let (record, mark) = self.ask(id, &keys, wanted).await?;
        if record.lasting.is_some() {
            let loaded = decode(&record, Lease::default())?;
            if let Some((cache, mark)) = self.cache.as_ref().zip(mark) {
                cache.keep(id, mark, wanted, &loaded);
            }
            return Ok(Some(loaded));
        }
        let (exists, tombstone) = self.look_for(&keys).await?;
        if exists {
            return Err(BackendError::failed(Damaged("m")));
        }
        self.found_gone(id, tombstone);
        Ok(None)
    }

    /// The fields that are wanted, and with which mark they may be kept.
    async fn ask(
        &self,
        id: SessionId,
        keys: &SessionKeys,
        wanted: Keys,
    ) -> Result<(Record, Option<Mark>), BackendError> {
        let names = wanted_fields(wanted);
        let record = &*keys.record;
        let read = |mut connection: Connection, _| {
            let cache = self.cache.as_ref().filter(|_| !keys.is_alias).zip(connection.tracked());
            let mark = cache.and_then(|(cache, number)| cache.mark(id, number));
            async move {
                let mut asked = redis::pipe();
                if mark.is_some() {
                    asked.cmd("CLIENT").arg("CACHING").arg("YES").ignore();
                }
                let fields = match names {
                    None => {
                        asked.cmd("HGETALL").arg(record);
                        let (fields,) = asked.query_async(&mut connection).await?;
                        Record::of_all(fields)
                    }
                    Some(names) => {
                        asked.cmd("HMGET").arg(record).arg(names);
                        let (values,) = asked.query_async(&mut connection).await?;
                        Record::of_wanted(names, values)
                    }
                };
                Ok((fields, mark))
            }
        };
        self.wire.link.call(read).await.map_err(Failure::failed)
    }

    /// The same with whose the session is, which is asked for seldom.
    pub(crate) async fn read_with_ownership(
        &self,
        id: SessionId,
        wanted: Keys,
    ) -> Result<Option<Loaded>, BackendError> {
        let Some(mut loaded) = self.read(id, wanted).await? else { return Ok(None) };
        let record = self.wire.keys(id).record;
        let record = &*record;
        let read = |mut connection: Connection, _| async move {
            let mut asked = redis::cmd("HMGET");
            asked.arg(record).arg("m").arg("o").arg("b");
            asked.query_async::<(Option<Vec<u8>>, Option<String>, Option<String>)>(&mut connection).await
        };
        let (is_there, owner, label) = self.wire.link.call(read).await.map_err(Failure::failed)?;
        if is_there.is_none() {
            // It has ended meanwhile, or has another id.
            return self.read(id, wanted).await;
        }
        let mut changes = OwnershipChanges::default();
        (changes.owner, changes.label) = (Some(owner.map(Arc::from)), Some(label.map(Arc::from)));
        loaded.attributes.ownership = changes.apply(None);
        Ok(Some(loaded))
    }

    /// Whether all of these are there.
    pub(crate) async fn exist(&self, ids: &[SessionId]) -> Result<bool, BackendError> {
        let records: Vec<_> = ids.iter().map(|id| self.wire.keys(*id).record).collect();
        let records = &*records;
        let count = |mut connection: Connection, _| async move {
            redis::cmd("EXISTS").arg(records).query_async::<usize>(&mut connection).await
        };
        Ok(self.wire.link.call(count).await.map_err(Failure::failed)? == ids.len())
    }

    /// Whether there is anything under a session's key, and its tombstone.
    async fn look_for(&self, keys: &SessionKeys) -> Result<(bool, Option<Tombstone>), BackendError> {
        let look = |mut connection: Connection, _| async move {
            let mut both = redis::pipe();
            both.cmd("EXISTS").arg(&keys.record).cmd("GET").arg(keys.tombstone());
            both.query_async(&mut connection).await
        };
        let (exists, tombstone): (_, Option<Vec<u8>>) =
            self.wire.link.call(look).await.map_err(Failure::failed)?;
        Ok((exists, tombstone.and_then(|text| Tombstone::parse(&text))))
    }

    /// A session was looked for in vain, and perhaps a tombstone found.
    pub(crate) fn found_gone(&self, id: SessionId, tombstone: Option<Tombstone>) {
        let hidden = self.wire.hidden(id);
        self.forget(&hidden);
        self.node.found_gone(hidden, tombstone);
    }

    /// A session changed, or may have: nothing that was asked for before this is used any more.
    pub(crate) fn forget(&self, hidden: &HiddenId) {
        if let Some(cache) = &self.cache {
            cache.forget(hidden);
        }
    }
}
