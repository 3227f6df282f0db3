//! Compiled without the prelude, with the crate under another name, without serde, among types that bear the names
//! an expansion might use. That it compiles is the test; the end-to-end tests serve it as well.

#![no_implicit_prelude]
#![allow(missing_docs, reason = "read by the tests only")]
#![allow(dead_code, reason = "the names alone are what matters here")]

use ::axum::{Router, routing::get};
use ::renamed::{
    Backend, SessionControl, SessionLayer, Shared, connect_handler, connect_middleware, http_handler,
    session_state, session_value, socket_handler,
};
use ::socketioxide::{
    SocketIo,
    extract::{Data, SocketRef},
};

// Names that a careless expansion would pick up.
struct Result;
struct Ok;
struct Err;
struct Option;
struct Some;
struct None;
struct Box;
struct Vec;
struct String;
struct Default;
struct Future;
trait Clone {}
trait Send {}
trait From {}
trait Into {}
trait Serialize {}
trait Deserialize {}
mod std {}
mod core {}
mod serde {}
mod axum {}
mod socketioxide {}
mod socketioxide_session {}

#[session_state(key = "hygienic")]
#[derive(::std::fmt::Debug)]
pub struct State {
    pub number: u32,
    pub text: ::std::option::Option<::std::string::String>,
    #[session(default = 7)]
    pub seven: u8,
}

/// A value of such a world.
#[session_value]
#[derive(::std::fmt::Debug, ::std::default::Default)]
pub enum Choice {
    #[default]
    None,
    Some(u32),
    Named {
        text: ::std::string::String,
    },
}

#[session_state(on_undecodable = "default")]
pub struct Chosen {
    #[serde(alias = "Choice")]
    pub choice: Choice,
    pub state: State,
}

type Outcome<T> = ::std::result::Result<T, Refusal>;

/// An error that is an answer in HTTP; on sockets its text is.
#[derive(::std::fmt::Debug)]
pub struct Refusal;

impl ::axum::response::IntoResponse for Refusal {
    fn into_response(self) -> ::axum::response::Response {
        ::axum::response::IntoResponse::into_response((::axum::http::StatusCode::CONFLICT, "refused"))
    }
}

#[http_handler(state)]
async fn add(state: &mut State) -> ::std::string::String {
    state.number += 1;
    ::std::format!("{} {}", state.number, state.seven)
}

#[http_handler(state)]
async fn add_and_fail(state: &mut State) -> Outcome<()> {
    state.number += 1;
    ::std::result::Result::Err(Refusal)
}

#[http_handler(state)]
async fn peek(state: ::std::option::Option<&State>, shared: Shared<State>) -> Outcome<::std::string::String> {
    let seen = state.map(|state| state.number);
    let _ = shared;
    ::std::result::Result::Ok(::std::format!("{seen:?}"))
}

#[socket_handler(state)]
async fn plus(state: &mut State, Data(by): Data<u32>) -> u32 {
    state.number += by;
    state.number
}

#[socket_handler(state)]
async fn plus_and_fail(state: &mut State) -> ::std::result::Result<u32, &'static str> {
    state.number += 1;
    ::std::result::Result::Err("refused")
}

#[socket_handler]
async fn key(control: SessionControl) -> ::std::string::String {
    ::std::string::ToString::to_string(&control.key())
}

#[connect_middleware(state)]
async fn few(state: &State) -> ::std::result::Result<(), &'static str> {
    if state.number > 1000 { ::std::result::Result::Err("too many") } else { ::std::result::Result::Ok(()) }
}

#[connect_handler(state)]
async fn connected(state: &mut State, socket: SocketRef) {
    state.number += 1;
    socket.on("plus", plus);
    socket.on("plus_and_fail", plus_and_fail);
    socket.on("key", key);
}

/// All of the above, served.
pub fn router(backend: impl Backend) -> Router {
    let (sockets, io) = SocketIo::new_layer();
    io.ns("/", ::socketioxide::handler::ConnectHandler::with(connected, few));
    Router::new()
        .route("/add", get(add))
        .route("/add-and-fail", get(add_and_fail))
        .route("/peek", get(peek))
        .layer(sockets)
        .layer(SessionLayer::new(backend).with_secure(false))
}
