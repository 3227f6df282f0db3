//! Which pages may talk to Socket.IO: a pure decision on the headers of a request.
//!
//! A WebSocket handshake is a GET that browsers send from any page, with the cookies, without asking first. So the
//! server must look where it comes from
//! ([RFC 6455, 10.2](https://datatracker.ietf.org/doc/html/rfc6455#section-10.2)).

use std::{collections::HashSet, fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};

use crate::panics::caught;

/// Where a browser says from which site a request comes, and what for. Parsed once: they are looked for in each request.
pub(super) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
pub(super) static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Who may connect.
#[derive(Clone, Default)]
pub(crate) struct OriginPolicy {
    /// Pages of these origins, in place of those of the origin that the request itself is for.
    listed: Option<Arc<HashSet<Origin>>>,
    /// And whoever this lets in.
    predicate: Option<Arc<Predicate>>,
}

type Predicate = dyn Fn(&HeaderValue, &Parts) -> bool + Send + Sync;

impl fmt::Debug for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginPolicy").field("listed", &self.listed).finish_non_exhaustive()
    }
}

/// An origin ([RFC 6454](https://datatracker.ietf.org/doc/html/rfc6454)). That of a WebSocket is told as the one of its
/// page: `ws` is `http`, `wss` is `https`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Of sandboxed frames, `data:` and local files: many pages, which nobody can tell apart.
    Null,
    /// With its port written out.
    Web { secure: bool, host: String, port: u16 },
    /// Of another scheme (`capacitor:`, `tauri:`, `chrome-extension:`), whose origins only their text tells apart.
    Opaque(String),
}

impl OriginPolicy {
    /// From now on these origins in place of the request's own.
    ///
    /// # Panics
    ///
    /// If one of them is no origin.
    pub(crate) fn list<S: AsRef<str>>(&mut self, origins: impl IntoIterator<Item = S>) {
        let parse = |origin: S| {
            let origin = origin.as_ref();
            Origin::parse(origin).unwrap_or_else(|| {
                panic!(
                    "`{origin}` is no origin: write a scheme, a host and, if need be, a port, as in \
                        `https://app.example.com`, `http://localhost:5173` or `capacitor://localhost`, without a path"
                )
            })
        };
        self.listed = Some(Arc::new(origins.into_iter().map(parse).collect()));
    }

    /// From now on also whoever this lets in.
    pub(crate) fn ask(&mut self, predicate: impl Fn(&HeaderValue, &Parts) -> bool + Send + Sync + 'static) {
        self.predicate = Some(Arc::new(predicate));
    }

    /// Whether the page that sent this request may talk to Socket.IO.
    pub(crate) fn allows(&self, request: &Parts) -> bool {
        let headers = &request.headers;
        if headers.get_all(&SEC_FETCH_MODE).iter().any(|mode| mode == "navigate") {
            // Somebody opens the address itself: that isn't a handshake.
            return false;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) => self.lets_in(origin, request),
            (Some(_), Some(_)) => false,
            (None, _) => {
                let mut sites = headers.get_all(&SEC_FETCH_SITE).iter();
                match (sites.next(), sites.next()) {
                    // Neither header: no browser, whose cookies nobody else can use.
                    (None, _) => true,
                    (Some(site), None) if site == "same-origin" => self.lets_in_own(request),
                    _ => false,
                }
            }
        }
    }

    fn lets_in(&self, origin: &HeaderValue, request: &Parts) -> bool {
        let parsed = origin.to_str().ok().and_then(Origin::parse);
        let known = parsed.is_some_and(|origin| match &self.listed {
            None => origin.is_target_of(request),
            Some(listed) => listed.contains(&origin),
        });
        known
            || self.predicate.as_ref().is_some_and(|lets_in| {
                caught(|| Ok(lets_in(origin, request))).unwrap_or_else(|error| {
                    error.log("the predicate for origins");
                    false
                })
            })
    }

    /// Whether pages of the request's own origin may: a browser need not name it.
    fn lets_in_own(&self, request: &Parts) -> bool {
        self.listed.is_none()
            || target_of(request).is_some_and(|(scheme, host)| {
                let schemes = scheme.map_or(vec!["https", "http"], |scheme| vec![scheme]);
                let origins = schemes.into_iter().map(|scheme| format!("{scheme}://{host}"));
                origins
                    .filter_map(|origin| HeaderValue::try_from(origin).ok())
                    .any(|origin| self.lets_in(&origin, request))
            })
    }
}

