//! Errors as a Socket.IO client sees them.

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::error::Error;

/// As a Socket.IO client sees it: `{"error": "<text>", "code": "<kind>"}`.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("error", &self.to_string())?;
        map.serialize_entry("code", self.kind().code())?;
        map.end()
    }
}

/// The payload of an error that a handler returned.
#[derive(Serialize)]
pub(super) struct Failed<E> {
    pub(super) error: E,
}
