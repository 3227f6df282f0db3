//! Which fields of a state a handler changed. A field of an [exact](super::exact) type is compared as it is; of any other
//! type by what it serialises to.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::field::{ChangedFields, FieldIndex, FieldSet, Fields, NewValue, changed_fields};
use crate::error::{Error, ErrorKind};

/// Collects the fields that differ; or those that are asked for, of a state that is compared with itself.
#[derive(Debug)]
pub struct Differences {
    changed: ChangedFields,
    state: &'static str,
    /// The number of the next field.
    next: usize,
    asked: Option<FieldSet>,
}

impl Differences {
    /// Collects the fields that differ in this state.
    pub(super) fn new(state: &'static str) -> Self {
        Self { changed: ChangedFields::new(), state, next: 0, asked: None }
    }

    /// Collects these fields of this state, whether or not they differ.
    pub(super) fn of_fields(state: &'static str, asked: FieldSet) -> Self {
        Self { asked: Some(asked), ..Self::new(state) }
    }

    pub(super) fn into_changed(self) -> ChangedFields {
        self.changed
    }

    /// Compares one field. `same`: whether its values are the same, where its type tells.
    ///
    /// # Errors
    ///
    /// If a value that must be looked at, or written, does not serialise.
    #[inline]
    pub fn field<T: Serialize>(
        &mut self,
        name: &'static str,
        same: Option<bool>,
        before: &T,
        after: &T,
    ) -> Result<(), Error> {
        let number = self.next;
        self.next += 1;
        if same == Some(true) && self.asked.is_none() {
            return Ok(());
        }
        self.look_at(name, same.and(FieldIndex::of(number)), same, before, after)
    }

    fn look_at<T: Serialize>(
        &mut self,
        name: &'static str,
        index: Option<FieldIndex>,
        same: Option<bool>,
        before: &T,
        after: &T,
    ) -> Result<(), Error> {
        if let Some(asked) = self.asked
            && !index.is_some_and(|index| asked.contains(index))
        {
            return Ok(());
        }
        let json = self.to_json(name, after)?;
        let value = match index {
            Some(index) => NewValue::Live(index, json),
            None if same.is_some() || json != self.to_json(name, before)? => NewValue::Json(Arc::new(json)),
            None => return Ok(()),
        };
        self.changed.push((Cow::Borrowed(name), value));
        Ok(())
    }

    /// Compares states by all that they serialise to, where serde attributes say how that is.
    ///
    /// # Errors
    ///
    /// If they do not serialise.
    pub fn whole<T: Serialize>(&mut self, before: &T, after: &T) -> Result<(), Error> {
        self.changed = changed_fields(&encode(self.state, before)?, &encode(self.state, after)?);
        Ok(())
    }

    fn to_json<T: Serialize>(&self, name: &str, value: &T) -> Result<Value, Error> {
        serde_json::to_value(value).map_err(|error| {
            let text = format!("state `{}` cannot be stored: field `{name}` does not serialise", self.state);
            Error::with_text(ErrorKind::Encode, text).because(error)
        })
    }
}

/// A state as the fields that are stored. `name`: the state's, for errors.
pub(super) fn encode<T: Serialize>(name: &str, state: &T) -> Result<Fields, Error> {
    match serde_json::to_value(state) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(not_encoded(name, "it does not serialise into a JSON object")),
        Err(error) => Err(not_encoded(name, "a field does not serialise into JSON").because(error)),
    }
}

fn not_encoded(name: &str, why: &str) -> Error {
    Error::with_text(ErrorKind::Encode, format!("state `{name}` cannot be stored: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::exact::{ByNothing, Same},
        *,
    };

    #[test]
    fn a_users_partial_eq_is_not_asked() {
        #[derive(Serialize)]
        struct AllEqual(u8);
        impl PartialEq for AllEqual {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }
        let (before, after) = (AllEqual(1), AllEqual(2));
        assert_eq!(Same(&before, &after).same(), None);
        let mut differences = Differences::new("State");
        differences.field("field", None, &before, &after).unwrap();
        assert_eq!(differences.changed.len(), 1);
        differences.field("field", None, &before, &before).unwrap();
        assert_eq!(differences.changed.len(), 1);
    }
}
