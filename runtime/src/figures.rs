//! Counters, gauges and histograms through the facade `metrics`: `docs/observability.md` lists them. Without the feature
//! `metrics` these functions are empty. Labels are words of this crate, never what a client sent.

#[cfg(feature = "metrics")]
mod recorded {
    use std::time::Duration;

    use metrics::{counter, gauge, histogram};

    pub(crate) fn call(kind: &'static str, ending: &'static str) {
        counter!("session_calls_total", "kind" => kind, "ending" => ending).increment(1);
    }

    pub(crate) fn waited(kind: &'static str, waited: Duration) {
        histogram!("session_turn_wait_seconds", "kind" => kind).record(waited);
    }

    pub(crate) fn held(kind: &'static str, held: Duration) {
        histogram!("session_turn_held_seconds", "kind" => kind).record(held);
    }

    pub(crate) fn committed(kind: &'static str, took: Duration) {
        histogram!("session_commit_seconds", "kind" => kind).record(took);
    }

    pub(crate) fn error(code: &'static str) {
        counter!("session_errors_total", "kind" => code).increment(1);
    }

    pub(crate) fn ended(reason: &'static str) {
        counter!("session_sessions_ended_total", "reason" => reason).increment(1);
    }

    pub(crate) fn waiters(more: f64) {
        gauge!("session_waiters").increment(more);
    }

    pub(crate) fn sockets(more: f64) {
        gauge!("session_sockets").increment(more);
    }

    pub(crate) fn backend(operation: &'static str, took: Duration) {
        histogram!("session_backend_seconds", "operation" => operation).record(took);
    }
}

#[cfg(not(feature = "metrics"))]
#[allow(clippy::missing_const_for_fn, reason = "as those that record")]
mod recorded {
    use std::time::Duration;

    #[inline]
    pub(crate) fn call(_: &'static str, _: &'static str) {}
    #[inline]
    pub(crate) fn waited(_: &'static str, _: Duration) {}
    #[inline]
    pub(crate) fn held(_: &'static str, _: Duration) {}
    #[inline]
    pub(crate) fn committed(_: &'static str, _: Duration) {}
    #[inline]
    pub(crate) fn error(_: &'static str) {}
    #[inline]
    pub(crate) fn ended(_: &'static str) {}
    #[inline]
    pub(crate) fn waiters(_: f64) {}
    #[inline]
    pub(crate) fn sockets(_: f64) {}
}

pub(crate) use recorded::{call, committed, ended, error, held, waited};

/// One more of what is counted, until it is dropped.
pub(crate) struct More(fn(f64));

impl More {
    /// A call that waits for its turn.
    #[inline]
    pub(crate) fn waiters() -> Self {
        Self::of(recorded::waiters)
    }

    /// A socket that is bound to a session.
    #[inline]
    pub(crate) fn sockets() -> Self {
        Self::of(recorded::sockets)
    }

    #[inline]
    fn of(gauge: fn(f64)) -> Self {
        gauge(1.0);
        Self(gauge)
    }
}

impl Drop for More {
    #[inline]
    fn drop(&mut self) {
        (self.0)(-1.0);
    }
}

/// A call of the backend, from its beginning to its drop: also one that is given up has taken time.
pub(crate) struct Asks {
    #[cfg(feature = "metrics")]
    operation: (&'static str, tokio::time::Instant),
}

impl Asks {
    #[inline]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables, clippy::missing_const_for_fn))]
    pub(crate) fn begins(operation: &'static str) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            operation: (operation, tokio::time::Instant::now()),
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for Asks {
    fn drop(&mut self) {
        let (operation, began) = self.operation;
        recorded::backend(operation, began.elapsed());
    }
}
