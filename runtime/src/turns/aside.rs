//! Calls whose turn has come and that nobody polls: a future that is kept beside others (`select!`, `buffered`). They
//! hold up the others for some milliseconds. Then they are set aside: they give up their places, and a lease that was
//! passed on to them. When they are polled again they are first again, behind those that hold a turn by then.
//!
//! Places stand in the order of the calls' numbers, also those of a call that is back. So while there is such a call,
//! whoever holds a turn may stand behind it; [`Session::resettle`] says who is ready then.
//!
//! Only calls that their callers poll are set aside. The task of an event is always polled, however late: a busy machine
//! must not change the order of events.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    Mode, Polled,
    calls::Calls,
    queues::{After, Place, QueuedCall, Session},
};

/// For how long a turn that has come holds up others while nobody takes it.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

/// A turn that has come to a call that its caller polls, and was not taken yet.
pub(super) struct Offer {
    pub(super) call: u64,
    /// `None`: nobody has begun to wait behind it.
    since: Option<Instant>,
}

pub(super) type Offers = SmallVec<[Offer; 1]>;

impl Offer {
    /// To a call that takes it at once, as a rule.
    pub(super) fn at_arrival(call: u64) -> Self {
        Self { call, since: None }
    }

    fn ends(&self) -> Option<Instant> {
        self.since.map(|since| since + PATIENCE)
    }
}

/// The turn of a call has come.
pub(super) fn offer(calls: &mut Calls<QueuedCall>, offers: &mut Offers, id: u64, after: &mut After) {
    let Some(call) = calls.get_mut(id) else { return };
    after.wakers.extend(call.waker.take());
    if call.polled == Polled::ByItsCaller {
        let since = call.asked.unwrap_or_else(Instant::now);
        let offer = Offer { call: id, since: Some(since) };
        after.look = after.look.into_iter().chain(offer.ends()).min();
        offers.push(offer);
    }
}

/// What is known of the offers of a session.
#[derive(Default)]
pub(super) struct Patience {
    /// For one of them it is at its end.
    pub(super) ended: bool,
    /// When it ends for the next.
    pub(super) ends: Option<Instant>,
}

impl Session {
    /// Somebody waits behind the offers, from now on at the latest.
    pub(super) fn wait_behind_offers(&mut self, now: Instant) {
        for offer in &mut self.offers {
            offer.since.get_or_insert(now);
        }
    }

    /// When the patience with the first of the offers ends.
    pub(super) fn end_of_patience(&self) -> Option<Instant> {
        self.offers.iter().filter_map(Offer::ends).min()
    }

    pub(super) fn patience(&mut self, now: Instant) -> Patience {
        self.wait_behind_offers(now);
        let mut patience = Patience::default();
        for ends in self.offers.iter().filter_map(Offer::ends) {
            if ends <= now {
                patience.ended = true;
            } else {
                patience.ends = patience.ends.into_iter().chain([ends]).min();
            }
        }
        patience
    }

    /// Sets those aside for whom the patience had ended by that moment. All others who wait are asked to show
    /// themselves: those that do not are set aside without delay when their turn comes.
    pub(super) fn set_aside(&mut self, by: Instant, after: &mut After) {
        let mut any = false;
        while let Some(id) = self.overdue_offer(by) {
            self.put_aside(id, after);
            any = true;
        }
        if any {
            let now = Instant::now();
            let asked = |call: &&mut QueuedCall| {
                call.polled == Polled::ByItsCaller && call.phase.waits() && call.blocked > 0 && !call.aside
            };
            for (_, call) in self.calls.iter_mut() {
                if let Some(call) = Some(call).filter(asked) {
                    call.asked.get_or_insert(now);
                    after.wakers.extend(call.waker.take());
                }
            }
        }
    }

