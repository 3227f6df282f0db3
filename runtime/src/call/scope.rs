//! The user's function while it runs: within its call, watched, its panics caught.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    thread,
};

use pin_project_lite::pin_project;

use super::{
    current_call::{CURRENT_CALL, CurrentCall, Verdict},
    outcome::Outcome,
};
use crate::{
    error::Error,
    panics::{caught, panicked},
    telemetry::Observed,
};

/// What the user's function runs in: so that `SessionControl` finds its call, and `Shared` the turn it must not
/// wait for.
pub struct Scope {
    pub(super) call: Option<CurrentCall>,
    pub(super) observed: Observed,
}

/// The user's function panicked.
#[derive(Debug)]
pub struct Panicked(Error);

impl Panicked {
    pub(crate) const fn of(error: Error) -> Self {
        Self(error)
    }

    pub(crate) fn error(&self) -> Error {
        self.0.clone()
    }
}

impl Scope {
    /// Runs the user's function, and catches its panic.
    ///
    /// # Errors
    ///
    /// If it panics.
    pub fn run<R>(&mut self, function: impl Future<Output = R>) -> impl Future<Output = Result<R, Panicked>> {
        Running { function: Some(function), scope: self }
    }

    /// Runs a part of the user's function. It does not depend on the function's type: it is compiled once, and not for each
    /// handler.
    fn within(
        &mut self,
        function: &mut dyn Function,
        part: Part,
        context: &mut Context<'_>,
    ) -> Result<(), Panicked> {
        let Some(call) = self.call.take() else { unreachable!("it is there unless a part runs") };
        let mut ran = pin!(CURRENT_CALL.scope(call, Runs { function, part }));
        let outcome = self.observed.inside(|| ran.as_mut().poll(context));
        self.call = ran.take_value();
        match outcome {
            Poll::Ready(outcome) => outcome.map_err(|payload| Panicked(panicked(payload))),
            Poll::Pending => unreachable!("a part waits for nothing"),
        }
    }

    /// The function does not run to its end. What it leaves behind belongs to its call, too; and a panic there, or of who
    /// observes the call, goes no further, also where this is dropped because of another one.
    fn drops(&mut self, function: &mut dyn Function) {
        if self.call.is_none() {
            return;
        }
        let context = &mut Context::from_waker(Waker::noop());
        let dropped = caught(|| self.within(function, Part::End, context).map_err(|Panicked(error)| error));
        if let Err(error) = dropped {
            error.log("a handler that was dropped");
        }
    }

    pub(super) fn conclude(self, outcome: Outcome) -> Verdict {
        let Some(call) = self.call else { unreachable!("a call that ends is not running") };
        call.conclude(outcome)
    }
}

/// What runs at one time of the user's function.
#[derive(Clone, Copy)]
enum Part {
    /// From one wait to the next.
    ToNextWait,
    /// What it leaves behind goes.
    End,
}

/// The user's function, whatever its type.
trait Function {
    fn run(&mut self, part: Part, context: &mut Context<'_>);
}

/// A part of it, as a future that is ready at once.
struct Runs<'a> {
    function: &'a mut dyn Function,
    part: Part,
}

impl Future for Runs<'_> {
    type Output = thread::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let part = self.part;
        Poll::Ready(catch_unwind(AssertUnwindSafe(|| self.function.run(part, context))))
    }
}

/// The function of a future, and what it returns: that is in no future, for it need not be `Send`.
struct Lent<'a, F: Future> {
    function: Pin<&'a mut Option<F>>,
    returned: Option<F::Output>,
}

impl<F: Future> Function for Lent<'_, F> {
    fn run(&mut self, part: Part, context: &mut Context<'_>) {
        if let (Part::ToNextWait, Some(function)) = (part, self.function.as_mut().as_pin_mut()) {
            let Poll::Ready(returned) = function.poll(context) else { return };
            self.returned = Some(returned);
        }
        self.function.set(None);
    }
}

pin_project! {
    /// The user's function while it runs.
    struct Running<'a, F: Future> {
        #[pin]
        function: Option<F>,
        scope: &'a mut Scope,
    }

    impl<F: Future> PinnedDrop for Running<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.function.is_some() {
                this.scope.drops(&mut Lent { function: this.function, returned: None });
            }
        }
    }
}

impl<F: Future> Future for Running<'_, F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut lent = Lent { function: this.function, returned: None };
        match this.scope.within(&mut lent, Part::ToNextWait, context) {
            Ok(()) => match lent.returned {
                Some(returned) => Poll::Ready(Ok(returned)),
                None => Poll::Pending,
            },
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}
