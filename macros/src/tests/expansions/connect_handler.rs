//! What `#[connect_handler]` expands to, in a crate that names the runtime `session`.

// A state that the handler reads, and the socket, over any adapter.
//
// #[connect_handler(session)]
// async fn connected(session: &User, socket: SocketRef) {
//     socket.on("logout", logout);
// }

#[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_structs)]
struct connected;
const _: () = {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected(session: &User, socket: SocketRef) {
        socket.on("logout", logout);
    }
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        __A: ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectHandler<
        __A,
        ::session::__private::connect::ByAttribute,
    > for connected
    where
        User: ::session::SessionState,
        SocketRef: ::session::__private::connect::FromConnectParts<__A>,
    {
        fn call(
            &self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            __auth: ::core::option::Option<::session::__private::connect::Value>,
        ) {
            let __begun = ::session::__private::connect::begin::<
                __A,
                (::session::__private::Read<User>,),
            >(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            let __extractor0 = match <SocketRef as ::session::__private::connect::FromConnectParts<
                __A,
            >>::from_connect_parts(&__socket, &__auth) {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    return ::session::__private::connect::not_extracted(
                        __held,
                        &__error,
                    );
                }
            };
            ::session::__private::connect::start(async move {
                let __returned = {
                    #[allow(unused_imports)]
                    use ::session::__private::{SplitResult as _, SplitValue as _};
                    let (__scope, (__state0,)) = __held.lend();
                    let __result = __scope.run(connected(__state0, __extractor0)).await;
                    ::session::__private::Split::new(__result).split()
                };
                ::session::__private::connect::finish(__held, __returned).await;
            });
        }
        fn call_middleware<'a>(
            &'a self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            _: &'a ::core::option::Option<::session::__private::connect::Value>,
        ) -> ::session::__private::connect::Prepared<'a> {
            ::session::__private::connect::prepare::<
                __A,
                (::session::__private::Read<User>,),
            >(__socket)
        }
        fn with<__M, __T>(
            self,
            __middleware: __M,
        ) -> impl ::session::__private::connect::ConnectHandler<
            __A,
            ::session::__private::connect::ByAttribute,
        >
        where
            __M: ::session::__private::connect::ConnectMiddleware<__A, __T>
                + ::core::marker::Send + ::core::marker::Sync + 'static,
            __T: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            ::session::__private::connect::Layered::<
                __A,
                Self,
                __M,
                __T,
            >::new(self, __middleware)
        }
    }
};

// Several states: they keep the order of the signature.
//
// #[connect_handler(user, cart, seen)]
// pub(crate) async fn connected(
//     Data(auth): Data<Auth>,
//     mut cart: &mut Cart,
//     socket: SocketRef,
//     user: &User,
//     seen: Option<&Seen>,
// ) -> Answer {
//     greet(auth, cart, user, seen)
// }

