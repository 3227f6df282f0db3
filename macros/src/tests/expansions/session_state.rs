//! What `#[session_state]` expands to, in a crate that names the runtime `session`.

// A state: its derives are completed, and `Default` is implemented for it.
//
// #[session_state]
// #[derive(Clone, Default)]
// #[derive(Default)]
// struct User {
//     name: Option<String>,
//     #[session(default = 1 + 2)]
//     visits: u32,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        Option<String>: ::session::__private::Owned,
    {}
    fn __field1()
    where
        u32: ::session::__private::Owned,
    {}
};
const _: () = {
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<Option<String>>() },
    > as ::session::__private::As<Option<String>>>::Type;
    type __Field1 = <::session::__private::Known<
        { ::session::__private::is_stored::<u32>() },
    > as ::session::__private::As<u32>>::Type;
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                name: <__Field0 as ::session::__private::FirstValue>::first_value(),
                visits: 1 + 2,
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            {
                __exact &= ::session::__private::Exactness::<Option<String>>::IS_EXACT;
            }
            {
                __exact &= ::session::__private::Exactness::<u32>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                name: __reading
                    .field::<
                        __Field0,
                    >(
                        &["name"],
                        |__state| ::session::__private::Copied(&__state.name).copied(),
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
                visits: __reading
                    .field::<
                        __Field1,
                    >(
                        &["visits"],
                        |__state| ::session::__private::Copied(&__state.visits).copied(),
                        || 1 + 2,
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            __differences
                .field::<
                    __Field0,
                >(
                    "name",
                    ::session::__private::Same(&__before.name, &__after.name).same(),
                    &__after.name,
                )?;
            __differences
                .field::<
                    __Field1,
                >(
                    "visits",
                    ::session::__private::Same(&__before.visits, &__after.visits).same(),
                    &__after.visits,
                )?;
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[derive(Clone)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    name: Option<String>,
    visits: u32,
}

// The key that is given, and a field under `#[cfg]`.
//
// #[session_state(key = "account")]
// pub(crate) struct User {
//     #[cfg(unix)]
//     pub(crate) name: Option<String>,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    #[cfg(unix)]
    fn __field0()
    where
        Option<String>: ::session::__private::Owned,
    {}
};
const _: () = {
    #[cfg(unix)]
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<Option<String>>() },
    > as ::session::__private::As<Option<String>>>::Type;
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                #[cfg(unix)]
                name: <__Field0 as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "account";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            #[cfg(unix)]
            {
                __exact &= ::session::__private::Exactness::<Option<String>>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                #[cfg(unix)]
                name: __reading
                    .field::<
                        __Field0,
                    >(
                        &["name"],
                        |__state| ::session::__private::Copied(&__state.name).copied(),
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            #[cfg(unix)]
            __differences
                .field::<
                    __Field0,
                >(
                    "name",
                    ::session::__private::Same(&__before.name, &__after.name).same(),
                    &__after.name,
                )?;
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
pub(crate) struct User {
    #[cfg(unix)]
    pub(crate) name: Option<String>,
}

// The key of a name in several words.
//
// #[session_state]
// struct ShoppingCart {}

const _: () = {
    #[automatically_derived]
    impl ::core::default::Default for ShoppingCart {
        fn default() -> Self {
            Self {}
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for ShoppingCart {
        const KEY: &'static str = "shopping_cart";
        const NAME: &'static str = "ShoppingCart";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {})
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct ShoppingCart {}

// Raw names are written without their mark.
//
// #[session_state]
// struct r#Type {
//     r#type: u8,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        u8: ::session::__private::Owned,
    {}
};
const _: () = {
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<u8>() },
    > as ::session::__private::As<u8>>::Type;
    #[automatically_derived]
    impl ::core::default::Default for r#Type {
        fn default() -> Self {
            Self {
                r#type: <__Field0 as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for r#Type {
        const KEY: &'static str = "type";
        const NAME: &'static str = "Type";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            {
                __exact &= ::session::__private::Exactness::<u8>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                r#type: __reading
                    .field::<
                        __Field0,
                    >(
                        &["type"],
                        |__state| ::session::__private::Copied(&__state.r#type).copied(),
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            __differences
                .field::<
                    __Field0,
                >(
                    "type",
                    ::session::__private::Same(&__before.r#type, &__after.r#type).same(),
                    &__after.r#type,
                )?;
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct r#Type {
    r#type: u8,
}

// `Serialize` and `Deserialize` of the user's.
//
// #[session_state]
// #[derive(Serialize)]
// #[derive(Debug, Deserialize)]
// struct User {}

const _: () = {
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {}
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {})
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(Serialize)]
#[derive(Debug, Deserialize)]
#[serde(default)]
struct User {}

// One of them, and what the user says to serde.
//
// #[session_state]
// #[derive(serde::Serialize)]
// #[serde(default, crate = "x")]
// struct User {}

const _: () = {
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {}
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {})
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(::session::__private::serde::Deserialize)]
#[derive(serde::Serialize)]
#[serde(default, crate = "x")]
struct User {}

// Conditional derives of what the expansion has anyway.
//
// #[session_state]
// #[cfg_attr(unix, derive(Debug, Default, Serialize))]
// struct User {}

const _: () = {
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {}
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {})
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[cfg_attr(unix, derive(Debug))]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {}

// A live state: its event, and the fields that are never sent.
//
// #[session_state(emit = "user")]
// struct User {
//     name: Option<String>,
//     #[session(server_only)]
//     #[serde(rename = "tries")]
//     #[cfg(unix)]
//     failures: u32,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        Option<String>: ::session::__private::Owned,
    {}
    #[cfg(unix)]
    fn __field1()
    where
        u32: ::session::__private::Owned,
    {}
};
const _: () = {
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<Option<String>>() },
    > as ::session::__private::As<Option<String>>>::Type;
    #[cfg(unix)]
    type __Field1 = <::session::__private::Known<
        { ::session::__private::is_stored::<u32>() },
    > as ::session::__private::As<u32>>::Type;
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                name: <__Field0 as ::session::__private::FirstValue>::first_value(),
                #[cfg(unix)]
                failures: <__Field1 as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const IS_LIVE: bool = true;
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            {
                __exact &= ::session::__private::Exactness::<Option<String>>::IS_EXACT;
            }
            #[cfg(unix)]
            {
                __exact &= ::session::__private::Exactness::<u32>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                name: __reading
                    .field::<
                        __Field0,
                    >(
                        &["name"],
                        |__state| ::session::__private::Copied(&__state.name).copied(),
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
                #[cfg(unix)]
                failures: __reading
                    .field::<
                        __Field1,
                    >(
                        &["tries"],
                        |__state| {
                            ::session::__private::Copied(&__state.failures).copied()
                        },
                        || <__Field1 as ::session::__private::FirstValue>::first_value(),
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            __differences
                .field::<
                    __Field0,
                >(
                    "name",
                    ::session::__private::Same(&__before.name, &__after.name).same(),
                    &__after.name,
                )?;
            #[cfg(unix)]
            __differences
                .field::<
                    __Field1,
                >(
                    "tries",
                    ::session::__private::Same(&__before.failures, &__after.failures)
                        .same(),
                    &__after.failures,
                )?;
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    impl ::session::LiveState for User {
        const EVENT: &'static str = "user";
        const SERVER_ONLY: &'static [&'static str] = &[#[cfg(unix)] "tries"];
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    name: Option<String>,
    #[serde(rename = "tries")]
    #[cfg(unix)]
    failures: u32,
}

// Other names: they are written under one, and read under all.
//
// #[session_state(on_undecodable = "default")]
// #[serde(rename_all = "camelCase")]
// struct User {
//     #[serde(alias = "name", alias = "nick")]
//     first_name: String,
//     #[serde(rename = "n")]
//     number: u8,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        String: ::session::__private::Owned,
    {}
    fn __field1()
    where
        u8: ::session::__private::Owned,
    {}
};
const _: () = {
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<String>() },
    > as ::session::__private::As<String>>::Type;
    type __Field1 = <::session::__private::Known<
        { ::session::__private::is_stored::<u8>() },
    > as ::session::__private::As<u8>>::Type;
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                first_name: <__Field0 as ::session::__private::FirstValue>::first_value(),
                number: <__Field1 as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const ALIASES: &'static [(&'static str, &'static [&'static str])] = &[
            ("firstName", &["name", "nick"]),
        ];
        const BEGINS_ANEW: bool = true;
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            {
                __exact &= ::session::__private::Exactness::<String>::IS_EXACT;
            }
            {
                __exact &= ::session::__private::Exactness::<u8>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                first_name: __reading
                    .field::<
                        __Field0,
                    >(
                        &["firstName", "name", "nick"],
                        |__state| {
                            ::session::__private::Copied(&__state.first_name).copied()
                        },
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
                number: __reading
                    .field::<
                        __Field1,
                    >(
                        &["n"],
                        |__state| ::session::__private::Copied(&__state.number).copied(),
                        || <__Field1 as ::session::__private::FirstValue>::first_value(),
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            __differences
                .field::<
                    __Field0,
                >(
                    "firstName",
                    ::session::__private::Same(&__before.first_name, &__after.first_name)
                        .same(),
                    &__after.first_name,
                )?;
            __differences
                .field::<
                    __Field1,
                >(
                    "n",
                    ::session::__private::Same(&__before.number, &__after.number).same(),
                    &__after.number,
                )?;
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(rename_all = "camelCase")]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    #[serde(alias = "name", alias = "nick")]
    first_name: String,
    #[serde(rename = "n")]
    number: u8,
}

// A field with a form of its own in serde: the state is read, kept and compared as it is encoded.
//
// #[session_state]
// struct User {
//     #[serde(with = "other", alias = "nick")]
//     name: String,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        String: ::session::__private::Owned,
    {}
};
const _: () = {
    #[automatically_derived]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                name: <String as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const ALIASES: &'static [(&'static str, &'static [&'static str])] = &[
            ("name", &["nick"]),
        ];
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    #[serde(with = "other", alias = "nick")]
    name: String,
}

// A deprecated field.
//
// #[session_state]
// struct User {
//     #[deprecated]
//     name: String,
// }

#[allow(warnings, clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
const _: () = {
    fn __field0()
    where
        String: ::session::__private::Owned,
    {}
};
const _: () = {
    type __Field0 = <::session::__private::Known<
        { ::session::__private::is_stored::<String>() },
    > as ::session::__private::As<String>>::Type;
    #[automatically_derived]
    #[allow(deprecated)]
    impl ::core::default::Default for User {
        fn default() -> Self {
            Self {
                name: <__Field0 as ::session::__private::FirstValue>::first_value(),
            }
        }
    }
    #[allow(deprecated)]
    impl ::session::SessionState for User {
        const KEY: &'static str = "user";
        const NAME: &'static str = "User";
        const LIVES: ::session::__private::Lives = {
            #[allow(unused_imports)]
            use ::session::__private::NotExact as _;
            #[allow(unused_mut)]
            let mut __exact = true;
            {
                __exact &= ::session::__private::Exactness::<String>::IS_EXACT;
            }
            ::session::__private::Lives::by_field(__exact)
        };
        #[allow(
            warnings,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
        fn read(
            __reading: &::session::__private::Reading<'_, Self>,
        ) -> ::core::result::Result<Self, ::session::Error> {
            use ::session::__private::{CloneExact as _, CloneNothing as _};
            ::core::result::Result::Ok(Self {
                name: __reading
                    .field::<
                        __Field0,
                    >(
                        &["name"],
                        |__state| ::session::__private::Copied(&__state.name).copied(),
                        || <__Field0 as ::session::__private::FirstValue>::first_value(),
                    )?,
            })
        }
        fn compare(
            __before: &Self,
            __after: &Self,
            __differences: &mut ::session::__private::Differences,
        ) -> ::core::result::Result<(), ::session::Error> {
            #[allow(unused_imports)]
            use ::session::__private::{ByExact as _, ByNothing as _};
            __differences
                .field::<
                    __Field0,
                >(
                    "name",
                    ::session::__private::Same(&__before.name, &__after.name).same(),
                    &__after.name,
                )?;
            ::core::result::Result::Ok(())
        }
    }
};
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    #[deprecated]
    name: String,
}

// A mistake in the arguments leaves a state behind, so that no other error follows from it.
//
// #[session_state(key = 3)]
// struct User {
//     name: String,
// }

::core::compile_error! {
    "expected string literal: write `key = \"user\"`"
}
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    name: String,
}
#[automatically_derived]
impl ::core::default::Default for User {
    fn default() -> Self {
        ::core::unreachable!()
    }
}
#[allow(deprecated)]
impl ::session::SessionState for User {
    const KEY: &'static str = "user";
    const NAME: &'static str = "User";
}

// A mistake at a field: our attribute goes all the same.
//
// #[session_state]
// struct User {
//     #[session(default = 1, default = 2)]
//     a: u8,
//     #[session(default = 1)]
//     #[session(default = 2)]
//     b: u8,
//     #[session(skip)]
//     c: u8,
//     #[session(default)]
//     d: u8,
//     #[session]
//     e: u8,
//     #[session()]
//     f: u8,
//     #[cfg_attr(unix, session(default = 1))]
//     g: u8,
// }

::core::compile_error! {
    "`default` is given twice: keep one of them"
}
::core::compile_error! {
    "`default` is given twice: keep one of them"
}
::core::compile_error! {
    "`skip` is no argument of `#[session]`: it takes `default = ..` and `server_only`, and what is serde's goes into `#[serde(..)]`"
}
::core::compile_error! {
    "`default` needs a value: write `default = 1`"
}
::core::compile_error! {
    "`#[session]` gives a field its first value, or keeps it on the server: write `#[session(default = ..)]` or `#[session(server_only)]`"
}
::core::compile_error! {
    "`#[session]` gives a field its first value, or keeps it on the server: write `#[session(default = ..)]` or `#[session(server_only)]`"
}
::core::compile_error! {
    "a field's default is there whatever the configuration: write `#[session(default = ..)]` and put the condition into the expression"
}
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
#[serde(default)]
struct User {
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
}
#[automatically_derived]
impl ::core::default::Default for User {
    fn default() -> Self {
        ::core::unreachable!()
    }
}
#[allow(deprecated)]
impl ::session::SessionState for User {
    const KEY: &'static str = "user";
    const NAME: &'static str = "User";
}

// What can be no state gets a stand-in.
//
// #[session_state]
// struct User(u8);

::core::compile_error! {
    "session state is stored field by field, under the fields' names, and `User` is a tuple struct: write `struct User { name: Type, .. }`"
}
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[serde(crate = "::session::__private::serde")]
struct User(u8);
#[automatically_derived]
impl ::core::default::Default for User {
    fn default() -> Self {
        ::core::unreachable!()
    }
}
#[allow(deprecated)]
impl ::session::SessionState for User {
    const KEY: &'static str = "user";
    const NAME: &'static str = "User";
}

// So does an enum, whose own `Default` stays.
//
// #[session_state]
// #[derive(Default)]
// enum User {
//     #[default]
//     Guest,
// }

::core::compile_error! {
    "session state is stored field by field, under the fields' names, and `User` is an enum: write `struct User { name: Type, .. }`"
}
#[derive(
    ::session::__private::serde::Serialize,
    ::session::__private::serde::Deserialize
)]
#[derive(Default)]
#[serde(crate = "::session::__private::serde")]
enum User {
    #[default]
    Guest,
}
#[allow(deprecated)]
impl ::session::SessionState for User {
    const KEY: &'static str = "user";
    const NAME: &'static str = "User";
}

// Of what is generic, or a union, nothing can stand in.
//
// #[session_state]
// struct User<T> {
//     name: T,
// }

::core::compile_error! {
    "a session state is one concrete type under one key: write `struct User` without parameters, and a struct for each type that is stored"
}
struct User<T> {
    name: T,
}

// Anything else stays as it is.
//
// #[session_state]
// fn user() {}

::core::compile_error! {
    "`#[session_state]` goes on a struct with named fields"
}
fn user() {}
