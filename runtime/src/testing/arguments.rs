//! What one value is as the arguments of an event: one, several or none.

use std::{convert::Infallible, error::Error, fmt};

use serde::{
    Serialize, Serializer,
    ser::{self, Impossible},
};
use serde_json::Value;

use super::connection::json;

/// A tuple is several arguments, as socketioxide has it, and `()` is none.
pub(super) fn arguments<D: Serialize + ?Sized>(data: &D) -> Vec<Value> {
    let shape = match data.serialize(Look) {
        Ok(never) => match never {},
        Err(shape) => shape,
    };
    match (shape, json(&data)) {
        // To serde `()` and JSON's `null` are alike. But `()` has no size.
        (Shape::Unit, _) if size_of_val(data) == 0 => Vec::new(),
        (Shape::Tuple, Value::Array(all)) => all,
        (_, one) => vec![one],
    }
}

/// What a value is, at its root. It is an error to serde, as that is how one ends a look.
#[derive(Debug)]
enum Shape {
    Unit,
    Tuple,
    Other,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for Shape {}

impl ser::Error for Shape {
    /// What does not encode is told by who encodes it.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }
}

struct Look;

type Seen<T = Infallible> = Result<T, Shape>;
type No = Impossible<Infallible, Shape>;

macro_rules! see {
    ($($shape:ident: $method:ident$(<$T:ident>)?($($type:ty),*) -> $seen:ty;)*) => {
        $(fn $method$(<$T: Serialize + ?Sized>)?(self, $(_: $type),*) -> Seen<$seen> {
            Err(Shape::$shape)
        })*
    };
}

impl Serializer for Look {
    type Ok = Infallible;
    type Error = Shape;
    type SerializeSeq = No;
    type SerializeTuple = No;
    type SerializeTupleStruct = No;
    type SerializeTupleVariant = No;
    type SerializeMap = No;
    type SerializeStruct = No;
    type SerializeStructVariant = No;

    see! {
        Unit: serialize_unit() -> Infallible;
        Tuple: serialize_tuple(usize) -> No;
        Tuple: serialize_tuple_struct(&'static str, usize) -> No;
        Other: serialize_bool(bool) -> Infallible;
        Other: serialize_char(char) -> Infallible;
        Other: serialize_str(&str) -> Infallible;
        Other: serialize_bytes(&[u8]) -> Infallible;
        Other: serialize_i8(i8) -> Infallible;
        Other: serialize_i16(i16) -> Infallible;
        Other: serialize_i32(i32) -> Infallible;
        Other: serialize_i64(i64) -> Infallible;
        Other: serialize_u8(u8) -> Infallible;
        Other: serialize_u16(u16) -> Infallible;
        Other: serialize_u32(u32) -> Infallible;
        Other: serialize_u64(u64) -> Infallible;
        Other: serialize_f32(f32) -> Infallible;
        Other: serialize_f64(f64) -> Infallible;
        Other: serialize_none() -> Infallible;
        Other: serialize_some<T>(&T) -> Infallible;
        Other: serialize_unit_struct(&'static str) -> Infallible;
        Other: serialize_unit_variant(&'static str, u32, &'static str) -> Infallible;
        Other: serialize_newtype_struct<T>(&'static str, &T) -> Infallible;
        Other: serialize_newtype_variant<T>(&'static str, u32, &'static str, &T) -> Infallible;
        Other: serialize_seq(Option<usize>) -> No;
        Other: serialize_tuple_variant(&'static str, u32, &'static str, usize) -> No;
        Other: serialize_map(Option<usize>) -> No;
        Other: serialize_struct(&'static str, usize) -> No;
        Other: serialize_struct_variant(&'static str, u32, &'static str, usize) -> No;
    }
}
