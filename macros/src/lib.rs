//! The attribute macros of `socketioxide-session`, which re-exports and explains them.
//!
//! Each expansion is thin: the user's function stays as it is, inside a wrapper that calls the runtime before and after
//! it. `src/tests/expansions` shows them. An attribute goes `args` (what is in its parentheses), `model` (what it stands
//! on, checked), `codegen`; mistakes are collected on the way and reported together.

mod args;
mod around;
mod codegen;
mod diagnostics;
mod krate;
mod model;
mod state;
#[cfg(test)]
mod tests;
mod tokens;
mod value;

use proc_macro::TokenStream;

use crate::{
    around::Around,
    diagnostics::Diagnostics,
    model::{Function, Handler, Kind},
};

/// An axum handler with session state.
///
/// The attribute names the parameters that are session state; the others are axum's extractors, the one
/// that consumes the request last. `&T` reads, `&mut T` takes the turn and writes, both see `T::default()`
/// where nothing is stored; `Option<&T>` is `None` there. At most eight states, each once.
///
/// The function runs when every extractor has run and the turn has come. What it changed is saved before
/// the response leaves, unless it returns `Err`, answers with a 5xx, panics or is cancelled. It can
/// return any `impl IntoResponse`.
///
/// A `from_fn` middleware takes the attribute, too:
///
/// ```text
/// #[http_handler(user)]
/// async fn only_users(user: &User, request: Request, next: Next) -> Response { .. }
///
/// let app = routes.layer(from_fn(only_users));
/// ```
///
/// With `&User` it holds nothing while `next.run(request)` runs. With `&mut User` it holds the turn: a handler inside that
/// names the same state, even by `&User`, or that uses a `Shared`, is a 500 (`nested_turn`). To count something, take
/// `Shared` in the middleware and update it before or after `next.run`.
///
/// Goes above `#[debug_handler]`. `#[instrument]` moves to the inner function, so that it sees the
/// parameters as they are written; every other attribute stays on the handler.
///
/// ```text
/// #[http_handler(session)]
/// async fn login(session: &mut User, Form(form): Form<Login>) -> Redirect {
///     session.name = Some(form.name);
///     Redirect::to("/")
/// }
///
/// let app = Router::new().route("/login", post(login));
/// ```
#[proc_macro_attribute]
pub fn http_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_handler_attribute(Kind::Http, arguments, item)
}

/// A socketioxide message or disconnect handler with session state.
///
/// The attribute names the parameters that are session state, as in [`macro@http_handler`]; the list may be
/// empty. The others are socketioxide's extractors.
///
/// What the function returns is the client's acknowledgement, sent when its changes are saved:
/// `T: Serialize` and `Ok(T)` acknowledge the value, `()` acknowledges `null`, `Err(e)` saves nothing and
/// acknowledges `{"error": e}`. A handler that takes `AckSender` answers by itself and returns `()` or
/// `Result<(), E>`.
///
/// An extractor that fails (`Data<u32>` on a string) is acknowledged as `bad_argument`, or told by `session_error`: nothing
/// runs. The extractors run when the packet is read, before the call has a place in any queue.
///
/// ```text
/// #[socket_handler(session)]
/// async fn logout(session: &mut User) -> bool {
///     session.name.take().is_some()
/// }
///
/// io.ns("/", connected.on("logout", logout));
/// ```
#[proc_macro_attribute]
pub fn socket_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_handler_attribute(Kind::Socket, arguments, item)
}

/// A socketioxide connect handler with session state.
///
/// Whatever must be waited for (loading, a turn) is awaited before the client hears that it is connected;
/// then the function starts at once.
///
/// The namespace's handlers are given with `connected.on("event", handler)` and `connected.on_disconnect(handler)`, and
/// middlewares with `connected.with(middleware)`, one after the other: `EventRouter` explains them. They are in place before
/// the client hears CONNECT, so that no event is lost. If the function fails before it first waits (an extractor fails, it
/// panics, it returns `Err`), the client hears of it by `session_error`, and the socket is disconnected. A disconnect handler
/// that is given so runs also after the end of its session, on its states as the connection has last seen them.
///
/// The function becomes a constant whose type implements `ConnectHandler`. So it may be generic over the
/// adapter only (`async fn connected<A: Adapter>(.., socket: SocketRef<A>)`, passed without a turbofish),
/// and its parameters carry no `#[cfg]`. `#[expect(..)]` is taken as being about the function. As the name of a constant, it
/// cannot be a variable's beside it: not in `let connected = ..`, nor as a closure's or a function's parameter. A value that the
/// function returns goes nowhere, for nobody awaits an answer.
///
/// ```text
/// #[connect_handler(session)]
/// async fn connected(session: &User, socket: SocketRef) {
///     socket.emit("welcome", &session.name).ok();
/// }
///
/// io.ns("/", connected.on("logout", logout).on("say", say).with(only_users));
/// ```
#[proc_macro_attribute]
pub fn connect_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_handler_attribute(Kind::Connect, arguments, item)
}