#[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_structs)]
pub(crate) struct connected;
const _: () = {
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< Cart as ::session::SessionState > ::KEY, <
        User as ::session::SessionState > ::KEY]),
        "two parameters of `connected` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< Cart as ::session::SessionState > ::KEY, <
        User as ::session::SessionState > ::KEY, < Seen as ::session::SessionState >
        ::KEY]),
        "two parameters of `connected` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected(
        Data(auth): Data<Auth>,
        mut cart: &mut Cart,
        socket: SocketRef,
        user: &User,
        seen: Option<&Seen>,
    ) -> Answer {
        greet(auth, cart, user, seen)
    }
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        __A: ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectHandler<
        __A,
        ::session::__private::connect::ByAttribute,
    > for connected
    where
        Cart: ::session::SessionState,
        User: ::session::SessionState,
        Seen: ::session::SessionState,
        Data<Auth>: ::session::__private::connect::FromConnectParts<__A>,
        SocketRef: ::session::__private::connect::FromConnectParts<__A>,
    {
        fn call(
            &self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            __auth: ::core::option::Option<::session::__private::connect::Value>,
        ) {
            let __begun = ::session::__private::connect::begin::<
                __A,
                (
                    ::session::__private::Write<Cart>,
                    ::session::__private::Read<User>,
                    ::session::__private::Maybe<Seen>,
                ),
            >(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            let __extractor0 = match <Data<
                Auth,
            > as ::session::__private::connect::FromConnectParts<
                __A,
            >>::from_connect_parts(&__socket, &__auth) {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    return ::session::__private::connect::not_extracted(
                        __held,
                        &__error,
                    );
                }
            };
            let __extractor1 = match <SocketRef as ::session::__private::connect::FromConnectParts<
                __A,
            >>::from_connect_parts(&__socket, &__auth) {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    return ::session::__private::connect::not_extracted(
                        __held,
                        &__error,
                    );
                }
            };
            ::session::__private::connect::start(async move {
                let __returned = {
                    #[allow(unused_imports)]
                    use ::session::__private::{SplitResult as _, SplitValue as _};
                    let (__scope, (__state0, __state1, __state2)) = __held.lend();
                    let __result = __scope
                        .run(
                            connected(
                                __extractor0,
                                __state0,
                                __extractor1,
                                __state1,
                                __state2,
                            ),
                        )
                        .await;
                    ::session::__private::Split::new(__result).split()
                };
                ::session::__private::connect::finish(__held, __returned).await;
            });
        }
        fn call_middleware<'a>(
            &'a self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            _: &'a ::core::option::Option<::session::__private::connect::Value>,
        ) -> ::session::__private::connect::Prepared<'a> {
            ::session::__private::connect::prepare::<
                __A,
                (
                    ::session::__private::Write<Cart>,
                    ::session::__private::Read<User>,
                    ::session::__private::Maybe<Seen>,
                ),
            >(__socket)
        }
        fn with<__M, __T>(
            self,
            __middleware: __M,
        ) -> impl ::session::__private::connect::ConnectHandler<
            __A,
            ::session::__private::connect::ByAttribute,
        >
        where
            __M: ::session::__private::connect::ConnectMiddleware<__A, __T>
                + ::core::marker::Send + ::core::marker::Sync + 'static,
            __T: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            ::session::__private::connect::Layered::<
                __A,
                Self,
                __M,
                __T,
            >::new(self, __middleware)
        }
    }
};

// The user's own adapter.
//
// #[connect_handler]
// async fn connected<X: Adapter>(socket: SocketRef<X>)
// where
//     X: Send,
// {
// }

#[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_structs)]
struct connected;
const _: () = {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected<X: Adapter>(socket: SocketRef<X>)
    where
        X: Send,
    {}
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        X: Adapter + ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectHandler<
        X,
        ::session::__private::connect::ByAttribute,
    > for connected
    where
        X: Send,
        SocketRef<X>: ::session::__private::connect::FromConnectParts<X>,
    {
        fn call(
            &self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<X>>,
            __auth: ::core::option::Option<::session::__private::connect::Value>,
        ) {
            let __begun = ::session::__private::connect::begin::<X, ()>(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            let __extractor0 = match <SocketRef<
                X,
            > as ::session::__private::connect::FromConnectParts<
                X,
            >>::from_connect_parts(&__socket, &__auth) {
                ::core::result::Result::Ok(__value) => __value,
                ::core::result::Result::Err(__error) => {
                    return ::session::__private::connect::not_extracted(
                        __held,
                        &__error,
                    );
                }
            };
            ::session::__private::connect::start(async move {
                let __returned = {
                    #[allow(unused_imports)]
                    use ::session::__private::{SplitResult as _, SplitValue as _};
                    let (__scope, ()) = __held.lend();
                    let __result = __scope.run(connected::<X>(__extractor0)).await;
                    ::session::__private::Split::new(__result).split()
                };
                ::session::__private::connect::finish(__held, __returned).await;
            });
        }
        fn call_middleware<'a>(
            &'a self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<X>>,
            _: &'a ::core::option::Option<::session::__private::connect::Value>,
        ) -> ::session::__private::connect::Prepared<'a> {
            ::session::__private::connect::prepare::<X, ()>(__socket)
        }
        fn with<__M, __T>(
            self,
            __middleware: __M,
        ) -> impl ::session::__private::connect::ConnectHandler<
            X,
            ::session::__private::connect::ByAttribute,
        >
        where
            __M: ::session::__private::connect::ConnectMiddleware<X, __T>
                + ::core::marker::Send + ::core::marker::Sync + 'static,
            __T: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            ::session::__private::connect::Layered::<
                X,
                Self,
                __M,
                __T,
            >::new(self, __middleware)
        }
    }
};

// Neither states nor arguments.
//
// #[connect_handler()]
// async fn connected() {}

