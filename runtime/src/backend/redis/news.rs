//! What the nodes tell each other: that a session ended or changed its id, so that its sockets are disconnected on
//! every node (or that it expires sooner than they know); and that the turn of a waiting call has come. Messages can be lost with a connection. So a node that
//! listens again looks at every session that has sockets here, and a node that could not listen for
//! `with_cut_off` disconnects its sockets.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use redis::{
    Value,
    aio::{PubSubSink, PubSubStream},
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{
    Inner,
    records::record::moment_of,
    wire::{
        names::{events_channel, node_channel},
        scripts::bytes,
        source::Connection,
    },
};
use crate::{
    backend::Keys,
    process::{Ending, Registry, SessionSocket},
    session::id::{SessionId, hidden_bytes},
};

/// The pause before the next try to listen.
const PAUSE: Duration = Duration::from_millis(500);

/// How many sessions are looked at, at one time.
const LOOKED_AT_ONCE: usize = 32;

/// After this, the sockets of a session whose id was changed on another node are disconnected: by then the response
/// with the new cookie is out, as a rule. They are out of every room at once.
const AFTER_CHANGE: Duration = Duration::from_secs(1);

/// After this, the sockets of a session that ended on another node are disconnected: an event that found it ended is
/// answered by then.
const AFTER_END: Duration = Duration::from_millis(50);

/// After this, sockets that are left of a session that ended on this node are disconnected: the handler that ended
/// it does so earlier, unless it never heard that it did.
const AFTER_OWN: Duration = Duration::from_secs(8);

/// That a session ended or changed its id: as nodes tell each other, and as it stands in the tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    ending: Ending,
    node: String,
    /// What stands for the id; in a tombstone, the token of the commit.
    rest: String,
}

impl End {
    /// `E` or `C`, the node, and the rest.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let ending = match words.next()? {
            "E" => Ending::Ended,
            "C" => Ending::Changed,
            _ => return None,
        };
        Some(Self { ending, node: words.next()?.to_owned(), rest: words.next()?.to_owned() })
    }
}

impl Inner {
    /// A session was looked for, and perhaps a tombstone found.
    pub(crate) fn heard_of_end(&self, id: SessionId, tombstone: Option<&Value>) {
        self.forget_read(&id.hidden_bytes());
        let Some(end) = tombstone.and_then(bytes).and_then(|text| End::parse(&text)) else { return };
        self.registry.ended_somewhere(id.hidden(), end.ending);
        if end.node != self.node {
            disconnect(&self.registry, id, end.ending);
        }
    }

    fn forget_hidden(&self, hidden: &str) {
        if let Some(hidden) = hidden_bytes(hidden.as_bytes()) {
            self.forget_read(&hidden);
        }
    }

    /// A message to all nodes.
    fn hear(&self, end: End) {
        let End { ending, node, rest: hidden } = end;
        self.forget_hidden(&hidden);
        self.registry.ended_somewhere(hidden.clone(), ending);
        let Some(id) = self.registry.bound_as(&hidden) else { return };
        if node == self.node {
            let registry = self.registry.clone();
            tokio::spawn(async move {
                sleep(AFTER_OWN).await;
                disconnect(&registry, id, ending);
            });
        } else {
            disconnect(&self.registry, id, ending);
        }
    }

    /// A message to all nodes that a session expires sooner than they may know.
    fn hear_of_expiry(&self, text: &[u8]) {
        let mut words = std::str::from_utf8(text).unwrap_or_default().split(' ');
        if words.next() == Some("X")
            && let Some((hidden, moment)) = words.nth(1).zip(words.next())
        {
            self.forget_hidden(hidden);
            if let Some(id) = self.registry.bound_as(hidden)
                && let Some(moment) = moment_of(moment.as_bytes())
            {
                self.registry.expires(id, moment);
            }
        }
    }

    fn hear_message(&self, message: &redis::Msg, events: &str) {
        let text = message.get_payload_bytes();
        if message.get_channel_name() == events {
            match End::parse(text) {
                Some(end) => self.hear(end),
                None => self.hear_of_expiry(text),
            }
        } else if let Some(ticket) = text.strip_prefix(b"w ").and_then(|text| std::str::from_utf8(text).ok())
        {
            self.leases.wake(ticket);
        }
    }

