//! The rooms put together, and the task that listens, renews and asks for as long as the backend is there.

use std::sync::{Arc, Weak};

use futures_util::future::OptionFuture;

use super::{
    builder::Options,
    followed::Followed,
    index::Index,
    news::{self, News},
    node::Node,
    records::{
        cache::{self, Cache},
        reader::Reader,
        writer::Writer,
    },
    turns::leases::{self, Leases, Turns},
    wire::{Wire, link::Link, scripts::Hear, source::Source, tracking::Tracker},
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
    cache: Option<Arc<Cache>>,
    reader: Arc<Reader>,
    leases: Arc<Leases>,
    pub(super) relays: Arc<Relays<Turns>>,
    news: Arc<News>,
    followed: Arc<Followed>,
    pub(super) index: Arc<Index>,
    tending: Background,
}

impl Driver {
    pub(super) fn new(source: Source, options: &Options, registry: Registry) -> Self {
        let cache = (options.read_cache > 0).then(|| Arc::new(Cache::new(options.read_cache)));
        let tracker = cache.clone().map(|cache| cache as Arc<dyn Tracker>);
        let link = Link::new(source, options.timeout, tracker);
        let wire = Arc::new(Wire::new(link, options.prefix.clone()));
        let node = Node::new(registry, wire.node.clone());
        let reader = Arc::new(Reader::new(wire.clone(), node.clone(), cache.clone()));
        let writer = Arc::new(Writer::new(wire.clone(), reader.clone(), options.max_value_size));
        let leases = Arc::new(Leases::new(wire.clone(), node.clone(), reader.clone(), options.lease));
        let turns = Turns { node: node.clone(), leases: leases.clone(), writer };
        let relays = Arc::new(Relays::new(turns));
        let followed = Arc::new(Followed::new(wire.clone()));
        let (hears, follows) = ((reader.clone(), leases.clone()), followed.clone());
        let news = Arc::new(News::new(wire.clone(), node, hears.0, hears.1, follows, options.cut_off));
        let (index, tending) = (Arc::new(Index::new(wire.clone())), Background::default());
        Self { wire, cache, reader, leases, relays, news, followed, index, tending }
    }

    /// What need not be asked for: what the call before left, with its lease, or what is in the read cache.
    pub(super) fn at_hand(&self, id: SessionId, load: Load) -> Option<Loaded> {
        if load.lease != Lease::default()
            && let Some(loaded) = self.relays.join(id, load)
        {
            return Some(loaded);
        }
        if !load.turns.is_empty() || load.ownership || !self.relays.is_settled(id) {
            return None;
        }
        self.reader.kept(id, load.keys)
    }

    pub(super) async fn load(&self, id: SessionId, load: Load) -> Result<Option<Loaded>, BackendError> {
        // Whoever comes after calls of this process finds what they committed.
        self.relays.settle(id).await;
        if load.turns.is_empty() {
            if load.ownership {
                return self.reader.read_with_ownership(id, load.keys).await;
            }
            self.reader.read(id, load.keys).await
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
        let following = self.followed.begin(self.wire.hidden(id)).await;
        let following =
            following.ok_or_else(|| BackendError::failed("the connection on which nodes listen was lost"))?;
        let is_there = Hear { keys: &self.wire.keys(id) }.send(&self.wire).await?;
        if is_there { Ok(Hearing::until_dropped(following)) } else { Err(BackendError::Gone) }
    }

    /// Sees to it that the task runs, which may have ended with its runtime.
    pub(super) fn be_tended(&self) {
        if self.tending.runs() {
            return;
        }
        let (news, leases) = (Arc::downgrade(&self.news), Arc::downgrade(&self.leases));
        let (cache, wire) = (self.cache.clone(), Arc::downgrade(&self.wire));
        let tend = move || {
            let listening = news::listen(Weak::clone(&news));
            let looking = news::look(Weak::clone(&news));
            let renewing = leases::keep_alive(Weak::clone(&leases));
            let asking = cache.clone().map(|cache| cache::keep_trusted(cache, Weak::clone(&wire)));
            async move {
                tokio::join!(listening, looking, renewing, OptionFuture::from(asking));
            }
        };
        self.tending.start(tend, || {});
    }
}
