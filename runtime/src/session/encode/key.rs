//! The key of a map as JSON has it, a text: what `serde_json` reads as a key of the same type. Others are refused.

use serde::{Serialize, Serializer, ser::Impossible};

use super::{NOT_FINITE, Refused};

pub(super) const NO_KEY: &str = "has a map key that is no text in JSON: use texts, characters, numbers, `bool`s or enums of unit variants";

/// For one key.
pub(super) struct KeyEncoder;

type Key = Result<String, Refused>;

macro_rules! key_as_text {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Key {
            Ok(value.to_string())
        })*
    };
}

macro_rules! no_key {
    ($($method:ident $(<$generic:ident>)? ($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method $(<$generic: Serialize + ?Sized>)? (self, $(_: $argument),*) -> Result<$result, Refused> {
            Err(Refused::because(NO_KEY))
        })*
    };
}

type NoKey = Impossible<String, Refused>;

impl Serializer for KeyEncoder {
    type Ok = String;
    type Error = Refused;
    type SerializeSeq = NoKey;
    type SerializeTuple = NoKey;
    type SerializeTupleStruct = NoKey;
    type SerializeTupleVariant = NoKey;
    type SerializeMap = NoKey;
    type SerializeStruct = NoKey;
    type SerializeStructVariant = NoKey;

    key_as_text!(serialize_bool: bool, serialize_char: char, serialize_str: &str);
    key_as_text!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128);
    key_as_text!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128);

    fn serialize_f32(self, value: f32) -> Key {
        // Read back at its own precision.
        if value.is_finite() { Ok(format!("{value:?}")) } else { Err(Refused::because(NOT_FINITE)) }
    }

    fn serialize_f64(self, value: f64) -> Key {
        if value.is_finite() { Ok(format!("{value:?}")) } else { Err(Refused::because(NOT_FINITE)) }
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Key {
        Ok(variant.to_owned())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Key {
        value.serialize(self)
    }

    no_key! {
        serialize_bytes(&[u8]) -> String;
        serialize_unit() -> String;
        serialize_unit_struct(&'static str) -> String;
        serialize_none() -> String;
        serialize_some<T>(&T) -> String;
        serialize_newtype_variant<T>(&'static str, u32, &'static str, &T) -> String;
        serialize_seq(Option<usize>) -> NoKey;
        serialize_tuple(usize) -> NoKey;
        serialize_tuple_struct(&'static str, usize) -> NoKey;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> NoKey;
        serialize_map(Option<usize>) -> NoKey;
        serialize_struct(&'static str, usize) -> NoKey;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> NoKey;
    }
}
