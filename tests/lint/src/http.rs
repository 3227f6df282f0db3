//! `#[http_handler]` in every form.

use core::future::ready;
use std::collections::BTreeMap;

use axum::{
    Form, Json, Router, debug_handler,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use socketioxide_session::{
    Error, Session, SessionControl, SessionState, Shared, http_handler, session_state,
};

use crate::states::{Empty, First, Second, Settings, Types, User};

/// What an application shares.
#[derive(Clone, Copy, Debug)]
struct Application {
    /// A limit.
    most: usize,
}

/// A result whose name says less.
type Answer<T = Response> = Result<T, Refusal>;

/// A state whose name is not its own.
type TypesByAnotherName = Types;

/// An error that is a response.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// Too often.
    TooOften,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        StatusCode::TOO_MANY_REQUESTS.into_response()
    }
}

/// No list.
#[http_handler]
async fn nothing() {}

/// An empty list.
#[http_handler()]
async fn nothing_listed(_: Uri) {}

/// Reads.
#[http_handler(user)]
async fn reads(user: &User) -> Json<Option<String>> {
    Json(user.name.clone())
}

/// Writes; the list ends in a comma.
#[http_handler(user)]
async fn writes(user: &mut User) -> String {
    user.see().to_string()
}

/// Reads what may be there.
#[http_handler(user)]
async fn may_read(user: Option<&User>) -> StatusCode {
    user.map_or(StatusCode::NO_CONTENT, |_| StatusCode::OK)
}

/// Every kind of parameter in an order of no meaning, listed in another; what consumes the request comes last.
#[http_handler(settings, user, first, types)]
#[debug_handler(state = Application)]
#[expect(clippy::too_many_arguments, reason = "it is about the attribute")]
async fn everything(
    Path((id, name)): Path<(u32, String)>,
    user: &mut User,
    State(Application { most }): State<Application>,
    first: Option<&First>,
    mut headers: HeaderMap,
    settings: &Settings,
    control: SessionControl,
    types: Option<&TypesByAnotherName>,
    second: Shared<Second>,
    session: Session,
    _: Uri,
    Form(form): Form<BTreeMap<String, String>>,
) -> Answer<Json<u32>> {
    user.name = form.into_values().next().or(Some(name));
    headers.clear();
    let parent = types.and_then(|state| state.parent.as_deref());
    let language =
        second.read().await.map_or_else(|_| settings.language.clone(), |state| state.other.clone());
    if user.see() > most || first.is_some_and(|state| state.value > 3) || parent.is_some() {
        return Err(Refusal::TooOften);
    }
    let known = session.get::<String>(&language).await.is_ok_and(|value| value.is_some());
    if known {
        control.keep_changes().map_err(|_ignored| Refusal::TooOften)?;
    }
    Ok(Json(id))
}

/// As many extractors as clippy finds few, and no state.
#[http_handler]
async fn seven_extractors(
    _: HeaderMap,
    _: Uri,
    _: Session,
    _: SessionControl,
    _: Shared<Second>,
    Path(id): Path<u32>,
    Form(text): Form<String>,
) -> String {
    format!("{id}{text}")
}