    fn overdue_offer(&self, by: Instant) -> Option<u64> {
        let overdue = |offer: &&Offer| offer.ends().is_some_and(|ends| ends <= by);
        self.offers.iter().find(overdue).map(|offer| offer.call)
    }

    pub(super) fn put_aside(&mut self, id: u64, after: &mut After) {
        self.withdraw_offer(id);
        let Some(call) = self.calls.get_mut(id) else { return };
        call.aside = true;
        call.blocked = call.plan.len();
        after.leases.extend(call.lease.take().map(|lease| *lease));
        self.aside += 1;
        self.leave(id, |_| true, after);
    }

    pub(super) fn withdraw_offer(&mut self, id: u64) {
        self.offers.retain(|offer| offer.call != id);
    }

    /// A call that was set aside is polled: it has its places again. It stays aside where whoever holds a turn waits for
    /// a call inside of it, which would wait for this one; it is woken when that has changed.
    pub(super) fn come_back(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(id).filter(|call| call.phase.waits()) else { return };
        call.aside = false;
        let plan = call.plan;
        for &(key, mode) in plan {
            let places = &mut self.queue(key).places;
            let at = places.partition_point(|place| place.call < id);
            places.insert(at, Place { call: id, mode, ready: false });
        }
        if self.is_in_circle(id) {
            for queue in &mut self.queues {
                queue.places.retain(|place| place.call != id);
            }
            self.queues.retain(|queue| !queue.places.is_empty());
            if let Some(call) = self.calls.get_mut(id) {
                call.aside = true;
            }
            return;
        }
        self.aside -= 1;
        if let Some(call) = self.calls.get_mut(id)
            && !std::mem::replace(&mut call.is_back, true)
        {
            self.back += 1;
        }
        // Nobody's turn comes by it but this call's, which is polled.
        self.resettle(&mut After::default());
    }

    /// Those that were polled and had to stay aside try again.
    pub(super) fn wake_those_aside(&mut self, after: &mut After) {
        let aside = self.calls.iter_mut().filter(|(_, call)| call.aside);
        after.wakers.extend(aside.filter_map(|(_, call)| call.waker.take()));
    }

    /// Says of each place whether it is ready: if nobody is before it, and nobody behind it holds a turn, who excludes
    /// it.
    pub(super) fn resettle(&mut self, after: &mut After) {
        let mut changed: SmallVec<[(u64, usize); 4]> = SmallVec::new();
        let Self { calls, queues, .. } = self;
        for queue in queues {
            let is_firm = |place: &Place| calls.get(place.call).is_some_and(QueuedCall::is_firm);
            let firm: SmallVec<[(u64, Mode); 4]> = queue
                .places
                .iter()
                .filter(|place| is_firm(place))
                .map(|place| (place.call, place.mode))
                .collect();
            let mut before: Option<Mode> = None;
            for place in &mut queue.places {
                let by_firm = |(call, mode): &(u64, Mode)| *call != place.call && place.mode.excludes(*mode);
                let is_firm = firm.iter().any(|(call, _)| *call == place.call);
                let free = !before.is_some_and(|mode| place.mode.excludes(mode)) && !firm.iter().any(by_firm);
                let ready = is_firm || free;
                if before != Some(Mode::Write) {
                    before = Some(place.mode);
                }
                if ready == place.ready {
                    continue;
                }
                place.ready = ready;
                let Some(call) = calls.get_mut(place.call) else { continue };
                if !changed.iter().any(|(id, _)| *id == place.call) {
                    changed.push((place.call, call.blocked));
                }
                if ready {
                    call.blocked -= 1;
                } else {
                    call.blocked += 1;
                }
            }
        }
        for (id, blocked_before) in changed {
            let Some(call) = self.calls.get(id) else { continue };
            match (blocked_before, call.blocked) {
                (0, 1..) => self.withdraw_offer(id),
                (1.., 0) => offer(&mut self.calls, &mut self.offers, id, after),
                _ => {}
            }
        }
    }
}
