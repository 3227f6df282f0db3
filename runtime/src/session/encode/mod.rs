//! A value as JSON, or why it cannot be had back from JSON. serde's own encoder takes some values that are then read as
//! others, or not at all: this one refuses them while it writes, for nobody could tell afterwards.

mod key;

use std::{borrow::Cow, fmt::Display};

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use serde_json::{Map, Number, Value};

use self::key::KeyEncoder;

/// How many levels of arrays and objects a value under a key of the session has at most: `serde_json` reads no more.
pub(crate) const LEVELS: usize = 127;

/// How many levels a field has at most: its state is one around it.
pub(super) const LEVELS_OF_A_FIELD: usize = LEVELS - 1;

const TOO_DEEP: &str = "is nested too deep: more than 126 levels cannot be read back";
const NOT_FINITE: &str = "is a float that is not finite, for which JSON has no number";
const SOME_NULL: &str = "is a `Some` of what is `null` in JSON, which would be read back as `None`";
const TOO_LARGE: &str =
    "is an integer of more than 64 bits, for which JSON has no number here: store it as text";
const KEY_TWICE: &str = "has two entries under one key of JSON, of which one would be lost";

/// How serde hands on what only `serde_json` knows of: a number of arbitrary precision, or JSON as text.
const OF_SERDE_JSON: &str = "$serde_json::private::";

/// Why a value is not encoded, and where in it.
#[derive(Debug)]
pub(crate) struct Refused(Box<Inner>);

#[derive(Debug)]
struct Inner {
    why: Cow<'static, str>,
    /// The application's `Serialize` says so.
    by_its_type: bool,
    /// From the inside to the outside.
    place: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Field(&'static str),
    Variant(&'static str),
    Element,
    Entry,
}

/// The value as JSON, with so many levels at most.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T, levels: usize) -> Result<Value, Refused> {
    value.serialize(Encoder { levels })
}

/// Whether a value has no more levels of arrays and objects than this.
pub(crate) fn has_at_most(value: &Value, levels: usize) -> bool {
    let inside = |value: &Value| levels.checked_sub(1).is_some_and(|levels| has_at_most(value, levels));
    match value {
        Value::Array(elements) => levels > 0 && elements.iter().all(inside),
        Value::Object(fields) => levels > 0 && fields.values().all(inside),
        _ => true,
    }
}

impl Refused {
    fn because(why: &'static str) -> Self {
        Self(Box::new(Inner { why: Cow::Borrowed(why), by_its_type: false, place: Vec::new() }))
    }

    fn inside(mut self, step: Step) -> Self {
        self.0.place.push(step);
        self
    }

    /// It is inside of this field.
    pub(super) fn inside_field(self, name: &'static str) -> Self {
        self.inside(Step::Field(name))
    }

    /// Where, and why as far as that are words of this crate. The application's own may quote the value.
    pub(super) fn text(&self) -> String {
        let mut place = String::new();
        for step in self.0.place.iter().rev() {
            match step {
                Step::Field(name) if place.is_empty() => place.push_str(name),
                Step::Field(name) => place.extend([".", name]),
                Step::Variant(name) => place.extend(["::", name]),
                Step::Element => place.push_str("[]"),
                Step::Entry => place.push_str("[..]"),
            }
        }
        let why = if self.0.by_its_type { "does not serialise" } else { &*self.0.why };
        if place.is_empty() { format!("it {why}") } else { format!("field `{place}` {why}") }
    }

    /// Why, in the application's words where it said so.
    pub(super) fn into_why(self) -> String {
        self.0.why.into_owned()
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.why)
    }
}

impl std::error::Error for Refused {}

impl serde::ser::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self(Box::new(Inner { why: Cow::Owned(message.to_string()), by_its_type: true, place: Vec::new() }))
    }
}

type Encoded = Result<Value, Refused>;

#[derive(Clone, Copy)]
struct Encoder {
    /// How many more levels there may be.
    levels: usize,
}

impl Encoder {
    fn inside(self) -> Result<Self, Refused> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| Refused::because(TOO_DEEP))?;
        Ok(Self { levels })
    }
}

macro_rules! take_as_is {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Encoded {
            Ok(Value::from(value))
        })*
    };
}

impl Serializer for Encoder {
    type Ok = Value;
    type Error = Refused;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = OfVariant<Elements>;
    type SerializeMap = Entries;
    type SerializeStruct = FieldsOfStruct;
    type SerializeStructVariant = OfVariant<Entries>;

