//! What a backend gives: an answer that is there at once, or a future that waits for it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    task::{Context, Poll},
};

/// What a [`Backend`](super::Backend) gives to a call: there at once, so that nobody makes or polls a future, or to be
/// waited for. `.await` gives it either way.
pub enum Answer<T> {
    /// It is there.
    Ready(T),
    /// It must be waited for. Nothing happens before the future is polled.
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T> Answer<T> {
    /// One that must be waited for.
    ///
    /// ```
    /// use socketioxide_session::backend::Answer;
    ///
    /// # async fn wait() {
    /// assert_eq!(Answer::Ready(1).await, 1);
    /// assert_eq!(Answer::pending(async { 2 }).await, 2);
    /// # }
    /// ```
    pub fn pending(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Pending(_) => f.debug_tuple("Pending").finish_non_exhaustive(),
        }
    }
}

impl<T> IntoFuture for Answer<T> {
    type Output = T;
    type IntoFuture = Awaited<T>;

    fn into_future(self) -> Awaited<T> {
        Awaited(match self {
            Self::Ready(answer) => Waiting::Ready(Some(answer)),
            Self::Pending(future) => Waiting::Pending(future),
        })
    }
}

/// Waits for an [`Answer`].
pub struct Awaited<T>(Waiting<T>);

enum Waiting<T> {
    Ready(Option<T>),
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

/// Nothing in it is pinned but what is boxed.
impl<T> Unpin for Awaited<T> {}

impl<T> Future for Awaited<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            Waiting::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => unreachable!("a future that has ended is not polled again"),
            },
            Waiting::Pending(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for Awaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Awaited").finish_non_exhaustive()
    }
}
