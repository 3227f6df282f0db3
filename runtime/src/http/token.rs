//! The session's token: what stands for the cookie in a header of the application's choice, for clients that keep no
//! cookies.
//!
//! Scripts can show and read such a header, and cannot read the cookie. So a page is given a token only where the
//! application names its origin, and a page of the server's own never.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use super::{
    cookie::CookieSettings,
    origin::{OriginPolicy, is_from_browser, is_from_own_page},
};
use crate::session::id::SessionId;

/// What a client shows that has no token, and what it is told when its token is one no more.
pub(super) const NEW: HeaderValue = HeaderValue::from_static("new");

/// They come before `Cache-Control` for the caches that know them.
const OTHER_CACHE_CONTROLS: [&str; 4] =
    ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "x-accel-expires"];

/// Names, and beginnings of names, that mean something to browsers, proxies or other layers. Some of them a page may
/// send to another origin unasked.
const TAKEN: &str = "authorization cache-control connection cookie date host keep-alive location origin range referer \
                     set-cookie te trailer transfer-encoding upgrade vary www-authenticate";
const TAKEN_BEGINNINGS: [&str; 8] =
    ["accept", "access-control-", "content-", "if-", "proxy-", "sec-", "x-forwarded-", "x-real-ip"];

/// The header that carries the token.
#[derive(Clone, Debug)]
pub(super) struct TokenHeader {
    /// As the application has it.
    written: Cow<'static, str>,
    /// `None`: what is written is no header's name.
    name: Option<HeaderName>,
}

/// What a request shows that is judged by its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShownToken(pub(super) Option<SessionId>);

impl TokenHeader {
    pub(super) fn new(written: Cow<'static, str>) -> Self {
        let name = HeaderName::try_from(&*written).ok();
        Self { written, name }
    }

    /// # Panics
    ///
    /// If the header cannot carry a token.
    pub(super) fn check(&self) {
        if let Some(mistake) = self.mistake() {
            panic!(
                "the header `{}` (`with_token_header`) cannot carry a session's token: {mistake}",
                self.written
            );
        }
    }