/// A socketioxide connect middleware with session state.
///
/// `Err` refuses the connection and saves nothing: the client is told the error as its `Display` writes it.
///
/// ```text
/// #[connect_middleware(session)]
/// async fn only_users(session: &User) -> Result<(), &'static str> {
///     session.name.as_ref().map(|_| ()).ok_or("log in first")
/// }
///
/// io.ns("/chat", connected.with(only_users));
/// ```
#[proc_macro_attribute]
pub fn connect_middleware(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand_handler_attribute(Kind::ConnectMiddleware, arguments, item)
}

/// A struct that lives in the session.
///
/// Goes on a struct with named fields, above its `#[derive]`. It derives `Serialize` and `Deserialize`
/// where the user does not (no dependency on serde is needed for that) and implements `Default`.
///
/// - `#[session_state(key = "user")]` sets the key in the session. The default is the struct's name in
///   `snake_case`: `HTTPState` is `http_state`, `UserV2` is `user_v2`. Who renames a struct whose values
///   are stored already keeps the key by writing it.
/// - `#[session_state(on_undecodable = "default")]`: where a stored value does not decode into this struct (an older build
///   wrote it), each field that does not decode begins with its default, and the others keep their values. It is overwritten
///   only if a handler changes it. Without it, such a value is an error. Each field must then be stored under a name of its
///   own, in the form of its type: `#[serde(flatten)]`, `with` and the like are compile errors.
/// - `#[session_state(emit = "user")]` makes it live: where the layer is told so by `with_live::<User>()`, every socket of the
///   session is sent the state as the event `user`, whenever a commit has changed it, whoever committed.
/// - `#[session(server_only)]` on a field of such a state keeps that field out of that event. Out of nothing else: the state
///   is `Serialize`, and `Json(state)`, `emit(.., &state)` or an acknowledgement have all of it.
/// - `#[session(default = EXPR)]` on a field sets its first value, which is also what a stored value
///   without this field is given. Other fields start from their type's `Default`; a field whose type has
///   none needs the attribute.
///
/// A field of std's values and containers, or of a [`#[session_value]`](macro@session_value), is copied and compared as it is; no
/// `Clone` or `PartialEq` is needed, or used. Any other field lives as its encoding, in memory as well: each call that uses
/// the state decodes it, and it has changed if its encoding has.
///
/// ```text
/// #[session_state(key = "settings")]
/// #[derive(Debug)]
/// struct Settings {
///     #[session(default = String::from("en"))]
///     language: String,
///     dark: bool,
/// }
/// ```
#[proc_macro_attribute]
pub fn session_state(arguments: TokenStream, item: TokenStream) -> TokenStream {
    krate::expand_with(item, |item, krate| state::expand(arguments.into(), item, &Around::call_site(), krate))
}

/// A struct or an enum that is a field of a state, or stands in one, and is as exact as std's values: it is copied and compared as
/// it is, without its encoding.
///
/// Goes above its `#[derive]`. It derives `Clone`, `Serialize` and `Deserialize` where the user does not (no dependency on
/// serde is needed for that). All its fields must be exact: std's values and containers, other `#[session_value]` types. Of
/// serde's attributes it takes those that give names (`rename`, `rename_all`, `alias`) or say what is missing (`default`);
/// an enum has serde's default tagging.
///
/// A type without this attribute can be a field, too. Its state is then encoded and decoded for it by each call.
///
/// ```text
/// #[session_value]
/// #[derive(Debug, Default, PartialEq)]
/// enum Theme {
///     #[default]
///     Light,
///     Dark { contrast: u8 },
/// }
///
/// #[session_state]
/// struct Settings {
///     theme: Theme,
/// }
/// ```
#[proc_macro_attribute]
pub fn session_value(arguments: TokenStream, item: TokenStream) -> TokenStream {
    krate::expand_with(item, |item, krate| value::expand(arguments.into(), item, &Around::call_site(), krate))
}

fn expand_handler_attribute(kind: Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    krate::expand_with(item, |item, krate| {
        expand_handler(kind, arguments.into(), item, &Around::call_site(), krate)
    })
}

/// The expansion of a handler attribute; `krate` is the path of the runtime.
fn expand_handler(
    kind: Kind,
    arguments: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
    around: &Around,
    krate: &proc_macro2::TokenStream,
) -> proc_macro2::TokenStream {
    let diagnostics = Diagnostics::new();
    if kind == Kind::Http && around.stands_below("debug_handler") {
        diagnostics.report_at(
            proc_macro2::Span::call_site(),
            "`#[debug_handler]` is above, where it takes the states for extractors: write it below `#[http_handler(..)]`",
        );
    }
    let names = args::names(kind, arguments, &diagnostics);
    let function = Function::read(kind, item.clone(), &diagnostics);
    let checked = function.clone().map(|function| Handler::check(kind, &names, function, &diagnostics));
    let errors = match (diagnostics.finish(), &checked) {
        (Ok(()), Some(handler)) => return codegen::expand(kind, handler, krate),
        (result, _) => result.err().unwrap_or_default(),
    };
    let stand_in = match function {
        Some(function) => codegen::stand_in(kind, &function, krate),
        None => codegen::stand_in_for_half_typed(kind, &item, krate).unwrap_or(item),
    };
    [errors, stand_in].into_iter().collect()
}
