//! How many sessions there is room for, and which give way where there is none left.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Sessions;
use crate::{backend::BackendError, log_limit::LogLimit, session::id::SessionId};

/// All shards are looked through for sessions that have expired this often at most, before the sweep comes to them.
const SWEEP_ALL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Room {
    most: AtomicUsize,
    taken: AtomicUsize,
    /// Those that began unwritten, the oldest first; some have been written to, or have ended.
    unwritten: Mutex<VecDeque<SessionId>>,
    swept_all: Mutex<Option<Instant>>,
    log: LogLimit,
}

impl Room {
    fn take(&self) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let one_more = |taken| Some(taken + 1).filter(|taken| *taken <= most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// So many sessions are gone.
    pub(super) fn leave(&self, sessions: usize) {
        self.taken.fetch_sub(sessions, Ordering::Relaxed);
    }

    /// Whether it is time to look through all shards.
    fn sweeps_all(&self) -> bool {
        let now = Instant::now();
        let mut swept = self.swept_all.lock();
        let is_time = swept.is_none_or(|at| now.duration_since(at) >= SWEEP_ALL_INTERVAL);
        if is_time {
            *swept = Some(now);
        }
        is_time
    }

    fn log_refusal(&self) {
        self.log.log(|left_out| {
            tracing::warn!(
                most = self.most.load(Ordering::Relaxed),
                left_out,
                "there is no room for another session, so new ones are refused \
                 (`MemoryBackend::with_max_sessions`)"
            );
        });
    }
}

impl Sessions {
    /// Bounds the sessions, among them those that are there.
    pub(super) fn bound(&self, most: usize) {
        let room = self.room.get_or_init(Room::default);
        let ids = self.shards.iter().flat_map(|shard| shard.lock().keys().copied().collect::<Vec<_>>());
        let ids: VecDeque<_> = ids.collect();
        room.taken.store(ids.len(), Ordering::Relaxed);
        *room.unwritten.lock() = ids;
        room.most.store(most, Ordering::Relaxed);
    }

    /// Takes room for a session that begins. Where there is none, the oldest unwritten session gives way.
    pub(super) fn take_room(&self, room: &Room) -> Result<(), BackendError> {
        while !room.take() {
            let has_room = self.give_way(room) || (room.sweeps_all() && self.sweep_all() > 0);
            if !has_room {
                room.log_refusal();
                return Err(BackendError::Full);
            }
        }
        Ok(())
    }

    /// Notes that a session began unwritten.
    pub(super) fn note_unwritten(&self, room: &Room, id: SessionId) {
        let mut unwritten = room.unwritten.lock();
        unwritten.push_back(id);
        // Twice as many as can be there: most are not unwritten any more.
        if unwritten.len() > 2 * room.most.load(Ordering::Relaxed).max(32) {
            unwritten.retain(|id| {
                self.shard(*id).lock().get(id).is_some_and(|record| record.attributes.provisional)
            });
        }
    }

    fn give_way(&self, room: &Room) -> bool {
        loop {
            let Some(oldest) = room.unwritten.lock().pop_front() else { return false };
            let mut shard = self.shard(oldest).lock();
            if shard.get(&oldest).is_some_and(|record| record.attributes.provisional) {
                if let Some(record) = shard.remove(&oldest) {
                    self.index.remove(oldest, &record);
                }
                drop(shard);
                room.leave(1);
                return true;
            }
        }
    }

    /// How many sessions had expired.
    fn sweep_all(&self) -> usize {
        let now = Instant::now();
        self.shards.iter().map(|shard| self.sweep_shard(&mut shard.lock(), now)).sum()
    }
}
