//! What the layer was told: how the cookie looks, who may connect and where, and what calls go by; and what it warns of
//! once.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::HeaderMap;

use super::{cookie::CookieSettings, origin::OriginPolicy, token::TokenHeader};
use crate::call::settings::Settings;

#[derive(Clone, Debug)]
pub(super) struct LayerSettings {
    /// Shared with the sessions of all requests and connections.
    pub(super) call: Arc<Settings>,
    pub(super) cookie: CookieSettings,
    /// What stands for the cookie where a client keeps none.
    pub(super) token: Option<TokenHeader>,
    pub(super) origins: OriginPolicy,
    pub(super) socket_paths: Vec<Cow<'static, str>>,
    pub(super) session_on_handshake: bool,
    warned: Arc<Warned>,
}

/// What was warned of already.
#[derive(Debug, Default)]
struct Warned {
    of_outer_layer: AtomicBool,
    of_other_cookie: AtomicBool,
}

impl Default for LayerSettings {
    fn default() -> Self {
        Self {
            call: Arc::default(),
            cookie: CookieSettings::default(),
            token: None,
            origins: OriginPolicy::default(),
            socket_paths: vec![Cow::Borrowed("/socket.io")],
            session_on_handshake: true,
            warned: Arc::default(),
        }
    }
}

impl LayerSettings {
    /// Warns, once, where this layer is inside of another one with the same cookie that was told something else.
    pub(super) fn warn_of_outer_layer(&self, outer: &Self) {
        let told = |settings: &Self| {
            let Self { call, cookie, token, origins, socket_paths, session_on_handshake, warned: _ } =
                settings;
            format!("{call:?} {cookie:?} {token:?} {origins:?} {socket_paths:?} {session_on_handshake:?}")
        };
        if told(self) != told(outer) && !self.warned.of_outer_layer.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                cookie = &*self.cookie.name,
                "a SessionLayer is inside of another one of the same backend and cookie, whose settings differ: the outer \
                 one serves the session, and the inner one does nothing. Leave one of them out"
            );
        }
    }

    /// Warns, once, of something inside that sets a cookie of our name itself.
    pub(super) fn warn_of_other_cookie(&self, headers: &HeaderMap) {
        if self.cookie.is_set_in(headers) && !self.warned.of_other_cookie.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                cookie = &*self.cookie.name,
                "something inside of the SessionLayer sets a cookie of the same name, as tower-sessions' own layer does: \
                 leave that layer out (axum-login's `AuthManager` works inside of this one), or give this cookie another \
                 name by `with_name`"
            );
        }
    }
}
