//! The HTTP side: the layer, cookies, extractors and annotated handlers. Only here axum is named.

pub(crate) mod cookie;
mod disconnect;
mod error;
mod extract;
pub(crate) mod handler;
mod handshake;
mod layer;
pub(crate) mod origin;
pub(crate) mod plain_session;
mod service;

pub use self::{cookie::SigningKeys, layer::SessionLayer, service::SessionService};
