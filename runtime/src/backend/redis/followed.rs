//! The sessions whose commits this node wants to hear of: each has a channel of its own, so that where nobody listens a
//! commit sends nothing.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Weak},
};

use parking_lot::Mutex as SyncMutex;
use redis::{RedisResult, aio::PubSubSink};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::wire::Wire;
use crate::backend::HiddenId;

/// So many channels are subscribed to by one command.
const AT_ONCE: usize = 1000;

/// What the task that listens is asked for.
pub(super) struct Asked {
    hidden: HiddenId,
    /// Told once the channel is heard. None: it need not be heard any more.
    heard: Option<oneshot::Sender<()>>,
}

pub(super) struct Followed {
    wire: Arc<Wire>,
    /// How many here follow each.
    sessions: SyncMutex<HashMap<HiddenId, usize>>,
    ask: mpsc::UnboundedSender<Asked>,
    asked: Mutex<mpsc::UnboundedReceiver<Asked>>,
}

/// A session is followed until this is dropped.
pub(super) struct Following {
    followed: Weak<Followed>,
    hidden: HiddenId,
}

impl Followed {
    pub(super) fn new(wire: Arc<Wire>) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        Self { wire, sessions: SyncMutex::default(), ask, asked: Mutex::new(asked) }
    }

    /// Follows a session. Gives when its commits are heard: at the latest when the node listens again.
    pub(super) async fn begin(self: &Arc<Self>, hidden: HiddenId) -> Option<Following> {
        let following = Following { followed: Arc::downgrade(self), hidden };
        *self.sessions.lock().entry(hidden).or_default() += 1;
        let (heard, is_heard) = oneshot::channel();
        self.ask.send(Asked { hidden, heard: Some(heard) }).ok()?;
        is_heard.await.ok()?;
        Some(following)
    }

    /// All that are followed.
    pub(super) fn all(&self) -> Vec<HiddenId> {
        self.sessions.lock().keys().copied().collect()
    }

    /// What is asked for next, and whatever else is asked for by now.
    pub(super) async fn next(&self) -> Vec<Asked> {
        let mut asked = Vec::new();
        self.asked.lock().await.recv_many(&mut asked, AT_ONCE).await;
        asked
    }

    /// Does what was asked for.
    pub(super) async fn carry_out(&self, asked: Vec<Asked>, sink: &mut PubSubSink) -> RedisResult<()> {
        let (begins, ends): (Vec<_>, Vec<_>) = asked.into_iter().partition(|asked| asked.heard.is_some());
        if !begins.is_empty() {
            sink.subscribe(begins.iter().map(|asked| self.channel(asked.hidden)).collect::<Vec<_>>()).await?;
            for heard in begins.into_iter().filter_map(|asked| asked.heard) {
                heard.send(()).ok();
            }
        }
        let unfollowed = {
            let sessions = self.sessions.lock();
            let is_over = |asked: &&Asked| !sessions.contains_key(&asked.hidden);
            ends.iter().filter(is_over).map(|asked| self.channel(asked.hidden)).collect::<Vec<_>>()
        };
        if !unfollowed.is_empty() {
            sink.unsubscribe(unfollowed).await?;
        }
        Ok(())
    }

    /// Follows again what was followed on a connection that is lost.
    pub(super) async fn begin_anew(&self, sink: &mut PubSubSink) -> RedisResult<()> {
        for sessions in self.all().chunks(AT_ONCE) {
            sink.subscribe(sessions.iter().map(|hidden| self.channel(*hidden)).collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    fn channel(&self, hidden: HiddenId) -> String {
        self.wire.session_channel(hidden)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let Some(followed) = self.followed.upgrade() else { return };
        if let Entry::Occupied(mut entry) = followed.sessions.lock().entry(self.hidden) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
                followed.ask.send(Asked { hidden: self.hidden, heard: None }).ok();
            }
        }
    }
}