/// Whether a page of another site sent this request. Where a browser does not say it, a page of another origin counts.
pub(super) fn is_of_another_site(request: &Parts) -> bool {
    let headers = &request.headers;
    match headers.get(&SEC_FETCH_SITE) {
        Some(site) => site == "cross-site",
        None => headers.get_all(header::ORIGIN).iter().any(|origin| {
            let origin = origin.to_str().ok().and_then(Origin::parse);
            !origin.is_some_and(|origin| origin.is_target_of(request))
        }),
    }
}

/// Whether a request has the marks of a browser's.
pub(super) fn is_from_browser(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| *name == header::ORIGIN || name.as_str().starts_with("sec-fetch-"))
}

/// Whether a script of a page of the request's own origin sent it. Not in a WebSocket's handshake: there clients that are
/// no browsers name the server's own origin, and a page can neither show a header nor read one.
pub(super) fn is_from_own_page(request: &Parts) -> bool {
    let headers = &request.headers;
    let is_own = |origin: &HeaderValue| {
        origin.to_str().ok().and_then(Origin::parse).is_some_and(|origin| origin.is_target_of(request))
    };
    // No script can send this one.
    !headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && (one(headers, "sec-fetch-site") == Some("same-origin")
            || headers.get_all(header::ORIGIN).iter().any(is_own))
}

/// What a request is for: its scheme, where that is told, and its host with the port. What the proxy says that ends TLS
/// comes before what the request says, which is then the proxy's own. No page can make a browser send that header to
/// another site unasked.
fn target_of(request: &Parts) -> Option<(Option<&str>, &str)> {
    let (headers, uri) = (&request.headers, &request.uri);
    let first = |schemes: &'static str| one(headers, schemes)?.split(',').next().map(str::trim);
    let scheme = first("x-forwarded-proto").or_else(|| uri.scheme_str());
    let authority = uri.authority().map(http::uri::Authority::as_str);
    Some((scheme, one(headers, header::HOST.as_str()).or(authority)?))
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = split_authority(authority)?;
        match is_secure(scheme) {
            Some(secure) => Some(Self::Web { secure, host, port: port.unwrap_or(default_port(secure)) }),
            None => is_scheme(scheme).then(|| Self::Opaque(text.to_owned())),
        }
    }

    /// Whether the request is for this origin. The scheme counts where it is told.
    fn is_target_of(&self, request: &Parts) -> bool {
        let Self::Web { secure, host, port } = self else { return false };
        let Some((scheme, authority)) = target_of(request) else { return false };
        let Some((target_host, target_port)) = split_authority(authority) else { return false };
        let same_scheme = scheme.is_none_or(|scheme| is_secure(scheme) == Some(*secure));
        same_scheme && target_host == *host && target_port.unwrap_or(default_port(*secure)) == *port
    }
}

/// Whether a scheme of the web is one with TLS; `None` for any other.
fn is_secure(scheme: &str) -> Option<bool> {
    let is = |name: &str| scheme.eq_ignore_ascii_case(name);
    match () {
        () if is("https") || is("wss") => Some(true),
        () if is("http") || is("ws") => Some(false),
        () => None,
    }
}

fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// Whether this can be a scheme ([RFC 3986, 3.1](https://datatracker.ietf.org/doc/html/rfc3986#section-3.1)).
fn is_scheme(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inside)
}

