//! What the layer was told: how the cookie looks, who may connect and where, and what calls go by.

use std::{borrow::Cow, sync::Arc};

use super::{cookie::CookieSettings, origin::OriginPolicy};
use crate::call::settings::Settings;

#[derive(Clone, Debug)]
pub(super) struct LayerSettings {
    /// Shared with the sessions of all requests and connections.
    pub(super) call: Arc<Settings>,
    pub(super) cookie: CookieSettings,
    pub(super) origins: OriginPolicy,
    pub(super) socket_paths: Vec<Cow<'static, str>>,
    pub(super) session_on_handshake: bool,
}

impl Default for LayerSettings {
    fn default() -> Self {
        Self {
            call: Arc::default(),
            cookie: CookieSettings::default(),
            origins: OriginPolicy::default(),
            socket_paths: vec![Cow::Borrowed("/socket.io")],
            session_on_handshake: true,
        }
    }
}
