//! One session, and access to it: what one side commits all others see, whoever they are: handlers, sockets, a plain
//! `Session`, a third party's middleware. A handler's signature says what it does to the session.

mod access;
mod hygiene;
mod like_tower_sessions;
mod one_session;
mod wiring;

/// Applications as the documentation of others shows them, on our layer.
mod recipes {
    mod axum_login;
    mod axum_messages;
    mod express;
}

mod third_party {
    mod beside_sockets;
    mod login;
    mod messages;
    mod routes;
}
