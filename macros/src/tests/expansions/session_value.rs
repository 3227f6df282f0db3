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

const _: () = {
    type __Field1_0 = <::session::__private::Known<
        { ::session::__private::is_exact::<u8>() },
    > as ::session::__private::As<u8>>::Type;
    #[cfg(unix)]
    type __Field2_0 = <::session::__private::Known<
        { ::session::__private::is_exact::<String>() },
    > as ::session::__private::As<String>>::Type;
    #[cfg(unix)]
    type __Field2_1 = <::session::__private::Known<
        { ::session::__private::is_exact::<u8>() },
    > as ::session::__private::As<u8>>::Type;
    #[automatically_derived]
    #[allow(deprecated, unreachable_patterns)]
    impl ::session::__private::Exact for Theme {
        fn is_same(&self, __other: &Self) -> bool {
            match (self, __other) {
                (Self::Light {}, Self::Light {}) => true,
                (Self::Dark { contrast: __this0 }, Self::Dark { contrast: __that0 }) => {
                    if !<__Field1_0 as ::session::__private::Exact>::is_same(
                        __this0,
                        __that0,
                    ) {
                        return false;
                    }
                    true
                }
                #[cfg(unix)]
                (
                    Self::Own { 0: __this0, 1: __this1 },
                    Self::Own { 0: __that0, 1: __that1 },
                ) => {
                    if !<__Field2_0 as ::session::__private::Exact>::is_same(
                        __this0,
                        __that0,
                    ) {
                        return false;
                    }
                    if !<__Field2_1 as ::session::__private::Exact>::is_same(
                        __this1,
                        __that1,
                    ) {
                        return false;
                    }
                    true
                }
                _ => false,
            }
        }
    }
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

// A struct with all its derives.
//
// #[session_value]
// #[derive(Clone, Serialize, Deserialize)]
// struct Point {
//     x: f64,
//     #[serde(rename = "why")]
//     y: f64,
// }

const _: () = {
    type __Field0_0 = <::session::__private::Known<
        { ::session::__private::is_exact::<f64>() },
    > as ::session::__private::As<f64>>::Type;
    type __Field0_1 = <::session::__private::Known<
        { ::session::__private::is_exact::<f64>() },
    > as ::session::__private::As<f64>>::Type;
    #[automatically_derived]
    #[allow(deprecated, unreachable_patterns)]
    impl ::session::__private::Exact for Point {
        fn is_same(&self, __other: &Self) -> bool {
            match (self, __other) {
                (Self { x: __this0, y: __this1 }, Self { x: __that0, y: __that1 }) => {
                    if !<__Field0_0 as ::session::__private::Exact>::is_same(
                        __this0,
                        __that0,
                    ) {
                        return false;
                    }
                    if !<__Field0_1 as ::session::__private::Exact>::is_same(
                        __this1,
                        __that1,
                    ) {
                        return false;
                    }
                    true
                }
                _ => false,
            }
        }
    }
};
#[derive(Clone, Serialize, Deserialize)]
struct Point {
    x: f64,
    #[serde(rename = "why")]
    y: f64,
}

// A generic one.
//
// #[session_value]
// struct Pair<A, B: Copy>(A, B) where A: Default;

const _: () = {
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
};
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

// A unit struct.
//
// #[session_value]
// struct Unit;

const _: () = {
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
};
#[derive(::core::clone::Clone)]
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
struct Unit;

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
const _: () = {
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
};
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
