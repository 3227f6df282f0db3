//! What `#[session_value]` expands to, in a crate that names the runtime `session`.

// An enum: its derives are completed, and it is compared field by field.
//
// #[session_value]
// #[derive(Debug, Default)]
// enum Theme {
//     #[default]
//     Light,
//     Dark { contrast: u8 },
//     #[cfg(unix)]
//     Own(String, u8),
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        u8: ::session::__private::Exact,
    {}
    #[cfg(unix)]
    fn __field1()
    where
        String: ::session::__private::Exact,
    {}
    #[cfg(unix)]
    fn __field2()
    where
        u8: ::session::__private::Exact,
    {}
};
#[derive(::core::clone::Clone)]
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[derive(Debug, Default)]
#[serde(crate = "::session::__private::serde")]
enum Theme {
    #[default]
    Light,
    Dark { contrast: u8 },
    #[cfg(unix)]
    Own(String, u8),
}
#[automatically_derived]
#[allow(deprecated, unreachable_patterns)]
impl ::session::__private::Exact for Theme {
    fn is_same(&self, __other: &Self) -> bool {
        match (self, __other) {
            (Self::Light {}, Self::Light {}) => true,
            (Self::Dark { contrast: __this0 }, Self::Dark { contrast: __that0 }) => {
                if !<u8 as ::session::__private::Exact>::is_same(__this0, __that0) {
                    return false;
                }
                true
            }
            #[cfg(unix)]
            (
                Self::Own { 0: __this0, 1: __this1 },
                Self::Own { 0: __that0, 1: __that1 },
            ) => {
                if !<String as ::session::__private::Exact>::is_same(__this0, __that0) {
                    return false;
                }
                if !<u8 as ::session::__private::Exact>::is_same(__this1, __that1) {
                    return false;
                }
                true
            }
            _ => false,
        }
    }
}

// A struct with all its derives.
//
// #[session_value]
// #[derive(Clone, Serialize, Deserialize)]
// struct Point {
//     x: f64,
//     #[serde(rename = "why")]
//     y: f64,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        f64: ::session::__private::Exact,
    {}
    fn __field1()
    where
        f64: ::session::__private::Exact,
    {}
};
#[derive(Clone, Serialize, Deserialize)]
struct Point {
    x: f64,
    #[serde(rename = "why")]
    y: f64,
}
#[automatically_derived]
#[allow(deprecated, unreachable_patterns)]
impl ::session::__private::Exact for Point {
    fn is_same(&self, __other: &Self) -> bool {
        match (self, __other) {
            (Self { x: __this0, y: __this1 }, Self { x: __that0, y: __that1 }) => {
                if !<f64 as ::session::__private::Exact>::is_same(__this0, __that0) {
                    return false;
                }
                if !<f64 as ::session::__private::Exact>::is_same(__this1, __that1) {
                    return false;
                }
                true
            }
            _ => false,
        }
    }
}

// A generic one.
//
// #[session_value]
// struct Pair<A, B: Copy>(A, B) where A: Default;

#[derive(::core::clone::Clone)]
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
struct Pair<A, B: Copy>(
    A,
    B,
)
where
    A: Default;
#[automatically_derived]
#[allow(deprecated, unreachable_patterns)]
impl<
    A: ::session::__private::Exact,
    B: Copy + ::session::__private::Exact,
> ::session::__private::Exact for Pair<A, B>
where
    A: Default,
{
    fn is_same(&self, __other: &Self) -> bool {
        match (self, __other) {
            (Self { 0: __this0, 1: __this1 }, Self { 0: __that0, 1: __that1 }) => {
                if !<A as ::session::__private::Exact>::is_same(__this0, __that0) {
                    return false;
                }
                if !<B as ::session::__private::Exact>::is_same(__this1, __that1) {
                    return false;
                }
                true
            }
            _ => false,
        }
    }
}

// A unit struct.
//
// #[session_value]
// struct Unit;

#[derive(::core::clone::Clone)]
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
struct Unit;
#[automatically_derived]
#[allow(deprecated, unreachable_patterns)]
impl ::session::__private::Exact for Unit {
    fn is_same(&self, __other: &Self) -> bool {
        match (self, __other) {
            (Self {}, Self {}) => true,
            _ => false,
        }
    }
}

// A mistake leaves an exact value behind, so that no other error follows from it.
//
// #[session_value]
// #[serde(untagged)]
// enum Either {
//     Left(u8),
// }

::core::compile_error! {
    "with `untagged` it is stored in another form than that of its fields, of which something may be lost: take it away, or `#[session_value]`"
}
#[derive(::core::clone::Clone)]
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(untagged)]
#[serde(crate = "::session::__private::serde")]
enum Either {
    Left(u8),
}
#[automatically_derived]
#[allow(deprecated, unreachable_patterns)]
impl ::session::__private::Exact for Either {
    fn is_same(&self, __other: &Self) -> bool {
        match (self, __other) {
            #[allow(unused_variables)]
            (Self::Left { 0: __this0 }, Self::Left { 0: __that0 }) => true,
            _ => false,
        }
    }
}