    take_as_is!(serialize_bool: bool, serialize_str: &str);
    take_as_is!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);
    take_as_is!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);

    fn serialize_u128(self, value: u128) -> Encoded {
        Number::from_u128(value).map(Value::Number).ok_or_else(|| Refused::because(TOO_LARGE))
    }

    fn serialize_i128(self, value: i128) -> Encoded {
        Number::from_i128(value).map(Value::Number).ok_or_else(|| Refused::because(TOO_LARGE))
    }

    fn serialize_f32(self, value: f32) -> Encoded {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Encoded {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| Refused::because(NOT_FINITE))
    }

    fn serialize_char(self, value: char) -> Encoded {
        Ok(Value::String(value.to_string()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Encoded {
        self.inside()?;
        Ok(value.into())
    }

    fn serialize_unit(self) -> Encoded {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Encoded {
        Ok(Value::Null)
    }

    fn serialize_none(self) -> Encoded {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Encoded {
        match value.serialize(self)? {
            Value::Null => Err(Refused::because(SOME_NULL)),
            some => Ok(some),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Encoded {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Encoded {
        Ok(variant.into())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Encoded {
        let value = value.serialize(self.inside()?).map_err(|refused| refused.inside(Step::Variant(variant)));
        Ok(object(variant, value?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements, Refused> {
        // Not as much as it says before it is there.
        let room = length.unwrap_or_default().min(1024);
        Ok(Elements { elements: Vec::with_capacity(room), encoder: self.inside()? })
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements, Refused> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Elements, Refused> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<OfVariant<Elements>, Refused> {
        Ok(OfVariant { variant, content: self.inside()?.serialize_seq(Some(length))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Refused> {
        Ok(Entries { so_far: Map::new(), key: None, encoder: self.inside()? })
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<FieldsOfStruct, Refused> {
        if name.starts_with(OF_SERDE_JSON) {
            return Ok(FieldsOfStruct::OfSerdeJson(Value::Null, self));
        }
        Ok(FieldsOfStruct::Ours(self.serialize_map(None)?))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<OfVariant<Entries>, Refused> {
        Ok(OfVariant { variant, content: self.inside()?.serialize_map(None)? })
    }
}

fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// An array that grows.
struct Elements {
    elements: Vec<Value>,
    encoder: Encoder,
}

impl Elements {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let value = value.serialize(self.encoder).map_err(|refused| refused.inside(Step::Element))?;
        self.elements.push(value);
        Ok(())
    }

    fn finish(self) -> Value {
        Value::Array(self.elements)
    }
}

/// An object that grows.
struct Entries {
    so_far: Map<String, Value>,
    key: Option<String>,
    encoder: Encoder,
}

impl Entries {
    fn insert<T: Serialize + ?Sized>(&mut self, key: String, value: &T, step: Step) -> Result<(), Refused> {
        let value = value.serialize(self.encoder).map_err(|refused| refused.inside(step))?;
        if self.so_far.insert(key, value).is_some() {
            return Err(Refused::because(KEY_TWICE));
        }
        Ok(())
    }

    fn insert_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Refused> {
        self.insert(name.to_owned(), value, Step::Field(name))
    }

    fn finish(self) -> Value {
        Value::Object(self.so_far)
    }
}

/// What the variant of an enum holds.
struct OfVariant<C> {
    variant: &'static str,
    content: C,
}

impl<C> OfVariant<C> {
    fn within<R>(&mut self, act: impl FnOnce(&mut C) -> Result<R, Refused>) -> Result<R, Refused> {
        act(&mut self.content).map_err(|refused| refused.inside(Step::Variant(self.variant)))
    }
}

enum FieldsOfStruct {
    Ours(Entries),
    /// A value whose JSON comes as text, in its one field.
    OfSerdeJson(Value, Encoder),
}

impl SerializeSeq for Elements {
    type Ok = Value;
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.push(value)
    }

    fn end(self) -> Encoded {
        Ok(self.finish())
    }
}

impl SerializeTuple for Elements {
    type Ok = Value;
    type Error = Refused;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.push(value)
    }

    fn end(self) -> Encoded {
        Ok(self.finish())
    }
}

impl SerializeTupleStruct for Elements {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.push(value)
    }

    fn end(self) -> Encoded {
        Ok(self.finish())
    }
}

impl SerializeTupleVariant for OfVariant<Elements> {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        self.within(|elements| elements.push(value))
    }

    fn end(self) -> Encoded {
        Ok(object(self.variant, self.content.finish()))
    }
}

impl SerializeMap for Entries {
    type Ok = Value;
    type Error = Refused;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Refused> {
        self.key = Some(key.serialize(KeyEncoder)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Refused> {
        let key = self.key.take().ok_or_else(|| Refused::custom("a map's value came before its key"))?;
        self.insert(key, value, Step::Entry)
    }

    fn end(self) -> Encoded {
        Ok(self.finish())
    }
}

impl SerializeStruct for FieldsOfStruct {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        match self {
            Self::Ours(entries) => entries.insert_field(name, value),
            Self::OfSerdeJson(json, encoder) => {
                let text = value.serialize(*encoder)?;
                *json = serde_json::from_str(text.as_str().unwrap_or_default()).map_err(Refused::custom)?;
                if has_at_most(json, encoder.levels) { Ok(()) } else { Err(Refused::because(TOO_DEEP)) }
            }
        }
    }

    fn end(self) -> Encoded {
        match self {
            Self::Ours(entries) => Ok(entries.finish()),
            Self::OfSerdeJson(json, _) => Ok(json),
        }
    }
}

impl SerializeStructVariant for OfVariant<Entries> {
    type Ok = Value;
    type Error = Refused;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        self.within(|entries| entries.insert_field(name, value))
    }

    fn end(self) -> Encoded {
        Ok(object(self.variant, self.content.finish()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::{key::NO_KEY, *};

    fn field<T: Serialize>(value: T) -> Result<Value, String> {
        encode(&value, LEVELS_OF_A_FIELD).map_err(|refused| refused.inside_field("f").text())
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inside, _| Value::Array(vec![inside]))
    }

    #[test]
    fn what_json_brings_back_is_encoded_as_serde_json_does() {
        #[derive(Serialize)]
        enum Shape {
            Unit,
            New(u8),
            Tuple(u8, char),
            Fields { a: f32 },
        }
        #[derive(Serialize)]
        struct All {
            shapes: [Shape; 4],
            none: Option<()>,
            bytes: &'static [u8],
            map: BTreeMap<i8, (bool, String)>,
            raw: Value,
            small: u128,
        }
        let all = All {
            shapes: [Shape::Unit, Shape::New(1), Shape::Tuple(2, 'x'), Shape::Fields { a: 0.1 }],
            none: None,
            bytes: b"ab",
            map: [(-1, (true, "t".to_owned()))].into(),
            raw: serde_json::json!({ "a": [1, -1.5, null] }),
            small: u64::MAX.into(),
        };
        assert_eq!(field(&all).unwrap(), serde_json::to_value(&all).unwrap());
    }

    #[test]
    fn what_json_does_not_bring_back_is_refused_where_it_stands() {
        #[derive(Serialize)]
        struct Line {
            price: Option<f64>,
        }
        let cart: HashMap<u8, Vec<Line>> = [(1, vec![Line { price: Some(f64::NAN) }])].into();
        assert_eq!(field(cart).unwrap_err(), format!("field `f[..][].price` {NOT_FINITE}"));
        assert_eq!(field(f32::INFINITY).unwrap_err(), format!("field `f` {NOT_FINITE}"));
        assert_eq!(field(Some(())).unwrap_err(), format!("field `f` {SOME_NULL}"));
        assert_eq!(field(vec![Some(None::<u8>)]).unwrap_err(), format!("field `f[]` {SOME_NULL}"));
        assert_eq!(field(u128::MAX).unwrap_err(), format!("field `f` {TOO_LARGE}"));
        assert_eq!(field(i128::MIN).unwrap_err(), format!("field `f` {TOO_LARGE}"));
        assert!(field(BTreeMap::from([(Some(1), 1)])).unwrap_err().ends_with(NO_KEY));
        assert!(field(BTreeMap::from([(vec![1], 1)])).unwrap_err().ends_with(NO_KEY));
    }

    #[test]
    fn one_key_of_json_holds_one_value() {
        #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(untagged)]
        enum Key {
            Number(u8),
            Text(String),
        }
        let map = BTreeMap::from([(Key::Number(1), 1), (Key::Text("1".to_owned()), 2)]);
        assert!(field(map).unwrap_err().ends_with(KEY_TWICE));
    }

    #[test]
    fn levels_are_those_that_are_read_back() {
        for (levels, stored) in [(LEVELS_OF_A_FIELD, true), (LEVELS_OF_A_FIELD + 1, false)] {
            let value = nested(levels);
            assert_eq!(field(&value).is_ok(), stored, "{levels}");
            let text = serde_json::to_string(&object("f", value.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).is_ok(), stored, "{levels}");
            assert_eq!(has_at_most(&value, LEVELS_OF_A_FIELD), stored, "{levels}");
        }
    }

    #[test]
    fn raw_json_is_taken_as_json() {
        #[derive(Serialize)]
        #[serde(rename = "$serde_json::private::RawValue")]
        struct Raw {
            #[serde(rename = "$serde_json::private::RawValue")]
            text: &'static str,
        }
        assert_eq!(field(Raw { text: "[1.5]" }).unwrap(), serde_json::json!([1.5]));
        assert!(field(Raw { text: "[" }).is_err());
        assert!(field(Some(Raw { text: "null" })).is_err());
    }

    #[test]
    fn the_words_of_a_type_are_the_cause() {
        struct Broken;
        impl Serialize for Broken {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(S::Error::custom("its lock is poisoned"))
            }
        }
        let refused = encode(&Broken, LEVELS).unwrap_err().inside_field("f");
        assert_eq!(refused.text(), "field `f` does not serialise");
        assert_eq!(refused.into_why(), "its lock is poisoned");
    }
}
