//! What an owner or a label may be.

use crate::{
    error::{Error, ErrorKind},
    session::ownership::LONGEST,
};

/// An owner, if it can be one.
pub(crate) fn checked_owner(owner: &str) -> Result<&str, Error> {
    checked("an owner", owner)
}

/// A label, if it can be one.
pub(crate) fn checked_label(label: &str) -> Result<&str, Error> {
    checked("a label", label)
}

fn checked<'a>(what: &str, text: &'a str) -> Result<&'a str, Error> {
    if (1..=LONGEST).contains(&text.len()) {
        return Ok(text);
    }
    let bytes = text.len();
    Err(Error::with_text(
        ErrorKind::BadArgument,
        format!("{what} has 1 to {LONGEST} bytes, and this one has {bytes}: nothing was done"),
    ))
}
