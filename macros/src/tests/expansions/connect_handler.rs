//! What `#[connect_handler]` expands to, in a crate that names the runtime `session`.

// A state that the handler reads, and the socket, over any adapter.
//
// #[connect_handler(session)]
// async fn connected(session: &User, socket: SocketRef) {
//     socket.on("logout", logout);
// }

#[allow(non_upper_case_globals)]
const connected: ::session::__private::connect::Annotated<__connect_handler_connected> = ::session::__private::connect::Annotated::new();
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
enum __connect_handler_connected {}
const _: () = {
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    type __Argument0 = <::session::__private::Known<
        {
            #[allow(unused_imports)]
            use ::session::__private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _,
                MiddlewaresOwn as _, OwnState as _, Payload as _, Second as _,
                Seventh as _, SocketsOwn as _, Third as _,
            };
            let _: fn() = || {
                (&&&&&&&::session::__private::asks::Asked::<
                    ::session::__private::asks::Connect,
                    SocketRef,
                    ::session::__private::asks::Unknown,
                >::new())
                    .ask();
            };
            true
        },
    > as ::session::__private::As<SocketRef>>::Type;
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
    > ::session::__private::connect::ConnectFunction<__A> for __connect_handler_connected
    where
        __Argument0: ::session::__private::connect::FromConnectParts<__A>,
    {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = (::session::__private::Read<__State0>,);
        type Arguments = (__Argument0,);
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<__A>,
            >,
            (socket,): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, (__state0,)) = __held.lend();
                let __result = __scope
                    .run(::session::__private::sent(connected(__state0, socket)))
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
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

#[allow(non_upper_case_globals)]
pub(crate) const connected: ::session::__private::connect::Annotated<
    __connect_handler_connected,
> = ::session::__private::connect::Annotated::new();
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
pub(crate) enum __connect_handler_connected {}
const _: () = {
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<Cart>() },
    > as ::session::__private::As<Cart>>::Type;
    type __State1 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    type __State2 = <::session::__private::Known<
        { ::session::__private::is_state::<Seen>() },
    > as ::session::__private::As<Seen>>::Type;
    type __Argument0 = <::session::__private::Known<
        {
            #[allow(unused_imports)]
            use ::session::__private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _,
                MiddlewaresOwn as _, OwnState as _, Payload as _, Second as _,
                Seventh as _, SocketsOwn as _, Third as _,
            };
            let _: fn() = || {
                (&&&&&&&::session::__private::asks::Asked::<
                    ::session::__private::asks::Connect,
                    Data<Auth>,
                    ::session::__private::asks::Reads<Auth>,
                >::new())
                    .ask();
            };
            true
        },
    > as ::session::__private::As<Data<Auth>>>::Type;
    type __Argument1 = <::session::__private::Known<
        {
            #[allow(unused_imports)]
            use ::session::__private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _,
                MiddlewaresOwn as _, OwnState as _, Payload as _, Second as _,
                Seventh as _, SocketsOwn as _, Third as _,
            };
            let _: fn() = || {
                (&&&&&&&::session::__private::asks::Asked::<
                    ::session::__private::asks::Connect,
                    SocketRef,
                    ::session::__private::asks::Unknown,
                >::new())
                    .ask();
            };
            true
        },
    > as ::session::__private::As<SocketRef>>::Type;
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY]),
        "two parameters of `connected` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY, < __State2 as
        ::session::SessionState > ::KEY]),
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
    > ::session::__private::connect::ConnectFunction<__A> for __connect_handler_connected
    where
        __Argument0: ::session::__private::connect::FromConnectParts<__A>,
        __Argument1: ::session::__private::connect::FromConnectParts<__A>,
    {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = (
            ::session::__private::Write<__State0>,
            ::session::__private::Read<__State1>,
            ::session::__private::Maybe<__State2>,
        );
        type Arguments = (__Argument0, __Argument1);
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<__A>,
            >,
            (auth, socket): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, (__state0, __state1, __state2)) = __held.lend();
                let __result = __scope
                    .run(
                        ::session::__private::sent(
                            connected(auth, __state0, socket, __state1, __state2),
                        ),
                    )
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
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