/// As many states as there can be.
#[http_handler(user, settings, first, second, types, empty, local, last)]
#[debug_handler]
#[expect(clippy::too_many_arguments, reason = "it is about the attribute")]
async fn eight_states(
    user: &User,
    settings: &Settings,
    first: &First,
    second: &Second,
    types: &Types,
    empty: Option<&Empty>,
    local: &Local,
    last: &mut inner::Last,
) -> String {
    last.set(local.value);
    let texts = [&settings.language, &second.other, &types.r#type];
    let values = [first.value, local.value];
    let length = texts.into_iter().map(String::len).sum::<usize>();
    format!("{:?}{length}{values:?}{}", user.name, empty.is_some())
}

/// A state beside its handlers.
#[session_state]
struct Local {
    /// A value.
    value: u8,
}

/// The answer is any response.
#[http_handler(user)]
async fn any_response(user: &User) -> impl IntoResponse {
    (StatusCode::ACCEPTED, Html(user.name.clone().unwrap_or_default()))
}

/// The answer is any response or an error.
#[http_handler(user)]
async fn any_response_or_error(user: &mut User) -> Result<impl IntoResponse, Refusal> {
    if user.see() > 3 { Err(Refusal::TooOften) } else { Ok([("x-visits", "few")]) }
}

/// The answer is an alias of a result, with its defaults.
#[http_handler(user)]
async fn alias(user: &mut User) -> Answer {
    (user.see() < 3).then(|| Redirect::to("/").into_response()).ok_or(Refusal::TooOften)
}

/// The answer borrows the state: it is written while the turn lasts.
#[http_handler(settings)]
async fn borrows(settings: &Settings) -> Json<&String> {
    Json(&settings.language)
}

/// The answer borrows the state and says so.
#[http_handler(user, settings)]
async fn borrows_one<'user>(user: &'user User, settings: &Settings) -> Json<Option<&'user str>> {
    Json(user.name.as_deref().filter(|name| *name != settings.language))
}

/// The crate's own error is an answer.
#[http_handler]
async fn own_error(control: SessionControl, user: Shared<User>) -> Result<String, Error> {
    control.flush()?;
    user.update(|state| state.name.take()).await.map(Option::unwrap_or_default)
}

/// Any state.
#[http_handler(state)]
async fn generic<T: SessionState>(state: &mut T) {
    *state = T::default();
}

/// Any state: that it is one is said by the attribute.
#[http_handler(state)]
async fn more_generic<T: Sync>(state: Option<&T>) -> StatusCode {
    state.map_or(StatusCode::NOT_FOUND, |_| StatusCode::OK)
}