/// The host in lower case, and the port if there is one. Nothing where there is more, or less.
fn split_authority(authority: &str) -> Option<(String, Option<u16>)> {
    let end_of_host = if authority.starts_with('[') { authority.find(']')? + 1 } else { 0 };
    let (host, port) = match authority[end_of_host..].split_once(':') {
        Some((rest, port)) => (&authority[..end_of_host + rest.len()], Some(port.parse().ok()?)),
        None => (authority, None),
    };
    let bracketed = end_of_host > 0;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let inside = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']');
    let sound = if bracketed {
        host.len() == end_of_host && host.chars().all(inside)
    } else {
        host.chars().all(plain)
    };
    (sound && !host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

/// A header's value, if it is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn own() -> OriginPolicy {
        OriginPolicy::default()
    }

    fn listed<const N: usize>(origins: [&str; N]) -> OriginPolicy {
        let mut policy = OriginPolicy::default();
        policy.list(origins);
        policy
    }

    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/socket.io/?EIO=4&transport=polling");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn same_origin_is_the_default() {
        for (host, origin, allowed) in [
            ("example.com", "https://example.com", true),
            ("example.com", "http://example.com", true),
            ("example.com", "https://EXAMPLE.com", true),
            ("Example.COM", "https://example.com", true),
            ("example.com:443", "https://example.com", true),
            ("example.com", "https://example.com:443", true),
            ("example.com:80", "http://example.com", true),
            ("example.com:443", "http://example.com", false),
            ("example.com", "https://example.com:8443", false),
            ("example.com:8443", "https://example.com:8443", true),
            ("example.com:8443", "https://example.com", false),
            ("example.com", "https://evil.com", false),
            ("example.com", "https://sub.example.com", false),
            ("sub.example.com", "https://example.com", false),
            ("example.com", "https://example.com.evil.com", false),
            ("example.com", "https://evilexample.com", false),
            ("example.com", "https://example.com.", false),
            ("example.com", "https://evil.com#example.com", false),
            ("example.com", "https://user@example.com", false),
            ("example.com", "https://example.com/", false),
            ("example.com", "https://example.com:port", false),
            ("example.com", "https://", false),
            ("example.com", "example.com", false),
            ("example.com", "", false),
            ("example.com", "null", false),
            ("example.com", "chrome-extension://abcdef", false),
            ("example.com", "wss://example.com", true),
            ("example.com", "file://", false),
            ("[::1]:3000", "http://[::1]:3000", true),
            ("[::1]:3000", "http://[::1]:3001", false),
            ("[::1]", "http://[::1]", true),
            ("[2001:DB8::1]", "https://[2001:db8::1]", true),
            ("[::1", "http://[::1", false),
            ("127.0.0.1:3000", "http://127.0.0.1:3000", true),
            ("127.0.0.1:3000", "http://localhost:3000", false),
        ] {
            let request = request(&[("host", host), ("origin", origin)]);
            assert_eq!(own().allows(&request), allowed, "{origin} to {host}");
        }
    }

    #[test]
    fn the_scheme_counts_where_it_is_known() {
        for (proto, origin, allowed) in [
            ("https", "https://example.com", true),
            ("https", "http://example.com", false),
            ("http", "http://example.com", true),
            ("HTTPS, http", "https://example.com", true),
            ("wss", "https://example.com", true),
            ("wss", "http://example.com", false),
            ("ws", "http://example.com", true),
            ("https", "wss://example.com", true),
            ("https", "ws://example.com", false),
            ("gopher", "https://example.com", false),
        ] {
            let headers = [("host", "example.com"), ("origin", origin), ("x-forwarded-proto", proto)];
            assert_eq!(own().allows(&request(&headers)), allowed, "{origin} {proto}");
        }
        let mut http2 = request(&[("origin", "http://example.com")]);
        http2.uri = "https://example.com/socket.io/".parse().unwrap();
        assert!(!own().allows(&http2));
        // In clear behind a proxy that ends TLS.
        let mut behind = request(&[("origin", "https://example.com"), ("x-forwarded-proto", "https")]);
        behind.uri = "http://example.com/socket.io/".parse().unwrap();
        assert!(own().allows(&behind));
    }

    #[test]
    fn without_an_origin_sec_fetch_site_decides() {
        for (site, allowed) in [
            (None, true),
            (Some("same-origin"), true),
            (Some("same-site"), false),
            (Some("cross-site"), false),
            (Some("none"), false),
            (Some("nonsense"), false),
            (Some("\u{e4}"), false),
        ] {
            let mut headers = vec![("host", "example.com")];
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            assert_eq!(own().allows(&request(&headers)), allowed, "{site:?}");
        }
        let twice =
            [("host", "example.com"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")];
        assert!(!own().allows(&request(&twice)));
    }

    #[test]
    fn a_navigation_and_two_origins_are_refused() {
        let same = [("host", "example.com"), ("sec-fetch-site", "same-origin")];
        assert!(own().allows(&request(&same)));
        let navigation = [same[0], same[1], ("sec-fetch-mode", "navigate")];
        assert!(!own().allows(&request(&navigation)));
        let origin = ("origin", "https://example.com");
        assert!(!own().allows(&request(&[same[0], origin, origin])));
    }

    #[test]
    fn a_list_stands_in_place_of_the_same_origin() {
        let policy = listed(["https://app.example.com", "http://localhost:5173"]);
        for (headers, allowed) in [
            (vec![("origin", "https://app.example.com")], true),
            (vec![("origin", "https://APP.example.com:443")], true),
            (vec![("origin", "http://app.example.com")], false),
            (vec![("origin", "http://localhost:5173")], true),
            (vec![("origin", "http://localhost:5174")], false),
            (vec![("origin", "https://api.example.com")], false),
            (vec![("origin", "null")], false),
            (vec![("sec-fetch-site", "same-origin")], false),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![], true),
        ] {
            let mut with_host = vec![("host", "api.example.com")];
            with_host.extend(headers);
            assert_eq!(policy.allows(&request(&with_host)), allowed, "{with_host:?}");
        }
        let own = [("host", "app.example.com"), ("sec-fetch-site", "same-origin")];
        assert!(policy.allows(&request(&own)));
        assert!(listed(["null"]).allows(&request(&[("origin", "null")])));
    }

    #[test]
    fn a_websockets_origin_is_that_of_its_page() {
        let policy = listed(["https://app.example.com", "ws://localhost:5173"]);
        for (origin, allowed) in [
            ("wss://app.example.com", true),
            ("wss://app.example.com:443", true),
            ("ws://app.example.com", false),
            ("http://localhost:5173", true),
            ("https://localhost:5173", false),
        ] {
            assert_eq!(policy.allows(&request(&[("origin", origin)])), allowed, "{origin}");
        }
    }

    #[test]
    fn origins_of_applications_are_their_text() {
        let policy = listed([
            "capacitor://localhost",
            "ionic://localhost",
            "tauri://localhost",
            "app://-",
            "chrome-extension://abcdefghijklmnop",
        ]);
        for (origin, allowed) in [
            ("capacitor://localhost", true),
            ("ionic://localhost", true),
            ("tauri://localhost", true),
            ("app://-", true),
            ("chrome-extension://abcdefghijklmnop", true),
            ("chrome-extension://ponmlkjihgfedcba", false),
            ("capacitor://localhost:80", false),
            ("capacitor://elsewhere", false),
            ("http://localhost", false),
        ] {
            assert_eq!(policy.allows(&request(&[("origin", origin)])), allowed, "{origin}");
        }
        // Such a scheme says nothing of the request's own origin.
        assert!(!own().allows(&request(&[("host", "localhost"), ("origin", "capacitor://localhost")])));
    }

    #[test]
    fn a_predicate_lets_more_in() {
        let tenants = |origin: &HeaderValue, _: &Parts| origin.as_bytes().ends_with(b".example.com");
        let (mut beside_own, mut beside_list) = (own(), listed(["https://admin.example"]));
        beside_own.ask(tenants);
        beside_list.ask(tenants);
        for (host, origin, of_own, of_list) in [
            ("api.test", "https://a.example.com", true, true),
            ("api.test", "https://api.test", true, false),
            ("api.test", "https://admin.example", false, true),
            ("api.test", "https://evil.test", false, false),
            ("api.test", "no origin at all.example.com", true, true),
        ] {
            let request = request(&[("host", host), ("origin", origin)]);
            assert_eq!(
                (beside_own.allows(&request), beside_list.allows(&request)),
                (of_own, of_list),
                "{origin}"
            );
        }
        // It sees what else the request says, also where a browser does not name the request's own origin.
        let same = request(&[("host", "a.example.com"), ("sec-fetch-site", "same-origin")]);
        assert!(beside_list.allows(&same));
        assert!(!listed(["https://admin.example"]).allows(&same));
        let mut by_host = listed::<0>([]);
        by_host.ask(|_, parts| parts.headers.get("host").is_some_and(|host| host == "localhost:3000"));
        assert!(by_host.allows(&request(&[("host", "localhost:3000"), ("origin", "http://localhost:5173")])));
        assert!(!by_host.allows(&request(&[("host", "api.test"), ("origin", "http://localhost:5173")])));
    }

    #[test]
    #[should_panic(expected = "`example.com` is no origin")]
    fn a_list_with_something_else_is_a_mistake() {
        listed(["example.com"]);
    }

    proptest! {
        /// Whatever a header says, the decision is made, and nothing but the very origin is the same origin.
        #[test]
        fn any_header_is_decided(origin in "(https?://)?\\PC{0,30}", host in "\\PC{0,20}") {
            let mut request = Request::new(()).into_parts().0;
            if let (Ok(origin_header), Ok(host_header)) = (origin.parse(), host.parse()) {
                request.headers.insert("origin", origin_header);
                request.headers.insert("host", host_header);
                let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let same = origin.to_ascii_lowercase().contains(&name);
                prop_assert!(!own().allows(&request) || same);
            }
        }
    }
}
