//! The HTTP side: the layer, cookies, extractors and annotated handlers. Only here axum is named.

mod disconnect;
mod error;
mod extract;
pub(crate) mod handler;
mod handshake;
mod layer;
mod service;

pub use self::{layer::SessionLayer, service::SessionService};