    fn mistake(&self) -> Option<&'static str> {
        let Some(name) = &self.name else { return Some("a header's name is letters, digits and `-`") };
        let name = name.as_str();
        let begins = TAKEN_BEGINNINGS.iter().any(|start| name.starts_with(start));
        (begins || TAKEN.split(' ').any(|taken| taken == name) || OTHER_CACHE_CONTROLS.contains(&name))
            .then_some("a header of that name means something already. Take one of your own, as `x-session`")
    }

    /// What a request shows. `None`: it is to be judged as if there were no token. It has no cookie of ours.
    pub(super) fn read(
        &self,
        cookie: &CookieSettings,
        origins: &OriginPolicy,
        head: &Parts,
    ) -> Option<ShownToken> {
        let mut values = head.headers.get_all(self.name.as_ref()?).iter();
        let value = values.next()?;
        if is_from_browser(&head.headers) && (is_from_own_page(head) || !origins.allows(head)) {
            return None;
        }
        // Of several none counts.
        let id = if values.all(|other| other == value) { cookie.open(value.as_bytes()) } else { None };
        Some(ShownToken(id.map(|(id, _)| id)))
    }

    /// Takes it out of a request: sockets keep the head of their handshake's, and a layer inside of this one has tokens
    /// of its own.
    pub(super) fn take_out(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.name {
            headers.remove(name);
        }
    }

    /// Tells the client what to show from now on. No cache keeps it, and no cookie goes with it.
    pub(super) fn tell(&self, token: HeaderValue, headers: &mut HeaderMap) {
        let Some(name) = &self.name else { return };
        headers.remove(header::SET_COOKIE);
        for other in OTHER_CACHE_CONTROLS {
            headers.remove(other);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(name.clone(), token);
    }

    /// Tells caches that a response to a request without this header is not for one with it.
    pub(super) fn vary(&self, headers: &mut HeaderMap) {
        if let Some(name) = &self.name {
            headers.append(header::VARY, name.clone().into());
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;
    use tower_cookies::Key;

    use super::*;
    use crate::http::cookie::{Protection, SigningKeys};

    fn token() -> TokenHeader {
        TokenHeader::new("X-Session".into())
    }

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/visit").header("host", "api.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn read(headers: &[(&str, &str)]) -> Option<ShownToken> {
        let mut origins = OriginPolicy::default();
        origins.ask(|origin, _| origin == "capacitor://localhost" || origin == "https://api.example.com");
        token().read(&CookieSettings::default(), &origins, &head(headers))
    }

    #[test]
    fn one_token_counts() {
        let (id, other) = (SessionId::random(), SessionId::random());
        let (shown, another) = (id.expose().to_string(), other.expose().to_string());
        let (shown, another) = (("x-session", &*shown), ("x-session", &*another));
        for (headers, counts) in [
            (vec![], None),
            (vec![shown], Some(ShownToken(Some(id)))),
            (vec![shown, shown], Some(ShownToken(Some(id)))),
            (vec![shown, another], Some(ShownToken(None))),
            (vec![("x-session", "new")], Some(ShownToken(None))),
            (vec![("x-session", "")], Some(ShownToken(None))),
            (vec![("x-session", "hello")], Some(ShownToken(None))),
        ] {
            assert_eq!(read(&headers), counts, "{headers:?}");
        }
    }

    #[test]
    fn of_pages_only_those_that_the_application_names_show_one() {
        let own = ("origin", "https://api.example.com");
        let app = ("origin", "capacitor://localhost");
        let evil = ("origin", "https://evil.example");
        let site = |value| ("sec-fetch-site", value);
        for (headers, counts) in [
            (vec![], true),
            (vec![app], true),
            (vec![app, site("cross-site")], true),
            (vec![evil], false),
            (vec![evil, site("cross-site")], false),
            (vec![app, evil], false),
            // A page of the server's own has its cookie, whatever the predicate says.
            (vec![own], false),
            (vec![own, site("same-origin")], false),
            (vec![site("same-origin")], false),
            (vec![site("same-origin"), ("sec-fetch-mode", "cors")], false),
            // Behind a development server the page's origin is another one than the host that is told.
            (vec![app, site("same-origin")], false),
            (vec![site("none")], false),
            (vec![site("cross-site")], false),
            (vec![("sec-fetch-mode", "navigate")], false),
            (vec![("sec-fetch-dest", "empty")], true),
            // No script can send this one: clients of other languages name the server's own origin there.
            (vec![own, ("sec-websocket-key", "x")], true),
            (vec![evil, ("sec-websocket-key", "x")], false),
        ] {
            let mut shown = headers.clone();
            shown.push(("x-session", "new"));
            assert_eq!(read(&shown).is_some(), counts, "{headers:?}");
        }
    }

    #[test]
    fn it_is_sealed_as_the_cookie_is() {
        let (new, old) = (Key::from(&[1; 64]), Key::from(&[2; 64]));
        let id = SessionId::random();
        for protect in [|_| Protection::Plain, Protection::Signed, Protection::Private] as [fn(_) -> _; 3] {
            let settings = |keys: Vec<Key>| CookieSettings {
                protection: protect(SigningKeys::from(keys)),
                ..CookieSettings::default()
            };
            let before = settings(vec![old.clone()]);
            let after = settings(vec![new.clone(), old.clone()]);
            let at_last = settings(vec![new.clone()]);
            let sealed = before.seal(id).unwrap();
            assert!(sealed.is_sensitive());
            let head = head(&[("x-session", sealed.to_str().unwrap())]);
            let read = |settings| token().read(settings, &OriginPolicy::default(), &head);
            assert_eq!(read(&before), Some(ShownToken(Some(id))));
            assert_eq!(read(&after), Some(ShownToken(Some(id))));
            let is_plain = matches!(at_last.protection, Protection::Plain);
            assert_eq!(read(&at_last), Some(ShownToken(Some(id).filter(|_| is_plain))));
        }
    }

    #[test]
    fn what_means_something_else_is_a_mistake() {
        for name in [
            "",
            "my session",
            "sitzung\u{e4}",
            "cookie",
            "Cookie",
            "set-cookie",
            "Authorization",
            "origin",
            "host",
            "Accept",
            "accept-language",
            "content-type",
            "range",
            "sec-session",
            "proxy-authorization",
            "connection",
            "vary",
            "cache-control",
            "cdn-cache-control",
            "x-forwarded-proto",
        ] {
            assert!(TokenHeader::new(name.into()).mistake().is_some(), "{name}");
        }
        for name in ["x-session", "X-Session", "session", "my-app-token"] {
            assert_eq!(TokenHeader::new(name.into()).mistake(), None, "{name}");
        }
    }

    proptest! {
        /// Whatever is shown: no panic, and no id that was not sent.
        #[test]
        fn any_header_is_read(line in "[A-Za-z0-9_%\"+/=-]{0,24}\\PC{0,6}") {
            if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
                let mut head = head(&[]);
                head.headers.insert("x-session", value);
                let shown = token().read(&CookieSettings::default(), &OriginPolicy::default(), &head);
                if let Some(ShownToken(Some(id))) = shown {
                    prop_assert!(line.contains(&id.expose().to_string()));
                }
            }
        }
    }
}
