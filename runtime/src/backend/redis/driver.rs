//! The rooms put together, and the task that listens, renews and asks for as long as the backend is there.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{
    builder::Options,
    news::{self, News},
    node::Node,
    records::{
        cache::{self, Cache},
        reader::Reader,
        writer::Writer,
    },
    turns::{
        leases::{self, Leases},
        relays::Relays,
    },
    wire::{Wire, link::Link, source::Source, tracking::Tracker},
};
use crate::process::Registry;

/// A backend in use. Its task ends with it.
pub(super) struct Driver {
    wire: Arc<Wire>,
    cache: Option<Arc<Cache>>,
    pub(super) reader: Arc<Reader>,
    pub(super) leases: Arc<Leases>,
    pub(super) relays: Arc<Relays>,
    news: Arc<News>,
    /// There is a task.
    tended: Arc<AtomicBool>,
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
        let relays = Arc::new(Relays::new(node.clone(), leases.clone(), writer));
        let news = Arc::new(News::new(wire.clone(), node, reader.clone(), leases.clone(), options.cut_off));
        Self { wire, cache, reader, leases, relays, news, tended: Arc::default() }
    }

    /// Begins the task, if there is none. It may end with its runtime: then the next call begins another one.
    pub(super) fn be_tended(&self) {
        if self.tended.load(Ordering::Acquire) || self.tended.swap(true, Ordering::AcqRel) {
            return;
        }
        let tended = Tended(Arc::clone(&self.tended));
        let listening = news::listen(Arc::downgrade(&self.news));
        let renewing = leases::keep_alive(Arc::downgrade(&self.leases));
        let (cache, wire) = (self.cache.clone(), Arc::downgrade(&self.wire));
        let asking = async move {
            if let Some(cache) = cache {
                cache::keep_trusted(cache, wire).await;
            }
        };
        tokio::spawn(async move {
            tokio::join!(listening, renewing, asking);
            drop(tended);
        });
    }
}

/// Held by the task.
struct Tended(Arc<AtomicBool>);

impl Drop for Tended {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