#[allow(non_upper_case_globals)]
const connected: ::session::__private::connect::Annotated<__connect_handler_connected> = ::session::__private::connect::Annotated::new();
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
enum __connect_handler_connected {}
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
    #[allow(
        warnings,
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        clippy::restriction
    )]
    fn __asks<X: Adapter + ::session::__private::connect::Adapter>()
    where
        X: Send,
    {
        if false {
            #[allow(unused_imports)]
            use ::session::__private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _,
                MiddlewaresOwn as _, OwnState as _, Payload as _, Second as _,
                Seventh as _, SocketsOwn as _, Third as _,
            };
            (&&&&&&&::session::__private::asks::Asked::<
                ::session::__private::asks::Connect,
                SocketRef<X>,
                ::session::__private::asks::Unknown,
            >::new())
                .ask();
        }
    }
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        X: Adapter + ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectFunction<X> for __connect_handler_connected
    where
        X: Send,
        SocketRef<X>: ::session::__private::connect::FromConnectParts<X>,
    {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = ();
        type Arguments = (SocketRef<X>,);
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<X>,
            >,
            (socket,): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, ()) = __held.lend();
                let __result = __scope
                    .run(::session::__private::sent(connected::<X>(socket)))
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
        }
    }
};

// Neither states nor arguments.
//
// #[connect_handler()]
// async fn connected() {}

#[allow(non_upper_case_globals)]
const connected: ::session::__private::connect::Annotated<__connect_handler_connected> = ::session::__private::connect::Annotated::new();
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
enum __connect_handler_connected {}
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
    > ::session::__private::connect::ConnectFunction<__A>
    for __connect_handler_connected {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = ();
        type Arguments = ();
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<__A>,
            >,
            (): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, ()) = __held.lend();
                let __result = __scope
                    .run(::session::__private::sent(connected()))
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
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
#[allow(non_upper_case_globals)]
const connected: ::session::__private::connect::Annotated<__connect_handler_connected> = ::session::__private::connect::Annotated::new();
#[cfg(unix)]
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
enum __connect_handler_connected {}
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
    > ::session::__private::connect::ConnectFunction<__A>
    for __connect_handler_connected {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = ();
        type Arguments = ();
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<__A>,
            >,
            (): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, ()) = __held.lend();
                let __result = __scope
                    .run(::session::__private::sent(connected()))
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
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
#[allow(non_upper_case_globals)]
const connected: ::session::__private::connect::Annotated<__connect_handler_connected> = ::session::__private::connect::Annotated::new();
#[doc(hidden)]
#[allow(
    non_camel_case_types,
    dead_code,
    missing_debug_implementations,
    clippy::exhaustive_enums
)]
enum __connect_handler_connected {}
const _: () = {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn connected() {
        #[allow(warnings)]
        async fn connected<A, B>(
            session: &User,
            #[cfg(unix)]
            socket: SocketRef<A>,
            data: impl Extractor<B>,
        ) {}
        ::core::unreachable!()
    }
    #[allow(deprecated, trivial_bounds)]
    #[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
    impl<
        __A: ::session::__private::connect::Adapter,
    > ::session::__private::connect::ConnectFunction<__A>
    for __connect_handler_connected {
        const NAME: &'static ::core::primitive::str = ::core::concat!(
            ::core::module_path!(), "::", "connected"
        );
        type States = ();
        type Arguments = ();
        async fn run(
            mut __held: ::session::__private::connect::Held<
                Self::States,
                ::session::__private::connect::Connected<__A>,
            >,
            (): Self::Arguments,
        ) {
            let __returned = {
                #[allow(unused_imports)]
                use ::session::__private::{SplitResult as _, SplitValue as _};
                let (__scope, ()) = __held.lend();
                let __result = __scope
                    .run(::session::__private::sent(connected()))
                    .await;
                ::session::__private::Split::new(__result).split()
            };
            ::session::__private::connect::finish(__held, __returned).await;
        }
    }
};
