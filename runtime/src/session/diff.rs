//! Which fields of a state a handler changed. A field of an [exact](super::exact) type is compared as it is; of any other
//! type by what it serialises to, now and when the handler was given it.

use std::{borrow::Cow, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    encode::{LEVELS, LEVELS_OF_A_FIELD, Refused, encode},
    field::{ChangedFields, FieldIndex, FieldSet, Fields, NewValue, changed_fields},
};
use crate::error::{Error, ErrorKind};

/// Looks at each field of a state, and collects what it is made for.
#[derive(Debug)]
pub struct Differences {
    changed: ChangedFields,
    state: &'static str,
    /// The number of the next field.
    next: usize,
    collects: Collects,
}

/// What is collected.
#[derive(Debug)]
enum Collects {
    /// The encoding of what is not exact.
    Encodings(Remembered),
    /// The fields that differ: those that are not exact from what they were.
    Changed(Remembered),
    /// These fields, whether or not they differ.
    Asked(FieldSet),
}

/// The encoding of what is not exact in a state as a handler was given it; nothing of one that is exact. In the order of the
/// fields, or the whole state. `None`: that did not serialise.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Vec<Option<Value>>);

impl Differences {
    pub(super) fn remembering(state: &'static str) -> Self {
        Self::of(state, Collects::Encodings(Remembered::default()))
    }

    pub(super) fn new(state: &'static str, mut remembered: Remembered) -> Self {
        // What is compared first is taken first, from the end.
        remembered.0.reverse();
        Self::of(state, Collects::Changed(remembered))
    }

    pub(super) fn of_fields(state: &'static str, asked: FieldSet) -> Self {
        Self::of(state, Collects::Asked(asked))
    }

    fn of(state: &'static str, collects: Collects) -> Self {
        Self { changed: ChangedFields::new(), state, next: 0, collects }
    }

    pub(super) fn into_changed(self) -> ChangedFields {
        self.changed
    }

    pub(super) fn into_remembered(self) -> Remembered {
        match self.collects {
            Collects::Encodings(remembered) => remembered,
            Collects::Changed(_) | Collects::Asked(_) => Remembered::default(),
        }
    }

    /// Looks at one field. `same`: whether its values are the same, where its type is exact.
    ///
    /// # Errors
    ///
    /// If a value that is to be written cannot be stored.
    #[inline]
    pub fn field<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        same: Option<bool>,
        value: &T,
    ) -> Result<(), Error> {
        let number = self.next;
        self.next += 1;
        if same == Some(true) && !matches!(self.collects, Collects::Asked(_)) {
            return Ok(());
        }
        match same {
            Some(_) => self.exact(name, number, value),
            None => self.encoded(name, value),
        }
    }

    fn exact<T: Serialize>(&mut self, name: &'static str, number: usize, value: &T) -> Result<(), Error> {
        let index = FieldIndex::of(number);
        if let Collects::Asked(asked) = &self.collects
            && !index.is_some_and(|index| asked.contains(index))
        {
            return Ok(());
        }
        let json = self.to_json(name, value)?;
        let value = match index {
            Some(index) => NewValue::Live(index, json),
            None => NewValue::Json(Arc::new(json)),
        };
        self.changed.push((Cow::Borrowed(name), value));
        Ok(())
    }

    fn encoded<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let json = match self.collects {
            Collects::Asked(_) => return Ok(()),
            Collects::Encodings(_) | Collects::Changed(_) => self.to_json(name, value),
        };
        match &mut self.collects {
            Collects::Asked(_) => {}
            Collects::Encodings(remembered) => remembered.0.push(json.ok()),
            Collects::Changed(remembered) => {
                let (before, json) = (remembered.0.pop().flatten(), json?);
                if before.as_ref() != Some(&json) {
                    // What its type cannot read of its own writing no encoder sees.
                    T::deserialize(&json)
                        .map_err(|error| not_read_back(self.state, &format!("field `{name}`"), error))?;
                    self.changed.push((Cow::Borrowed(name), NewValue::Json(Arc::new(json))));
                }
            }
        }
        Ok(())
    }

    /// Looks at a state as all that it serialises to, where serde attributes say how that is.
    ///
    /// # Errors
    ///
    /// If it cannot be stored.
    pub fn whole<T: Serialize + DeserializeOwned>(&mut self, state: &T) -> Result<(), Error> {
        let fields = encode_whole(self.state, state);
        match &mut self.collects {
            Collects::Asked(_) => {}
            Collects::Encodings(remembered) => remembered.0.push(fields.ok().map(Value::Object)),
            Collects::Changed(remembered) => {
                let before = match remembered.0.pop().flatten() {
                    Some(Value::Object(fields)) => fields,
                    _ => Fields::new(),
                };
                let fields = fields?;
                self.changed = changed_fields(&before, &fields);
                if !self.changed.is_empty() {
                    T::deserialize(&fields).map_err(|error| not_read_back(self.state, "it", error))?;
                }
            }
        }
        Ok(())
    }

    fn to_json<T: Serialize>(&self, name: &'static str, value: &T) -> Result<Value, Error> {
        encode(value, LEVELS_OF_A_FIELD).map_err(|refused| not_stored(self.state, refused.inside_field(name)))
    }
}

/// A state as the fields that are stored. `name`: the state's, for errors.
fn encode_whole<T: Serialize>(name: &str, state: &T) -> Result<Fields, Error> {
    match encode(state, LEVELS).map_err(|refused| not_stored(name, refused))? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Error::with_text(
            ErrorKind::Encode,
            format!("state `{name}` cannot be stored: it does not serialise into a JSON object"),
        )),
    }
}

fn not_stored(state: &str, refused: Refused) -> Error {
    let text = format!("state `{state}` cannot be stored: {}", refused.text());
    Error::with_text(ErrorKind::Encode, text).because(refused.into_why())
}

fn not_read_back(state: &str, what: &str, error: serde_json::Error) -> Error {
    let text = format!("state `{state}` cannot be stored: {what} does not decode from what it serialises to");
    Error::with_text(ErrorKind::Encode, text).because(error)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{
        super::exact::{ByNothing, Same},
        *,
    };

    #[test]
    fn a_users_partial_eq_is_not_asked() {
        #[derive(Serialize, Deserialize)]
        struct AllEqual(u8);
        impl PartialEq for AllEqual {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }
        let (before, after) = (AllEqual(1), AllEqual(2));
        let same = Same(&before, &after).same();
        assert_eq!(same, None);
        let changed = |after: &AllEqual| {
            let mut differences = Differences::remembering("State");
            differences.field("field", same, &before).unwrap();
            let mut differences = Differences::new("State", differences.into_remembered());
            differences.field("field", same, after).unwrap();
            differences.into_changed().len()
        };
        assert_eq!((changed(&after), changed(&before)), (1, 0));
    }
}
