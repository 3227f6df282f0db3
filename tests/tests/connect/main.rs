//! Connecting: no event is lost, without a session there is no socket, and a middleware decides who may come in.

mod handler;
mod middleware;
