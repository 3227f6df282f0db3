//! What the nodes tell each other: that a session ended or changed its id, so that its sockets are disconnected on
//! every node; that it expires sooner than they know; that the turn of a waiting call has come; and, to who follows a session,
//! that something was committed to it.
//!
//! Messages can be lost with a connection. So a node that listens again looks at every session that has sockets here,
//! and a node that could not listen for `with_cut_off` disconnects its sockets. Of sessions that were deleted, evicted or
//! flushed nobody tells: so a node asks for all of them twice in that time.
//!
//! Uses all the other rooms. Never writes a session, nor takes a turn.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use redis::aio::{PubSubSink, PubSubStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{
    followed::Followed,
    node::Node,
    records::reader::Reader,
    turns::leases::Leases,
    wire::{
        Wire,
        scripts::{HEARTBEAT, Message},
        source::Connection,
    },
};
use crate::{
    backend::{BackendError, Keys},
    session::id::SessionId,
};

/// The pause before the next try to listen.
const PAUSE: Duration = Duration::from_millis(500);

/// How many sessions are looked at, at one time.
const LOOKED_AT_ONCE: usize = 32;

/// How many sessions are asked for by one command.
const ASKED_AT_ONCE: usize = 100;

/// Listens, and passes on what it hears.
pub(crate) struct News {
    wire: Arc<Wire>,
    node: Node,
    reader: Arc<Reader>,
    leases: Arc<Leases>,
    followed: Arc<Followed>,
    cut_off: Duration,
}

impl News {
    pub(crate) fn new(
        wire: Arc<Wire>,
        node: Node,
        reader: Arc<Reader>,
        leases: Arc<Leases>,
        followed: Arc<Followed>,
        cut_off: Duration,
    ) -> Self {
        Self { wire, node, reader, leases, followed, cut_off }
    }

    fn hear(&self, message: &[u8]) {
        match Message::parse(message) {
            Some(Message::Ended { ending, node, hidden }) => {
                self.reader.forget(&hidden);
                self.node.told_of_end(hidden, ending, node);
            }
            Some(Message::ExpiresSooner { hidden, expires }) => {
                self.reader.forget(&hidden);
                self.node.expires(hidden, expires);
            }
            Some(Message::Committed { node, hidden }) => {
                self.reader.forget(&hidden);
                self.node.committed(hidden, node);
            }
            Some(Message::Wake { ticket }) => self.leases.wake(ticket),
            None => {}
        }
    }

    async fn beat(&self) {
        let channel = self.wire.node_channel();
        let channel = &*channel;
        let publish = |mut connection: Connection, _| async move {
            redis::cmd("PUBLISH").arg(channel).arg(HEARTBEAT).query_async::<i64>(&mut connection).await
        };
        // If it fails, it is not heard either.
        self.wire.link.call(publish).await.ok();
    }

    /// Looks at every session that has sockets here, for what was told while nobody listened.
    async fn catch_up(self: Arc<Self>) {
        let begun = Instant::now();
        let mut left = self.node.sessions_with_sockets();
        while !left.is_empty() && begun.elapsed() < self.cut_off {
            let this = &self;
            left = stream::iter(left)
                .map(|id| async move { this.look_at(id).await.err().map(|_| id) })
                .buffer_unordered(LOOKED_AT_ONCE)
                .filter_map(std::future::ready)
                .collect()
                .await;
            if !left.is_empty() {
                sleep(PAUSE).await;
            }
        }
    }

    /// Whatever was committed while nobody listened: who follows a session looks at it.
    fn may_have_missed_commits(&self) {
        for hidden in self.followed.all() {
            self.reader.forget(&hidden);
            self.node.may_have_missed(hidden);
        }
    }

    /// Looks for sessions that have sockets here and went without a word.
    async fn look_for_gone(&self) {
        for ids in self.node.sessions_with_sockets().chunks(ASKED_AT_ONCE) {
            // What could not be found out is asked for again soon.
            if self.reader.exist(ids).await.unwrap_or(true) {
                continue;
            }
            stream::iter(ids)
                .for_each_concurrent(LOOKED_AT_ONCE, |id| async move { drop(self.look_at(*id).await) })
                .await;
        }
    }

    async fn look_at(&self, id: SessionId) -> Result<(), BackendError> {
        match self.reader.read(id, Keys::Only(&[])).await? {
            Some(loaded) => self.node.expires(id.hidden(), loaded.expires),
            None => self.node.is_gone(id),
        }
        Ok(())
    }
}

/// Listens until the backend is gone.
pub(crate) async fn listen(weak: Weak<News>) {
    let (mut heard, mut tries) = (Instant::now(), 0);
    loop {
        let Some(news) = weak.upgrade() else { return };
        tries += 1;
        let channels = [news.wire.events_channel(), news.wire.node_channel()];
        match news.wire.link.subscribe(tries, &channels).await {
            Ok(halves) => {
                news.leases.wake_all();
                tokio::spawn(Arc::clone(&news).catch_up());
                let cut_off = news.cut_off;
                drop(news);
                heard = Instant::now();
                hear_while_connected(&weak, halves, cut_off, &mut heard).await;
                tracing::debug!("the connection on which nodes hear of each other's sessions was lost");
            }
            Err(error) => {
                tracing::warn!(%error, "this node does not hear of sessions that end on others");
                if heard.elapsed() >= news.cut_off {
                    news.node.cut_off();
                }
                drop(news);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Looks for sessions that are gone, until the backend is gone.
pub(crate) async fn look(weak: Weak<News>) {
    while let Some(cut_off) = weak.upgrade().map(|news| news.cut_off) {
        sleep(cut_off / 2).await;
        let Some(news) = weak.upgrade() else { return };
        news.look_for_gone().await;
    }
}

async fn hear_while_connected(
    weak: &Weak<News>,
    (mut sink, mut messages): (PubSubSink, PubSubStream),
    cut_off: Duration,
    heard: &mut Instant,
) {
    // By a message to itself a node knows that it would hear others.
    let mut beat = interval(cut_off / 6);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Some(followed) = weak.upgrade().map(|news| Arc::clone(&news.followed)) else { return };
    let patience = cut_off * 2 / 5;
    if !matches!(timeout(patience, followed.begin_anew(&mut sink)).await, Ok(Ok(()))) {
        return;
    }
    if let Some(news) = weak.upgrade() {
        news.may_have_missed_commits();
    }
    loop {
        tokio::select! {
            asked = followed.next() => {
                if !matches!(timeout(patience, followed.carry_out(asked, &mut sink)).await, Ok(Ok(()))) {
                    return;
                }
            }
            message = messages.next() => {
                let (Some(message), Some(news)) = (message, weak.upgrade()) else { return };
                *heard = Instant::now();
                news.hear(message.get_payload_bytes());
            }
            _ = beat.tick() => {
                let Some(news) = weak.upgrade() else { return };
                if heard.elapsed() > patience {
                    return;
                }
                tokio::spawn(async move { news.beat().await });
            }
        }
    }
}
