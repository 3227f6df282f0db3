//! The rooms put together, and the task that listens, renews and tidies for as long as the backend is there.

use std::sync::{Arc, Weak};

use sqlx::PgPool;

use super::{
    builder::Options,
    followed::Followed,
    link::Link,
    news::{self, Hears, News},
    node::Node,
    owners::Index,
    records::Reader,
    turns::{self, Leases, Turns},
    wire::Wire,
    writer::Writer,
};
use crate::{
    backend::{BackendError, Hearing, Lease, Load, Loaded, relay::Relays},
    background::Background,
    process::Registry,
    session::id::{HiddenId, SessionId},
};

/// A backend in use. Its task ends with it.
pub(super) struct Driver {
    wire: Arc<Wire>,
    reader: Arc<Reader>,
    leases: Arc<Leases>,
    pub(super) relays: Arc<Relays<Turns>>,
    news: Arc<News>,
    followed: Arc<Followed>,
    pub(super) index: Index,
    tending: Background,
}

impl Driver {
    pub(super) fn new(pool: PgPool, options: &Options, registry: Registry) -> Self {
        let hears =
            options.polling.map_or_else(|| Hears::Listening(options.listener.clone()), Hears::Looking);
        let look = options.polling.unwrap_or(options.lease);
        let link = Link::new(pool, options.schema.clone(), options.timeout, options.is_pooled);
        let wire = Arc::new(Wire::new(link));
        let node = Node::new(registry, wire.node.clone());
        let reader = Arc::new(Reader::new(Arc::clone(&wire), node.clone()));
        let parts = (Arc::clone(&wire), node.clone(), Arc::clone(&reader));
        let leases = Arc::new(Leases::new(parts.0, parts.1, parts.2, options.lease, look));
        let writer = Writer::new(Arc::clone(&wire), node.clone(), options.max_value_size);
        let turns = Turns { node: node.clone(), leases: Arc::clone(&leases), writer };
        let followed = Arc::new(Followed::new(Arc::clone(&wire)));
        let parts = (Arc::clone(&wire), Arc::clone(&leases), Arc::clone(&followed));
        let news =
            Arc::new(News::new(parts.0, node, parts.1, parts.2, (options.cut_off, options.cleanup), hears));
        let (index, tending) = (Index::new(Arc::clone(&wire)), Background::default());
        let relays = Arc::new(Relays::new(turns));
        Self { wire, reader, leases, relays, news, followed, index, tending }
    }

    /// What the call before left, with its lease.
    pub(super) fn at_hand(&self, id: SessionId, load: Load) -> Option<Loaded> {
        if load.lease == Lease::default() { None } else { self.relays.join(id, load) }
    }

    pub(super) async fn load(&self, id: SessionId, load: Load) -> Result<Option<Loaded>, BackendError> {
        // Whoever comes after calls of this process finds what they committed.
        self.relays.settle(id).await;
        if load.turns.is_empty() {
            self.reader.read(id, load).await
        } else {
            self.leases.take(id, load).await
        }
    }

    /// The session for which this id stands here.
    pub(super) fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        self.wire.stands_for(id)
    }

    /// From when this answers until it is dropped, commits of other nodes are heard.
    pub(super) async fn listen(&self, id: SessionId) -> Result<Hearing, BackendError> {
        self.news.is_heard().await?;
        Ok(Hearing::until_dropped(self.followed.begin(id).await?))
    }

    /// Sees to it that the task runs, which may have ended with its runtime.
    pub(super) fn be_tended(&self) {
        if self.tending.runs() {
            return;
        }
        let (news, leases) = (Arc::downgrade(&self.news), Arc::downgrade(&self.leases));
        let tend = move || {
            let hearing = news::hear(Weak::clone(&news));
            let looking = news::look_for_gone(Weak::clone(&news));
            let tidying = news::tidy(Weak::clone(&news));
            let renewing = turns::keep_alive(Weak::clone(&leases));
            async move {
                tokio::join!(hearing, looking, tidying, renewing);
            }
        };
        self.tending.start(tend, || {});
    }
}