/// Two states, one of them any, the other with its bound behind, and a number.
#[http_handler(state, other)]
async fn most_generic<T, O, const N: usize>(state: &T, other: Option<&renamed::Same<O>>) -> StatusCode
where
    T: SessionState + PartialEq,
    O: SessionState + Clone,
{
    if N > 2 && *state == T::default() && other.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

/// A name for a type that is its parameter.
mod renamed {
    /// Itself.
    pub(super) type Same<T> = T;
}

/// A parameter that is there, one that is not, and attributes on others.
#[http_handler(user)]
async fn conditional(
    #[cfg(any(unix, not(unix)))] headers: HeaderMap,
    #[cfg(all(unix, not(unix)))] nothing: Nothing,
    #[allow(unused_variables, reason = "it is about the attribute")] user: &User,
    #[cfg_attr(unix, allow(unused_variables, reason = "it is about the attribute"))] uri: Uri,
) -> String {
    format!("{}", headers.len())
}

/// A state that must be there and is not looked at.
#[http_handler(user)]
#[expect(unused_variables, reason = "it is about the attribute")]
async fn unused(user: &User) {}

/// A handler that no route has yet.
#[http_handler(user)]
#[expect(dead_code, reason = "it is about the attribute")]
async fn no_route_yet(user: &mut User) {
    user.name = None;
}

/// A function that is there.
#[cfg(any(unix, not(unix)))]
#[http_handler(user)]
async fn on_this_system(user: &User) -> String {
    user.name.clone().unwrap_or_default()
}

/// A function that is not.
#[cfg(all(unix, not(unix)))]
#[http_handler(user)]
async fn on_no_system(user: &Nothing) -> Nothing {}

/// A function that goes, and whose lints are known.
#[deprecated = "use `reads`"]
#[http_handler(user)]
#[expect(clippy::shadow_reuse, reason = "it is about the attribute")]
#[must_use]
async fn deprecated(user: &User) -> String {
    let user = user.name.as_deref().map_or(0, str::len);
    user.to_string()
}

/// Parameters are patterns, and change.
#[http_handler(user)]
async fn patterns(
    mut user: &mut User,
    Query(mut query): Query<Vec<(String, String)>>,
    all @ Path((_, _)): Path<(u8, u8)>,
) -> String {
    let mut other = User::default();
    if query.pop().is_some() {
        user = &mut other;
    }
    user.visits = u64::from(all.0.1);
    user.visits.to_string()
}

/// What a body can hold.
#[http_handler(user)]
async fn body(user: &mut User) -> Result<String, StatusCode> {
    /// An item.
    const MOST: usize = 3;
    let Some(name) = user.name.take() else { return Err(StatusCode::NOT_FOUND) };
    let longer = async |more: &str| {
        ready(()).await;
        format!("{name}{more}")
    };
    for _ in 0..MOST {
        if user.see() > MOST {
            break;
        }
    }
    match longer("!").await {
        text if text.is_empty() => Err(StatusCode::NOT_FOUND),
        text => Ok(text),
    }
}

/// Handlers that a macro writes.
macro_rules! getters {
    ($($(#[$attribute:meta])* $name:ident($state:ident: $ty:ty) -> $answer:ty $body:block)*) => {
        $(
            $(#[$attribute])*
            #[http_handler($state)]
            async fn $name($state: &$ty) -> $answer $body
        )*
    };
}

getters! {
    /// One.
    language(settings: Settings) -> String { settings.language.clone() }
    /// Another.
    first(first: First) -> String { first.value.to_string() }
}

pub mod inner {
    //! Handlers of other modules.

    use axum::http::StatusCode;
    use socketioxide_session::{http_handler, session_state};

    /// Visible to the module above.
    #[session_state]
    pub(super) struct Last {
        /// Visible here.
        value: u8,
    }

    impl Last {
        /// Changes the value.
        pub(super) const fn set(&mut self, value: u8) {
            self.value = value;
        }
    }

    /// Visible to all.
    #[http_handler(user)]
    pub async fn public(user: &super::User) -> StatusCode {
        if user.name.is_some() { StatusCode::OK } else { StatusCode::FORBIDDEN }
    }

    /// Visible to the crate.
    #[http_handler(last)]
    pub(super) async fn visible_above(last: &Last) -> String {
        last.value.to_string()
    }

    pub(crate) mod innermost {
        //! Handlers further below.

        use super::Last;

        /// Visible in a module; the attribute by its path.
        #[socketioxide_session::http_handler(last, user)]
        pub(in crate::http) async fn visible_in(last: &mut Last, user: &super::super::User) {
            last.set(u8::from(user.name.is_some()));
        }
    }
}

/// The routes.
pub(crate) fn routes() -> Router {
    /// A handler of a function.
    #[http_handler(user)]
    async fn local(user: &User) -> Html<String> {
        Html(user.name.clone().unwrap_or_default())
    }

    let routes = Router::new()
        .route("/nothing", get(nothing).post(nothing_listed))
        .route("/reads", get(reads).post(writes).put(may_read))
        .route("/everything/{id}/{name}", post(everything))
        .with_state(Application { most: 3 })
        .route("/eight-states", get(eight_states))
        .route("/seven-extractors/{id}", post(seven_extractors))
        .route("/any-response", get(any_response).post(any_response_or_error).put(alias))
        .route("/borrows", get(borrows).post(borrows_one))
        .route("/own-error", get(own_error))
        .route(
            "/generic",
            get(generic::<User>).post(more_generic::<User>).put(most_generic::<Settings, Second, 3>),
        )
        .route("/conditional", get(conditional).post(on_this_system))
        .route("/patterns/{a}/{b}", get(patterns).post(body))
        .route("/macros", get(language).post(first))
        .route("/inner", get(inner::public).post(inner::visible_above).put(inner::innermost::visible_in))
        .route("/local", get(local).post(unused));
    #[expect(deprecated, reason = "it is about the attribute")]
    routes.route("/deprecated", get(deprecated))
}
