//! What `#[http_handler]` expands to, in a crate that names the runtime `session`.

// A state that the handler changes, and an extractor.
//
// #[http_handler(session)]
// async fn login(session: &mut User, Form(form): Form<Login>) -> Redirect {
//     session.name = Some(form.name);
//     Redirect::to("/")
// }

#[allow(trivial_bounds, private_bounds)]
async fn login(
    session: ::session::__private::http::Call<(::session::__private::Write<User>,)>,
    form: Form<Login>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn login(session: &mut User, Form(form): Form<Login>) -> Redirect {
        session.name = Some(form.name);
        Redirect::to("/")
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
            ::session::__private::asks::HttpLast,
            Form<Login>,
            ::session::__private::asks::Reads<Login>,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Write<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "login"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(login(__state0, form)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// Several states: they keep the order of the signature, whatever the list says, and hold their keys apart.
//
// #[http_handler(cart, user, seen,)]
// pub(crate) async fn checkout(
//     State(prices): State<Prices>,
//     seen: Option<&Seen>,
//     (Path(shop), _): (Path<String>, Host),
//     user: &User,
//     mut cart: &mut Cart,
// ) -> Json<Receipt> {
//     Json(prices.receipt(shop, user, cart.take()))
// }

#[allow(trivial_bounds, private_bounds)]
pub(crate) async fn checkout(
    prices: State<Prices>,
    __call: ::session::__private::http::Call<
        (
            ::session::__private::Maybe<Seen>,
            ::session::__private::Read<User>,
            ::session::__private::Write<Cart>,
        ),
    >,
    __extractor1: <::session::__private::Known<
        {
            #[allow(unused_imports)]
            use ::session::__private::asks::{
                BodyFirst as _, EndsOwn as _, First as _, Fourth as _,
                MiddlewaresOwn as _, OwnState as _, Payload as _, Second as _,
                Seventh as _, SocketsOwn as _, Third as _,
            };
            let _: fn() = || {
                (&&&&&&&::session::__private::asks::Asked::<
                    ::session::__private::asks::HttpLast,
                    (Path<String>, Host),
                    ::session::__private::asks::OfStd,
                >::new())
                    .ask();
            };
            true
        },
    > as ::session::__private::As<(Path<String>, Host)>>::Type,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn checkout(
        State(prices): State<Prices>,
        seen: Option<&Seen>,
        (Path(shop), _): (Path<String>, Host),
        user: &User,
        mut cart: &mut Cart,
    ) -> Json<Receipt> {
        Json(prices.receipt(shop, user, cart.take()))
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<Seen>() },
    > as ::session::__private::As<Seen>>::Type;
    type __State1 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    type __State2 = <::session::__private::Known<
        { ::session::__private::is_state::<Cart>() },
    > as ::session::__private::As<Cart>>::Type;
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY]),
        "two parameters of `checkout` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
    );
    const _: () = ::core::assert!(
        ::session::__private::distinct(& [< __State0 as ::session::SessionState > ::KEY,
        < __State1 as ::session::SessionState > ::KEY, < __State2 as
        ::session::SessionState > ::KEY]),
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
            ::session::__private::asks::HttpParts<(Path<String>, Host)>,
            State<Prices>,
            ::session::__private::asks::OfState,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (
            ::session::__private::Maybe<__State0>,
            ::session::__private::Read<__State1>,
            ::session::__private::Write<__State2>,
        ),
    >(__call, ::core::concat!(::core::module_path!(), "::", "checkout"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0, __state1, __state2)) = __held.lend();
        let __result = __scope
            .run(
                ::session::__private::sent(
                    checkout(prices, __state0, __extractor1, __state1, __state2),
                ),
            )
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// No state: a handler that returns nothing.
//
// #[http_handler]
// async fn ping() {}

#[allow(trivial_bounds, private_bounds)]
async fn ping(
    __call: ::session::__private::http::Call<()>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn ping() {}
    let mut __held = match ::session::__private::http::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "ping"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(ping())).await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// An alias of `Result`: whether a value is an `Err` is found by its type.
//
// #[http_handler(session)]
// async fn visit(session: &mut User) -> Answer<String> {
//     session.visit()
// }

#[allow(trivial_bounds, private_bounds)]
async fn visit(
    session: ::session::__private::http::Call<(::session::__private::Write<User>,)>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn visit(session: &mut User) -> Answer<String> {
        session.visit()
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Write<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "visit"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope.run(::session::__private::sent(visit(__state0))).await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// `impl Trait` captures the states: it becomes a response while they are lent.
//
// #[http_handler(session)]
// async fn name(session: &User) -> impl IntoResponse {
//     session.name.clone()
// }

#[allow(trivial_bounds, private_bounds)]
async fn name(
    session: ::session::__private::http::Call<(::session::__private::Read<User>,)>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn name(session: &User) -> impl IntoResponse {
        session.name.clone()
    }
    type __State0 = <::session::__private::Known<
        { ::session::__private::is_state::<User>() },
    > as ::session::__private::As<User>>::Type;
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Read<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "name"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope.run(::session::__private::sent(name(__state0))).await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// Generics go with the call. A lifetime that only borrows a state stays inside.
//
// #[http_handler(session)]
// async fn page<'a, T: Render, const N: usize>(session: &'a User, pages: Pages<T, N>) -> Html<String>
// where
//     T: Send,
// {
//     pages.render(session)
// }

#[allow(trivial_bounds, private_bounds)]
async fn page<T: Render, const N: usize>(
    session: ::session::__private::http::Call<(::session::__private::Read<User>,)>,
    pages: Pages<T, N>,
) -> ::session::__private::http::Response
where
    T: Send,
{
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn page<'a, T: Render, const N: usize>(
        session: &'a User,
        pages: Pages<T, N>,
    ) -> Html<String>
    where
        T: Send,
    {
        pages.render(session)
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
            ::session::__private::asks::HttpLast,
            Pages<T, N>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Read<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "page"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(page::<T, N>(__state0, pages)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// A lifetime of an extractor stays with the handler.
//
// #[http_handler(session)]
// async fn page<'a>(session: &'a User, pages: Pages<'a>) {}

#[allow(trivial_bounds, private_bounds)]
async fn page<'a>(
    session: ::session::__private::http::Call<(::session::__private::Read<User>,)>,
    pages: Pages<'a>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn page<'a>(session: &'a User, pages: Pages<'a>) {}
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
            ::session::__private::asks::HttpLast,
            Pages<'a>,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Read<__State0>,),
    >(session, ::core::concat!(::core::module_path!(), "::", "page"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0,)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(page(__state0, pages)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// States of a type parameter: their keys are compared for each type that the handler is used with.
//
// #[http_handler(from, to)]
// async fn copy<T: Clone>(from: &T, to: &mut Backup<T>, cart: Shared<Cart>) {
//     to.0 = Some(from.clone());
// }

#[allow(trivial_bounds, private_bounds)]
#[allow(clippy::multiple_bound_locations, clippy::trait_duplication_in_bounds)]
async fn copy<T: Clone>(
    __call: ::session::__private::http::Call<
        (::session::__private::Read<T>, ::session::__private::Write<Backup<T>>),
    >,
    cart: Shared<Cart>,
) -> ::session::__private::http::Response
where
    T: ::session::SessionState,
    Backup<T>: ::session::SessionState,
{
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn copy<T: Clone>(from: &T, to: &mut Backup<T>, cart: Shared<Cart>) {
        to.0 = Some(from.clone());
    }
    const {
        ::core::assert!(
            ::session::__private::distinct(& [< T as ::session::SessionState > ::KEY, <
            Backup < T > as ::session::SessionState > ::KEY]),
            "two parameters of `copy` hold the state under one key: keep one of them, or give each state its own `#[session_state(key = \"..\")]`"
        )
    };
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpLast,
            Shared<Cart>,
            ::session::__private::asks::Shares<Cart>,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (::session::__private::Read<T>, ::session::__private::Write<Backup<T>>),
    >(__call, ::core::concat!(::core::module_path!(), "::", "copy"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, (__state0, __state1)) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(copy::<T>(__state0, __state1, cart)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// A parameter under `#[cfg]`.
//
// #[http_handler()]
// async fn peer(#[cfg(unix)] #[allow(unused)] address: ConnectInfo<Peer>, host: Host) {}

#[allow(trivial_bounds, private_bounds)]
async fn peer(
    __call: ::session::__private::http::Call<()>,
    #[cfg(unix)]
    address: ConnectInfo<Peer>,
    host: Host,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn peer(#[cfg(unix)] #[allow(unused)] address: ConnectInfo<Peer>, host: Host) {}
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        #[cfg(unix)]
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<Host>,
            ConnectInfo<Peer>,
            ::session::__private::asks::OfAxum,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpLast,
            Host,
            ::session::__private::asks::OfAxum,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "peer"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(peer(#[cfg(unix)] address, host)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// Attributes: `instrument` goes to the user's function, the others stay on the handler.
//
// #[http_handler]
// /// Documented.
// #[debug_handler]
// #[cfg_attr(feature = "trace", inline, tracing::instrument(skip(host)))]
// #[cfg(unix)]
// #[expect(unused)]
// async fn peer(host: Host) {}

/// Documented.
#[debug_handler]
#[cfg_attr(feature = "trace", inline)]
#[cfg(unix)]
#[expect(unused)]
#[allow(trivial_bounds, private_bounds)]
async fn peer(
    __call: ::session::__private::http::Call<()>,
    host: Host,
) -> ::session::__private::http::Response {
    #[cfg_attr(feature = "trace", tracing::instrument(skip(host)))]
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn peer(host: Host) {}
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpLast,
            Host,
            ::session::__private::asks::OfAxum,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "peer"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(peer(host))).await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// As many parameters as clippy allows, and the call is one more.
//
// #[http_handler]
// async fn all(a: A, b: B, c: C, d: D, e: E, f: F, g: G) {}

#[allow(trivial_bounds, private_bounds)]
#[allow(clippy::too_many_arguments)]
async fn all(
    __call: ::session::__private::http::Call<()>,
    a: A,
    b: B,
    c: C,
    d: D,
    e: E,
    f: F,
    g: G,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn all(a: A, b: B, c: C, d: D, e: E, f: F, g: G) {}
    if false {
        #[allow(unused_imports)]
        use ::session::__private::asks::{
            BodyFirst as _, EndsOwn as _, First as _, Fourth as _, MiddlewaresOwn as _,
            OwnState as _, Payload as _, Second as _, Seventh as _, SocketsOwn as _,
            Third as _,
        };
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<B>,
            A,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<C>,
            B,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<D>,
            C,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<E>,
            D,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<F>,
            E,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpParts<G>,
            F,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
        (&&&&&&&::session::__private::asks::Asked::<
            ::session::__private::asks::HttpLast,
            G,
            ::session::__private::asks::Unknown,
        >::new())
            .ask();
    }
    let mut __held = match ::session::__private::http::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "all"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope
            .run(::session::__private::sent(all(a, b, c, d, e, f, g)))
            .await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}

// Mistakes: each is reported, and the function stays.
//
// #[http_handler(session, sesion)]
// async fn login(session: User, cart: &Cart) {}

::core::compile_error! {
    "`sesion` is not a parameter of `login`: the attribute names the parameters that are session state (this function has `session`, `cart`)"
}
::core::compile_error! {
    "session state is borrowed: write `session: &User` to read it or `session: &mut User` to change it; an extractor, as `Shared` and `SessionControl` are, is left out of the attribute"
}
#[allow(trivial_bounds, private_bounds)]
async fn login(
    __call: ::session::__private::http::Call<()>,
) -> ::session::__private::http::Response {
    #[allow(
        clippy::unused_async,
        clippy::trivially_copy_pass_by_ref,
        clippy::single_call_fn
    )]
    async fn login() {
        #[allow(warnings)]
        async fn login(session: User, cart: &Cart) {}
        ::core::unreachable!()
    }
    let mut __held = match ::session::__private::http::begin::<
        (),
    >(__call, ::core::concat!(::core::module_path!(), "::", "login"))
        .await
    {
        ::core::result::Result::Ok(__held) => __held,
        ::core::result::Result::Err(__response) => return __response,
    };
    let __answer = {
        #[allow(unused_imports)]
        use ::session::__private::{ShapeOfResult as _, ShapeOfValue as _};
        let (__scope, ()) = __held.lend();
        let __result = __scope.run(::session::__private::sent(login())).await;
        (
            ::session::__private::Shape(&__result).is_err(),
            ::session::__private::http::respond(__result),
        )
    };
    ::session::__private::http::finish(__held, __answer).await
}
