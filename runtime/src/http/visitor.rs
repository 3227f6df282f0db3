//! Who asks: the one session of those that a request shows, and where one may begin if it shows none.

use std::sync::Arc;

use http::{HeaderMap, header, request::Parts};

use tower_cookies::cookie::SameSite;

use super::{
    cookie::Shown,
    origin::{SEC_FETCH_MODE, is_of_another_site},
    settings::LayerSettings,
    token::ShownToken,
};
use crate::{
    backend::Backend,
    call::live_session::{Begins, LiveSession},
    error::Error,
    session::id::SessionId,
};

/// So many of those that are shown are looked up.
const MOST: usize = 4;

/// The visitor whom a request is from.
#[derive(Clone, Debug, Default)]
pub(super) struct Visitor {
    /// The session whose id is shown. It need not live.
    pub(super) shown: Option<SessionId>,
    /// It is shown by a token, or by none yet, and not by a cookie.
    pub(super) by_token: bool,
    /// What the request is for, where the cookies of several live sessions were shown: none of them counts.
    pub(super) ambiguous: Option<Box<Address>>,
    /// The cookie came under a key that is no longer the first, with a request that may set it again: on the response to
    /// any other it could overwrite what a login sets at the same time.
    pub(super) needs_newer_key: bool,
}

/// What a request is for.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) host: Box<str>,
    pub(super) path: Box<str>,
}

impl Visitor {
    /// Of whom one cookie is shown at most. A cookie counts alone; where there is none, a token may.
    pub(super) fn of_only(settings: &LayerSettings, shown: &Shown, head: &Parts) -> Self {
        if let Some(token) = &settings.token
            && shown.ids.is_empty()
            && let Some(ShownToken(id)) = token.read(&settings.cookie, &settings.origins, head)
        {
            return Self { shown: id, by_token: true, ..Self::default() };
        }
        let needs_newer_key = shown.under_older_key && is_navigation(&head.headers);
        Self { shown: shown.ids.first().copied(), needs_newer_key, ..Self::default() }
    }

    /// Of the one of several that are shown that is alive. A browser shows several cookies of one name after a change of
    /// their domain or path, or where another application uses the name.
    ///
    /// # Errors
    ///
    /// If it cannot be found out.
    pub(super) async fn who_is_alive(
        backend: &Arc<dyn Backend>,
        settings: &LayerSettings,
        shown: &Shown,
        head: &Parts,
    ) -> Result<Self, Error> {
        let mut alive = None;
        for id in shown.ids.iter().take(MOST).copied() {
            let live = LiveSession::new(Arc::clone(backend), Arc::clone(&settings.call), Some(id));
            live.resolve().await?;
            if live.is_stored() && alive.replace(id).is_some() {
                tracing::warn!(
                    cookie = &*settings.cookie.name,
                    "cookies of two sessions were shown, so that neither counts: the next login or logout removes both"
                );
                let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
                let address = Address { host: host.unwrap_or_default().into(), path: head.uri.path().into() };
                return Ok(Self { ambiguous: Some(Box::new(address)), ..Self::default() });
            }
        }
        // Where none is: one that has just changed its id, so that nothing overwrites its new cookie.
        let has_ended = |id: &&SessionId| backend.registry().ending(**id).is_some();
        let shown_id = alive.or_else(|| shown.ids.iter().find(has_ended).or(shown.ids.first()).copied());
        let needs_newer_key = shown.under_older_key && is_navigation(&head.headers);
        Ok(Self { shown: shown_id, needs_newer_key, ..Self::default() })
    }
}

/// Where a session may begin in a request that showed no cookie: [`SameSite`] may have kept back the visitor's.
pub(super) fn begins(same_site: SameSite, head: &Parts) -> Begins {
    let is_safe = head.method.is_safe();
    let kept_back = match same_site {
        SameSite::Strict => is_of_another_site(head),
        SameSite::Lax => !is_safe && is_of_another_site(head),
        SameSite::None => false,
    };
    if !kept_back {
        return Begins::Freely;
    }
    if is_safe && navigates(&head.headers) { Begins::WithNewIdOrNothing } else { Begins::WithNewId }
}

/// Whether a browser asks for a whole page.
fn is_navigation(headers: &HeaderMap) -> bool {
    navigates(headers) && headers.get("sec-fetch-dest").is_some_and(|what| what == "document")
}

fn navigates(headers: &HeaderMap) -> bool {
    headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
}
