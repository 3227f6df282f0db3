//! What is asked of the future of the user's function.

/// Demands that the user's function can go on on another thread. The compiler shows the line of the bound that is not met, so
/// what to do about it stands there.
#[inline]
pub const fn sent<F>(function: F) -> F
where
    F: Send, // a handler goes on on any thread: drop what is not `Send` before the `.await`, in a block or by `drop(..)`
{
    function
}
