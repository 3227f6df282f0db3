//! What `#[socket_handler]` expands to, in a crate that names the runtime `session`.

// A state that the handler changes. What it returns is the acknowledgement.
//
// #[socket_handler(session)]
// async fn logout(session: &mut User) -> bool {
//     session.name.take().is_some()
// }

#[allow(trivial_bounds, private_bounds)]
async fn logout(
    __event: ::session::__private::socket::Event<
        (::session::__private::Write<User>,),
        fn(),
    >,
) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn logout(session: &mut User) -> bool {
        session.name.take().is_some()
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "logout"))
                .await;
        }
    };
    let () = __arguments;
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (::session::__private::Write<__State0>,),
    >(__call, false, ::core::concat!(::core::module_path!(), "::", "logout"))
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope.run(::session::__private::sent(logout(__state0))).await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::finish(__held, __returned).await;
}

// Several states and extractors, of which one may be the `AckSender`.
//
// #[socket_handler(user, cart)]
// pub async fn checkout(socket: SocketRef, cart: &mut Cart, Data(card): Data<Card>, user: Option<&User>) -> Paid {
//     cart.pay(user, card).await
// }

#[allow(trivial_bounds, private_bounds)]
pub async fn checkout(
    __event: ::session::__private::socket::Event<
        (::session::__private::Write<Cart>, ::session::__private::Maybe<User>),
        fn(SocketRef, Data<Card>),
    >,
) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn checkout(
        socket: SocketRef,
        cart: &mut Cart,
        Data(card): Data<Card>,
        user: Option<&User>,
    ) -> Paid {
        cart.pay(user, card).await
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<Cart>() },
    > as ::session::__private::As<Cart>>::Type;
    type __State1 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY]),
        "two parameters of `checkout` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketParts,
            SocketRef,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketLast,
            Data<Card>,
            ::session::__private::asks::Reads<Card>,
        >::new())
            .ask();
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "checkout"))
                .await;
        }
    };
    let (socket, __arguments) = __arguments;
    let (card, __arguments) = __arguments;
    let () = __arguments;
    let __answers = ::session::__private::socket::ByReturning;
    #[allow(unused_imports)]
    use ::session::__private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
    let __answers = ::session::__private::socket::Argument(&socket).with(__answers);
    let __answers = ::session::__private::socket::Argument(&card).with(__answers);
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (::session::__private::Write<__State0>, ::session::__private::Maybe<__State1>),
    >(
            __call,
            __answers.by_itself(),
            ::core::concat!(::core::module_path!(), "::", "checkout"),
        )
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, (__state0, __state1)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(checkout(socket, __state0, card, __state1)))
            .await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::may_return(&__answers, &__returned);
    ::session::__private::socket::finish(__held, __returned).await;
}

// No state.
//
// #[socket_handler()]
// async fn ping() {}

#[allow(trivial_bounds, private_bounds)]
async fn ping(__event: ::session::__private::socket::Event<(), fn()>) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn ping() {}
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "ping"))
                .await;
        }
    };
    let () = __arguments;
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (),
    >(__call, false, ::core::concat!(::core::module_path!(), "::", "ping"))
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(ping())).await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::finish(__held, __returned).await;
}

// An alias of `Result`: what is acknowledged is found by its type.
//
// #[socket_handler(session)]
// async fn rename(session: &mut User, TryData(name): TryData<String>) -> Answer {
//     session.rename(name?)
// }

#[allow(trivial_bounds, private_bounds)]
async fn rename(
    __event: ::session::__private::socket::Event<
        (::session::__private::Write<User>,),
        fn(TryData<String>),
    >,
) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn rename(session: &mut User, TryData(name): TryData<String>) -> Answer {
        session.rename(name?)
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketLast,
            TryData<String>,
            ::session::__private::asks::Reads<String>,
        >::new())
            .ask();
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "rename"))
                .await;
        }
    };
    let (name, __arguments) = __arguments;
    let () = __arguments;
    let __answers = ::session::__private::socket::ByReturning;
    #[allow(unused_imports)]
    use ::session::__private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
    let __answers = ::session::__private::socket::Argument(&name).with(__answers);
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (::session::__private::Write<__State0>,),
    >(
            __call,
            __answers.by_itself(),
            ::core::concat!(::core::module_path!(), "::", "rename"),
        )
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(rename(__state0, name)))
            .await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::may_return(&__answers, &__returned);
    ::session::__private::socket::finish(__held, __returned).await;
}

// Generics go with the call. A lifetime that only borrows a state stays inside.
//
// #[socket_handler(s)]
// async fn handler<'a, A: Adapter, const N: usize>(s: &'a User, socket: SocketRef<A>, x: X<N>)
// where
//     A: Other,
// {
// }

