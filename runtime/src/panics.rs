//! Panics in the application's code: each is an error of the call that ran it, and of nothing else.

use std::{
    any::Any,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::error::{Error, ErrorKind};

/// Runs code of the application's, whose panic is its error.
pub(crate) fn caught<R>(code: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|payload| Err(panicked(payload)))
}

/// The error that a panic is.
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Error {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    // What was panicked with is the application's, too, and may panic when it goes.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    Error::new(ErrorKind::Panicked).because(text.unwrap_or_else(|| "no message".to_owned()))
}

/// A value of the application's. A panic in its `Drop` goes no further than this, also where it comes while another
/// panic unwinds, inside of a lock, or where nobody could be told.
#[derive(Clone, Debug)]
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn into_inner(mut self) -> T {
        match self.0.take() {
            Some(value) => value,
            None => unreachable!("it is there until it is taken, once"),
        }
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => unreachable!("it is there until it is taken"),
        }
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(value) => value,
            None => unreachable!("it is there until it is taken"),
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take() else { return };
        let dropped = caught(move || {
            drop(value);
            Ok(())
        });
        if let Err(error) = dropped {
            error.log("a value that was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::panic_any;

    use super::*;

    #[derive(Debug)]
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("as the test wants");
        }
    }

    fn source_of(error: &Error) -> String {
        std::error::Error::source(error).unwrap().to_string()
    }

    #[test]
    fn a_panic_is_an_error_that_says_what_it_said() {
        let error = caught::<()>(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!((error.kind(), source_of(&error)), (ErrorKind::Panicked, "number 7".to_owned()));
        assert_eq!(source_of(&caught::<()>(|| panic!("seven")).unwrap_err()), "seven");
        assert_eq!(source_of(&caught::<()>(|| panic_any(7)).unwrap_err()), "no message");
        assert_eq!(source_of(&caught::<()>(|| panic_any(Bomb)).unwrap_err()), "no message");
        assert_eq!(caught(|| Ok(7)).unwrap(), 7);
    }

    #[test]
    fn a_panic_in_a_drop_goes_no_further() {
        drop(Contained::new(Bomb));
        std::mem::forget(Contained::new(Bomb).into_inner());
    }

    #[test]
    fn nor_does_one_that_comes_while_another_unwinds() {
        let error = caught::<()>(|| {
            let _bombs = (Contained::new(Bomb), Contained::new(Bomb));
            panic!("the first");
        });
        assert_eq!(source_of(&error.unwrap_err()), "the first");
    }
}