#[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_structs)]
struct connected;
const _: () = {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected() {}
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        __A: ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectHandler<
        __A,
        ::session::__private::connect::ByAttribute,
    > for connected {
        fn call(
            &self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            __auth: ::core::option::Option<::session::__private::connect::Value>,
        ) {
            let __begun = ::session::__private::connect::begin::<__A, ()>(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            ::session::__private::connect::start(async move {
                let __returned = {
                    #[allow(unused_imports)]
                    use ::session::__private::{SplitResult as _, SplitValue as _};
                    let (__scope, ()) = __held.lend();
                    let __result = __scope.run(connected()).await;
                    ::session::__private::Split::new(__result).split()
                };
                ::session::__private::connect::finish(__held, __returned).await;
            });
        }
        fn call_middleware<'a>(
            &'a self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            _: &'a ::core::option::Option<::session::__private::connect::Value>,
        ) -> ::session::__private::connect::Prepared<'a> {
            ::session::__private::connect::prepare::<__A, ()>(__socket)
        }
        fn with<__M, __T>(
            self,
            __middleware: __M,
        ) -> impl ::session::__private::connect::ConnectHandler<
            __A,
            ::session::__private::connect::ByAttribute,
        >
        where
            __M: ::session::__private::connect::ConnectMiddleware<__A, __T>
                + ::core::marker::Send + ::core::marker::Sync + 'static,
            __T: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            ::session::__private::connect::Layered::<
                __A,
                Self,
                __M,
                __T,
            >::new(self, __middleware)
        }
    }
};

// Attributes: what speaks of the item goes to the struct, what speaks of the code to the function.
//
// #[connect_handler]
// /// Documented.
// #[cfg(unix)]
// #[allow(dead_code)]
// #[instrument]
// #[expect(unused)]
// #[deprecated]
// async fn connected() {}

/// Documented.
#[cfg(unix)]
#[allow(dead_code)]
#[deprecated]
#[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
#[allow(non_camel_case_types, clippy::exhaustive_structs)]
struct connected;
#[cfg(unix)]
const _: () = {
    #[allow(dead_code)]
    #[instrument]
    #[expect(unused)]
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected() {}
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        __A: ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectHandler<
        __A,
        ::session::__private::connect::ByAttribute,
    > for connected {
        fn call(
            &self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            __auth: ::core::option::Option<::session::__private::connect::Value>,
        ) {
            let __begun = ::session::__private::connect::begin::<__A, ()>(&__socket);
            let ::core::option::Option::Some(mut __held) = __begun else { return };
            ::session::__private::connect::start(async move {
                let __returned = {
                    #[allow(unused_imports)]
                    use ::session::__private::{SplitResult as _, SplitValue as _};
                    let (__scope, ()) = __held.lend();
                    let __result = __scope.run(connected()).await;
                    ::session::__private::Split::new(__result).split()
                };
                ::session::__private::connect::finish(__held, __returned).await;
            });
        }
        fn call_middleware<'a>(
            &'a self,
            __socket: ::std::sync::Arc<::session::__private::connect::Socket<__A>>,
            _: &'a ::core::option::Option<::session::__private::connect::Value>,
        ) -> ::session::__private::connect::Prepared<'a> {
            ::session::__private::connect::prepare::<__A, ()>(__socket)
        }
        fn with<__M, __T>(
            self,
            __middleware: __M,
        ) -> impl ::session::__private::connect::ConnectHandler<
            __A,
            ::session::__private::connect::ByAttribute,
        >
        where
            __M: ::session::__private::connect::ConnectMiddleware<__A, __T>
                + ::core::marker::Send + ::core::marker::Sync + 'static,
            __T: ::core::marker::Send + ::core::marker::Sync + 'static,
        {
            ::session::__private::connect::Layered::<
                __A,
                Self,
                __M,
                __T,
            >::new(self, __middleware)
        }
    }
};

// Mistakes: each is reported, and the function stays.
//
// #[connect_handler(session)]
// async fn connected<A, B>(session: &User, #[cfg(unix)] socket: SocketRef<A>, data: impl Extractor<B>) {}

::core::compile_error! {
    "a connect handler may be generic over the adapter only: write `async fn connected<A: Adapter>(..)` or no parameter at all"
}
::core::compile_error! {
    "a connect handler's parameters are there whatever the configuration: put the `#[cfg]` on the function"
}
::core::compile_error! {
    "a connect handler's parameters are concrete types: write the extractor's type"
}
async fn connected<A, B>(
    session: &User,
    #[cfg(unix)]
    socket: SocketRef<A>,
    data: impl Extractor<B>,
) {}