    async fn heartbeat(&self) {
        let channel = node_channel(&self.options.prefix, &self.node);
        let channel = &*channel;
        let publish = |mut connection: Connection, _| async move {
            redis::cmd("PUBLISH").arg(channel).arg("h").query_async::<i64>(&mut connection).await
        };
        // If it fails, it is not heard either.
        self.link.call(publish).await.ok();
    }

    /// Looks at every session that has sockets here, for what was told while nobody listened.
    async fn catch_up(self: Arc<Self>) {
        let begun = Instant::now();
        let mut left = self.registry.bound();
        while !left.is_empty() && begun.elapsed() < self.options.cut_off {
            let inner = &self;
            left = stream::iter(left)
                .map(|id| async move { inner.is_over(id).await.err().map(|_| id) })
                .buffer_unordered(LOOKED_AT_ONCE)
                .filter_map(std::future::ready)
                .collect()
                .await;
            if !left.is_empty() {
                sleep(PAUSE).await;
            }
        }
    }

    async fn is_over(&self, id: SessionId) -> Result<(), crate::backend::BackendError> {
        if let Some(loaded) = self.read(id, Keys::Only(&[])).await? {
            self.registry.expires(id, loaded.expires);
        } else {
            let ending = self.registry.ending(id).unwrap_or(Ending::Ended);
            disconnect(&self.registry, id, ending);
        }
        Ok(())
    }
}

/// Ends a session that ended elsewhere here, too.
fn disconnect(registry: &Registry, id: SessionId, ending: Ending) {
    let sockets = registry.end(id, ending);
    if sockets.is_empty() {
        return;
    }
    tokio::spawn(async move {
        sleep(if ending == Ending::Changed { AFTER_CHANGE } else { AFTER_END }).await;
        sockets.into_iter().for_each(SessionSocket::disconnect);
    });
}

/// Listens until the backend is gone.
pub(crate) async fn listen(weak: Weak<Inner>) {
    let (mut heard, mut tries) = (Instant::now(), 0);
    loop {
        let Some(inner) = weak.upgrade() else { return };
        let events = events_channel(&inner.options.prefix);
        tries += 1;
        let channels = [events.clone(), node_channel(&inner.options.prefix, &inner.node)];
        match inner.link.subscribe(tries, &channels).await {
            Ok(halves) => {
                inner.leases.wake_all();
                tokio::spawn(Arc::clone(&inner).catch_up());
                let cut_off = inner.options.cut_off;
                drop(inner);
                heard = Instant::now();
                hear_while_connected(&weak, halves, &events, cut_off, &mut heard).await;
                tracing::debug!("the connection on which nodes hear of each other's sessions was lost");
            }
            Err(error) => {
                tracing::warn!(%error, "this node does not hear of sessions that end on others");
                if heard.elapsed() >= inner.options.cut_off {
                    let sockets = inner.registry.untie_all();
                    if !sockets.is_empty() {
                        tracing::warn!(
                            sockets = sockets.len(),
                            "cut off from Redis: sockets are disconnected"
                        );
                    }
                    sockets.into_iter().for_each(SessionSocket::disconnect);
                }
                drop(inner);
                sleep(PAUSE).await;
            }
        }
    }
}

async fn hear_while_connected(
    weak: &Weak<Inner>,
    (_sink, mut messages): (PubSubSink, PubSubStream),
    events: &str,
    cut_off: Duration,
    heard: &mut Instant,
) {
    // By a message to itself a node knows that it would hear others.
    let mut beat = interval(cut_off / 6);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => {
                let (Some(message), Some(inner)) = (message, weak.upgrade()) else { return };
                *heard = Instant::now();
                inner.hear_message(&message, events);
            }
            _ = beat.tick() => {
                let Some(inner) = weak.upgrade() else { return };
                if heard.elapsed() > cut_off * 2 / 5 {
                    return;
                }
                tokio::spawn(async move { inner.heartbeat().await });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_tell() {
        let end = End::parse(b"C node abc").unwrap();
        assert_eq!(end, End { ending: Ending::Changed, node: "node".to_owned(), rest: "abc".to_owned() });
        assert_eq!(End::parse(b"E n t").unwrap().ending, Ending::Ended);
        for nonsense in ["", "E", "E n", "X n t"] {
            assert_eq!(End::parse(nonsense.as_bytes()), None);
        }
    }
}
