//! The HTTP side: the layer, cookies, origins, extractors and annotated handlers. It uses calls and all below them. Only
//! here axum is named; the Socket.IO side is not known here.

mod after_response;
mod cookie;
mod engine_request;
mod error;
mod extract;
pub(crate) mod handler;
mod layer;
mod origin;
pub(crate) mod plain_session;
#[cfg(feature = "testing")]
pub(crate) mod seed;
mod service;
mod settings;
mod token;
mod visitor;

pub use self::{cookie::SigningKeys, layer::SessionLayer, service::SessionService};
