//! Whether what a handler returned can be encoded, known before its call commits. It is looked at as the connection's
//! parser would, and written nowhere: socketioxide encodes only what it sends at once. So numbers, strings and
//! `bool`s cost nothing, and what is binary stays so.

use std::io;

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use socketioxide::handler::Value;

/// How a connection's parser encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As JSON, with what is binary beside it.
    Json,
    /// By serde's JSON alone: what that parser leaves to it.
    InsideOfJson,
    MessagePack,
}

type Looked = Result<(), serde_json::Error>;

impl Encoding {
    /// Of the connection that this packet came over.
    pub(super) fn of(packet: &Value) -> Self {
        match packet {
            Value::Str(..) => Self::Json,
            Value::Bytes(_) => Self::MessagePack,
        }
    }

    /// An error if the value does not serialise.
    pub(super) fn look_at<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        value.serialize(self)
    }

    fn inside(self) -> Self {
        if self == Self::MessagePack { self } else { Self::InsideOfJson }
    }

    /// socketioxide's JSON hands these numbers on only where it leaves a value to serde's.
    fn look_at_128_bits(self, name: &str) -> Looked {
        if self == Self::Json {
            Err(serde_json::Error::custom(format!("{name} is not supported")))
        } else {
            Ok(())
        }
    }
}

macro_rules! take {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Looked {
            Ok(())
        })*
    };
}

impl Serializer for Encoding {
    type Ok = ();
    type Error = serde_json::Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    take!(serialize_bool: bool, serialize_char: char, serialize_str: &str, serialize_bytes: &[u8]);
    take!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64);
    take!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64);
    take!(serialize_f32: f32, serialize_f64: f64, serialize_unit_struct: &'static str);

    fn serialize_i128(self, _: i128) -> Looked {
        self.look_at_128_bits("i128")
    }

    fn serialize_u128(self, _: u128) -> Looked {
        self.look_at_128_bits("u128")
    }

    fn serialize_none(self) -> Looked {
        Ok(())
    }

    fn serialize_unit(self) -> Looked {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        value.serialize(self.inside())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Looked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Looked {
        value.serialize(self.inside())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Looked {
        value.serialize(self.inside())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Self::Error> {
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        *self != Self::MessagePack
    }
}

macro_rules! look_at_each {
    ($($compound:ident: $method:ident($($name:ty)?)),*) => {
        $(impl $compound for Encoding {
            type Ok = ();
            type Error = serde_json::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Looked {
                self.look_at(value)
            }

            fn end(self) -> Looked {
                Ok(())
            }
        })*
    };
}

look_at_each!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(&'static str),
    SerializeStructVariant: serialize_field(&'static str)
);

impl SerializeMap for Encoding {
    type Ok = ();
    type Error = serde_json::Error;

    /// serde's JSON decides on keys: not all can be made text.
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Looked {
        if *self == Self::MessagePack {
            return self.look_at(key);
        }
        let mut nowhere = serde_json::Serializer::new(io::sink());
        nowhere.serialize_map(None)?.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Looked {
        self.look_at(value)
    }

    fn end(self) -> Looked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr};

    use super::*;

    fn encodes(value: &impl Serialize) -> (bool, bool) {
        let [json, binary] =
            [Encoding::Json, Encoding::MessagePack].map(|encoding| encoding.look_at(value).is_ok());
        (json, binary)
    }

    #[test]
    fn each_parser_has_values_that_it_does_not_encode() {
        let keys = |key| BTreeMap::from([(key, 1)]);
        assert_eq!(encodes(&(1, "a", [0.5, f64::NAN], Some('c'), keys("key"))), (true, true));
        assert_eq!(encodes(&BTreeMap::from([(1, 1), (2, 2)])), (true, true));
        assert_eq!(encodes(&BTreeMap::from([((1, 2), 1)])), (false, true));
        assert_eq!(encodes(&Some(vec![BTreeMap::from([([1, 2], 1)])])), (false, true));
        assert_eq!(encodes(&u128::MAX), (false, true));
        assert_eq!(encodes(&vec![Some(i128::MIN)]), (true, true));
        assert_eq!(encodes(&Ipv4Addr::LOCALHOST), (true, true));
        assert_eq!(encodes(&std::path::Path::new("a")), (true, true));
    }

    #[test]
    fn the_parser_is_known_by_its_packets() {
        assert_eq!(Encoding::of(&Value::Str("[]".into(), None)), Encoding::Json);
        assert_eq!(Encoding::of(&Value::Bytes(bytes::Bytes::new())), Encoding::MessagePack);
    }
}
