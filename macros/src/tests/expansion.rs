//! What the handler attributes expand to.

use super::*;

const EVERY_KIND: [Kind; 4] = [Kind::Http, Kind::Socket, Kind::Connect, Kind::ConnectMiddleware];

#[test]
fn every_expansion_is_items() {
    for kind in EVERY_KIND {
        for (arguments, item) in [
            ("", "async fn handler() -> Result<(), E> { Ok(()) }"),
            ("a", "pub(crate) async fn handler(a: &mut User) -> Result<(), E> { Ok(()) }"),
            (
                "a, b, c,",
                "async fn handler(x: X, b: Option<&B>, (y, _): Y, a: &A, mut c: &mut C) -> Result<(), E> {}",
            ),
            ("a", "async fn handler<A: Adapter>(a: &A2, s: SocketRef<A>) -> R where A: Send {}"),
        ] {
            assert_compiles_as_items(&handler(kind, arguments, item));
        }
    }
}

#[test]
fn arguments_keep_the_users_order() {
    let item = "async fn handler(x: X, b: Option<&B>, (y, _): Y, a: &A, c: &mut C) -> R {}";
    let expansion = handler(Kind::Http, "c, a, b", item);
    assert_mentions(
        &expansion,
        "__call: ::socketioxide_session::__private::http::Call<(
            ::socketioxide_session::__private::Maybe<B>,
            ::socketioxide_session::__private::Read<A>,
            ::socketioxide_session::__private::Write<C>,
        )>, __arg0: X, __arg1: Y,",
    );
    assert_mentions(
        &expansion,
        "handler(
            __arg0,
            ::socketioxide_session::__private::Maybe::get(__state0),
            __arg1,
            ::socketioxide_session::__private::Read::get(__state1),
            ::socketioxide_session::__private::Write::get(__state2)
        )",
    );
    assert_mentions(&expansion, "async fn handler(x: X, b: Option<&B>, (y, _): Y, a: &A, c: &mut C) -> R {}");
}

#[test]
fn generics_go_with_the_call() {
    let item = "async fn handler<'a, T: Bound, const N: usize>(s: &'a User, x: X<T, N>) where T: Other {}";
    let expansion = handler(Kind::Socket, "s", item);
    assert_mentions(&expansion, "handler::<T, N>(");
    assert_mentions(&expansion, "async fn handler<T: Bound, const N: usize>(__call:");
    assert_mentions(&expansion, "where T: Other, User: ::socketioxide_session::SessionState");

    let expansion = handler(Kind::Socket, "s", "async fn handler<'a>(s: &'a User, x: X<'a>) {}");
    assert_mentions(&expansion, "async fn handler<'a>(__call:");
    assert_mentions(&expansion, "scope.run(handler(");
}

#[test]
fn conditions_go_with_the_parameter() {
    let item = "async fn handler(#[cfg(unix)] #[allow(unused)] x: X) {}";
    for kind in [Kind::Http, Kind::Socket] {
        let expansion = handler(kind, "", item);
        assert_mentions(&expansion, "#[cfg(unix)] __arg0: X");
        assert_mentions(&expansion, "handler(#[cfg(unix)] __arg0)");
        assert_mentions(&expansion, "#[cfg(unix)] #[allow(unused)] x: X");
    }
}

#[test]
fn attributes_go_where_they_belong() {
    let item = "/** Documented. */ #[debug_handler] #[cfg_attr(feature = \"t\", inline, \
                tracing::instrument(skip(a)))] #[cfg(unix)] async fn handler() {}";
    let text = squeezed(&handler(Kind::Http, "", item));
    let place = |wanted: &str| text.find(&squeezed(wanted)).unwrap_or_else(|| panic!("no `{wanted}`"));
    let wrapper = place("async fn handler(__call");
    for outer in ["#[debug_handler]", "#[cfg_attr(feature = \"t\", inline)]", "#[cfg(unix)]"] {
        assert!(place(outer) < wrapper, "{outer}");
    }
    assert!(place("#[cfg_attr(feature = \"t\", tracing::instrument(skip(a)))]") > wrapper);

    let item = "/** Documented. */ #[cfg(unix)] #[allow(dead_code)] #[instrument] #[expect(unused)] \
                #[deprecated] async fn handler() {}";
    let text = squeezed(&handler(Kind::Connect, "", item));
    let place = |wanted: &str| text.find(&squeezed(wanted)).unwrap_or_else(|| panic!("no `{wanted}`"));
    let (structure, constant) = (place("struct handler;"), place("const _: () ="));
    for on_struct in ["#[deprecated]", "#[allow(dead_code)]", "#[cfg(unix)]"] {
        assert!(place(on_struct) < structure, "{on_struct}");
    }
    assert!(text.contains(&squeezed("#[cfg(unix)] const _: () =")));
    for on_function in ["#[instrument]", "#[expect(unused)]"] {
        assert!(place(on_function) > constant, "{on_function}");
    }
}

#[test]
fn a_connect_handler_is_generic_over_the_users_adapter() {
    let expansion =
        handler(Kind::Connect, "", "async fn handler<X: Adapter>(s: SocketRef<X>) where X: Send {}");
    assert_mentions(&expansion, "impl<X: Adapter + ::socketioxide_session::__private::connect::Adapter>");
    assert_mentions(
        &expansion,
        "where X: Send, SocketRef<X>: ::socketioxide_session::__private::connect::FromConnectParts<X>,",
    );
    assert_mentions(&expansion, "handler::<X>(__arg0)");

    let expansion = handler(Kind::Connect, "", "async fn handler(s: SocketRef) {}");
    assert_mentions(&expansion, "impl<__A: ::socketioxide_session::__private::connect::Adapter>");
    assert_mentions(&expansion, "handler(__arg0)");
}

#[test]
fn keys_are_compared_where_several_are_held() {
    let expand = |arguments, item| squeezed(&handler(Kind::Http, arguments, item));
    let count = |arguments, item| expand(arguments, item).matches("::distinct(").count();
    assert_eq!(count("a", "async fn handler(a: &A) {}"), 0);
    assert_eq!(count("a, b, c", "async fn handler(a: &A, b: &B, c: &C) {}"), 2);
    assert!(expand("a, b", "async fn handler(a: &A, b: &B) {}").contains("const_:()=::core::assert!"));
    assert!(expand("a, b", "async fn handler<T>(a: &T, b: &B) {}").contains("const{::core::assert!"));
}
