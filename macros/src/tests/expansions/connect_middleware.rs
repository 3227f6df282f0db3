//! What `#[connect_middleware]` expands to, in a crate that names the runtime `session`.

// A state that the middleware reads. An `Err` refuses the connection.
//
// #[connect_middleware(session)]
// async fn only_users(session: &User) -> Result<(), NotLoggedIn> {
//     session.name.as_ref().map(|_| ()).ok_or(NotLoggedIn)
// }

#[allow(trivial_bounds, private_bounds)]
async fn only_users(
    session: ::session::__private::connect_middleware::Call<
        (::session::__private::Read<User>,),
    >,
) -> ::core::result::Result<(), ::session::__private::connect_middleware::Refusal> {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn only_users(session: &User) -> Result<(), NotLoggedIn> {
        session.name.as_ref().map(|_| ()).ok_or(NotLoggedIn)
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    let mut __held = match ::session::__private::connect_middleware::begin::<
        (::session::__private::Read<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "only_users"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__refusal) => {
            return ::core::result::Result::Err(__refusal);
        }
    };
    let __verdict = {
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(only_users(__state0)))
            .await;
        __result
            .map(|__value| ::session::__private::connect_middleware::verdict(__value))
    };
    ::session::__private::connect_middleware::finish(__held, __verdict).await
}

// Several states, an extractor, and an error that captures the states: it becomes text while they are lent.
//
// #[connect_middleware(seen, user)]
// pub(crate) async fn only_users(
//     user: &User,
//     socket: SocketRef,
//     mut seen: &mut Seen,
// ) -> Result<(), impl Display> {
//     seen.check(user, socket)
// }

#[allow(trivial_bounds, private_bounds)]
pub(crate) async fn only_users(
    __call: ::session::__private::connect_middleware::Call<
        (::session::__private::Read<User>, ::session::__private::Write<Seen>),
    >,
    socket: SocketRef,
) -> ::core::result::Result<(), ::session::__private::connect_middleware::Refusal> {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn only_users(
        user: &User,
        socket: SocketRef,
        mut seen: &mut Seen,
    ) -> Result<(), impl Display> {
        seen.check(user, socket)
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    type __State1 = <::session::__private::Known<
        { ::session::__private::is_state::<Seen>() },
    > as ::session::__private::As<Seen>>::Type;
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY]),
        "two parameters of `only_users` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::Connect,
            SocketRef,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::connect_middleware::begin::<
        (::session::__private::Read<__State0>, ::session::__private::Write<__State1>),
    >(__call, ::core::concat!(::core::module_path!(), "::", "only_users"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__refusal) => {
            return ::core::result::Result::Err(__refusal);
        }
    };
    let __verdict = {
        let (__scope, (__state0, __state1)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(only_users(__state0, socket, __state1)))
            .await;
        __result
            .map(|__value| ::session::__private::connect_middleware::verdict(__value))
    };
    ::session::__private::connect_middleware::finish(__held, __verdict).await
}

// An alias of `Result`, and generics.
//
// #[connect_middleware]
// async fn only_few<A: Adapter>(socket: SocketRef<A>) -> Verdict
// where
//     A: Send,
// {
//     few(socket)
// }

#[allow(trivial_bounds, private_bounds)]
async fn only_few<A: Adapter>(
    __call: ::session::__private::connect_middleware::Call<()>,
    socket: SocketRef<A>,
) -> ::core::result::Result<(), ::session::__private::connect_middleware::Refusal>
where
    A: Send,
{
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn only_few<A: Adapter>(socket: SocketRef<A>) -> Verdict
    where
        A: Send,
    {
        few(socket)
    }
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::Connect,
            SocketRef<A>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::connect_middleware::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "only_few"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__refusal) => {
            return ::core::result::Result::Err(__refusal);
        }
    };
    let __verdict = {
        let (__scope, ()) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(only_few::<A>(socket)))
            .await;
        __result
            .map(|__value| ::session::__private::connect_middleware::verdict(__value))
    };
    ::session::__private::connect_middleware::finish(__held, __verdict).await
}

// Mistakes: each is reported, and the function stays.
//
// #[connect_middleware(session)]
// async fn count(mut session: User) {
//     session.visits += 1;
// }

::core::compile_error! {
    "a connect middleware decides: write `-> Result<(), E>`, where `E: Display` is what a refused client is told"
}
::core::compile_error! {
    "session state is borrowed: write `session: &User` to read it or `session: &mut User` to change it; an extractor, as `Shared` and `SessionControl` are, is left out of the attribute"
}
#[allow(trivial_bounds, private_bounds)]
async fn count(
    __call: ::session::__private::connect_middleware::Call<()>,
) -> ::core::result::Result<(), ::session::__private::connect_middleware::Refusal> {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn count() -> ::core::result::Result<(), &'static ::core::primitive::str> {
        #[allow(warnings)]
        async fn count(mut session: User) {
            session.visits += 1;
        }
        ::core::unreachable!()
    }
    let mut __held = match ::session::__private::connect_middleware::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "count"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__refusal) => {
            return ::core::result::Result::Err(__refusal);
        }
    };
    let __verdict = {
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(count())).await;
        __result
            .map(|__value| ::session::__private::connect_middleware::verdict(__value))
    };
    ::session::__private::connect_middleware::finish(__held, __verdict).await
}