#[allow(trivial_bounds, private_bounds)]
async fn handler<A: Adapter, const N: usize>(
    __event: ::session::__private::socket::Event<
        (::session::__private::Read<User>,),
        fn(SocketRef<A>, X<N>),
    >,
)
where
    A: Other,
{
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn handler<'a, A: Adapter, const N: usize>(
        s: &'a User,
        socket: SocketRef<A>,
        x: X<N>,
    )
    where
        A: Other,
    {}
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketParts,
            SocketRef<A>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketLast,
            X<N>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "handler"))
                .await;
        }
    };
    let (socket, __arguments) = __arguments;
    let (x, __arguments) = __arguments;
    let () = __arguments;
    let __answers = ::session::__private::socket::ByReturning;
    #[allow(unused_imports)]
    use ::session::__private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
    let __answers = ::session::__private::socket::Argument(&socket).with(__answers);
    let __answers = ::session::__private::socket::Argument(&x).with(__answers);
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (::session::__private::Read<__State0>,),
    >(
            __call,
            __answers.by_itself(),
            ::core::concat!(::core::module_path!(), "::", "handler"),
        )
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(handler::<A, N>(__state0, socket, x)))
            .await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::may_return(&__answers, &__returned);
    ::session::__private::socket::finish(__held, __returned).await;
}

// A lifetime of an extractor stays with the handler.
//
// #[socket_handler(s)]
// async fn handler<'a>(s: &'a User, x: X<'a>) {}

#[allow(trivial_bounds, private_bounds)]
async fn handler<'a>(
    __event: ::session::__private::socket::Event<
        (::session::__private::Read<User>,),
        fn(X<'a>),
    >,
) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn handler<'a>(s: &'a User, x: X<'a>) {}
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketLast,
            X<'a>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "handler"))
                .await;
        }
    };
    let (x, __arguments) = __arguments;
    let () = __arguments;
    let __answers = ::session::__private::socket::ByReturning;
    #[allow(unused_imports)]
    use ::session::__private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
    let __answers = ::session::__private::socket::Argument(&x).with(__answers);
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (::session::__private::Read<__State0>,),
    >(
            __call,
            __answers.by_itself(),
            ::core::concat!(::core::module_path!(), "::", "handler"),
        )
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(handler(__state0, x)))
            .await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::may_return(&__answers, &__returned);
    ::session::__private::socket::finish(__held, __returned).await;
}

// A parameter under `#[cfg]`.
//
// #[socket_handler]
// async fn handler(#[cfg(unix)] #[allow(unused)] socket: SocketRef) {}

#[allow(trivial_bounds, private_bounds)]
async fn handler(
    __event: ::session::__private::socket::Event<(), fn(#[cfg(unix)] SocketRef)>,
) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn handler(#[cfg(unix)] #[allow(unused)] socket: SocketRef) {}
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        #[cfg(unix)]
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::SocketLast,
            SocketRef,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "handler"))
                .await;
        }
    };
    #[cfg(unix)]
    let (socket, __arguments) = __arguments;
    let () = __arguments;
    let __answers = ::session::__private::socket::ByReturning;
    #[allow(unused_imports)]
    use ::session::__private::socket::{Answered as _, TakesAck as _, TakesNoAck as _};
    #[cfg(unix)]
    let __answers = ::session::__private::socket::Argument(&socket).with(__answers);
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (),
    >(
            __call,
            __answers.by_itself(),
            ::core::concat!(::core::module_path!(), "::", "handler"),
        )
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(handler(#[cfg(unix)] socket)))
            .await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::may_return(&__answers, &__returned);
    ::session::__private::socket::finish(__held, __returned).await;
}

// Mistakes: each is reported, and the function stays.
//
// #[socket_handler(session, session)]
// fn logout(session: &mut User) -> &str {
//     "bye"
// }

::core::compile_error! {
    "`session` is listed twice: name it once"
}
::core::compile_error! {
    "a handler is asynchronous: write `async fn logout`"
}
::core::compile_error! {
    "return an owned value, as `String` and `&'static str` are: the answer leaves after the session's turn has ended"
}
#[allow(trivial_bounds, private_bounds)]
async fn logout(__event: ::session::__private::socket::Event<(), fn()>) {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn logout() {
        #[allow(warnings)]
        fn logout(session: &mut User) -> &str {
            "bye"
        }
        ::core::unreachable!()
    }
    let (__call, __arguments) = match __event.extracted() {
        ::core::result::Result::Ok(__extracted) => __extracted,
        ::core::result::Result::Err(__refused) => {
            return __refused
                .tell(::core::concat!(::core::module_path!(), "::", "logout"))
                .await;
        }
    };
    let () = __arguments;
    let ::core::option::Option::Some(mut __held) = ::session::__private::socket::begin::<
        (),
    >(__call, false, ::core::concat!(::core::module_path!(), "::", "logout"))
        .await else { return };
    let __returned = {
        #[allow(unused_imports)]
        use ::session::__private::{SplitResult as _, SplitValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(logout())).await;
        ::session::__private::Split::new(__result).split()
    };
    ::session::__private::socket::finish(__held, __returned).await;
}
