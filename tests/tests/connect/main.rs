//! Connecting: no event is lost, without a session there is no socket, and a middleware decides who may come in.

mod arguments;
mod early;
mod first_events;
mod handler;
mod legacy;
mod middleware;
mod order;
