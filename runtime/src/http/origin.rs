//! Which pages may talk to Socket.IO: a pure decision on the headers of a request.
//!
//! A WebSocket handshake is a GET that browsers send from any page, with the cookies, without asking first. So the
//! server must look where it comes from
//! ([RFC 6455, 10.2](https://datatracker.ietf.org/doc/html/rfc6455#section-10.2)).

use std::{collections::HashSet, sync::Arc};

use http::{HeaderMap, Request, header};

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub(crate) enum OriginPolicy {
    /// Pages of the origin that the request itself is for.
    #[default]
    SameOrigin,
    /// Pages of these origins.
    Listed(Arc<HashSet<Origin>>),
}

/// An origin, with its port written out ([RFC 6454](https://datatracker.ietf.org/doc/html/rfc6454)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// Of sandboxed frames, `data:` and local files: many pages, which nobody can tell apart.
    Null,
    Of {
        scheme: String,
        host: String,
        port: u16,
    },
}

impl OriginPolicy {
    /// # Panics
    ///
    /// If one of them is no origin.
    pub(crate) fn listed<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Self {
        let parse = |origin: S| {
            let origin = origin.as_ref();
            Origin::parse(origin).unwrap_or_else(|| {
                panic!(
                    "`{origin}` is no origin: write a scheme, a host and, if need be, a port, as in \
                        `https://app.example.com` or `http://localhost:5173`, without a path"
                )
            })
        };
        Self::Listed(Arc::new(origins.into_iter().map(parse).collect()))
    }

    /// Whether the page that sent this request may talk to Socket.IO.
    pub(crate) fn allows<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        if one(headers, "sec-fetch-mode") == Some("navigate") {
            // Somebody opens the address itself: that isn't a handshake.
            return false;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) => origin
                .to_str()
                .ok()
                .and_then(Origin::parse)
                .is_some_and(|origin| self.lists(&origin, request)),
            (Some(_), Some(_)) => false,
            (None, _) => match one(headers, "sec-fetch-site") {
                // Neither header: no browser, whose cookies nobody else can use.
                None => true,
                Some("same-origin") => match self {
                    Self::SameOrigin => true,
                    Self::Listed(origins) => origins.iter().any(|origin| origin.is_target_of(request)),
                },
                Some(_) => false,
            },
        }
    }

    fn lists<B>(&self, origin: &Origin, request: &Request<B>) -> bool {
        match self {
            Self::SameOrigin => origin.is_target_of(request),
            Self::Listed(origins) => origins.contains(origin),
        }
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = split_authority(authority)?;
        let port = port.or_else(|| default_port(&scheme))?;
        Some(Self::Of { scheme, host, port })
    }

    /// Whether the request is for this origin. The scheme counts where the request tells it: in its target (HTTP/2)
    /// or in what a proxy that ends TLS adds. No page can make a browser send that header to another site unasked.
    fn is_target_of<B>(&self, request: &Request<B>) -> bool {
        let Self::Of { scheme, host, port } = self else { return false };
        let headers = request.headers();
        let target = request.uri().authority().map(http::uri::Authority::as_str);
        let Some((target_host, target_port)) =
            one(headers, header::HOST.as_str()).or(target).and_then(split_authority)
        else {
            return false;
        };
        let target_scheme = request.uri().scheme_str().or_else(|| one(headers, "x-forwarded-proto"));
        let same_scheme = target_scheme.is_none_or(|target| {
            let target = target.split(',').next().unwrap_or_default().trim();
            target.eq_ignore_ascii_case(scheme)
        });
        let target_port = target_port.or_else(|| default_port(scheme));
        same_scheme && target_host == *host && target_port == Some(*port)
    }
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

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

/// A header's value, if it is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/socket.io/?EIO=4&transport=polling");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
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
            assert_eq!(OriginPolicy::SameOrigin.allows(&request), allowed, "{origin} to {host}");
        }
    }

    #[test]
    fn the_scheme_counts_where_it_is_known() {
        for (proto, origin, allowed) in [
            ("https", "https://example.com", true),
            ("https", "http://example.com", false),
            ("http", "http://example.com", true),
            ("HTTPS, http", "https://example.com", true),
        ] {
            let headers = [("host", "example.com"), ("origin", origin), ("x-forwarded-proto", proto)];
            assert_eq!(OriginPolicy::SameOrigin.allows(&request(&headers)), allowed, "{origin} {proto}");
        }
        let mut http2 = request(&[("origin", "http://example.com")]);
        *http2.uri_mut() = "https://example.com/socket.io/".parse().unwrap();
        assert!(!OriginPolicy::SameOrigin.allows(&http2));
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
        ] {
            let mut headers = vec![("host", "example.com")];
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            assert_eq!(OriginPolicy::SameOrigin.allows(&request(&headers)), allowed, "{site:?}");
        }
    }

    #[test]
    fn a_navigation_and_two_origins_are_refused() {
        let same = [("host", "example.com"), ("sec-fetch-site", "same-origin")];
        assert!(OriginPolicy::SameOrigin.allows(&request(&same)));
        let navigation = [same[0], same[1], ("sec-fetch-mode", "navigate")];
        assert!(!OriginPolicy::SameOrigin.allows(&request(&navigation)));
        let origin = ("origin", "https://example.com");
        assert!(!OriginPolicy::SameOrigin.allows(&request(&[same[0], origin, origin])));
    }

    #[test]
    fn a_list_stands_in_place_of_the_same_origin() {
        let policy = OriginPolicy::listed(["https://app.example.com", "http://localhost:5173"]);
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
        assert!(OriginPolicy::listed(["null"]).allows(&request(&[("origin", "null")])));
    }

    #[test]
    #[should_panic(expected = "`example.com` is no origin")]
    fn a_list_with_something_else_is_a_mistake() {
        OriginPolicy::listed(["example.com"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        /// Whatever a header says, the decision is made, and nothing but the very origin is the same origin.
        #[test]
        fn any_header_is_decided(origin in "(https?://)?\\PC{0,30}", host in "\\PC{0,20}") {
            let mut request = Request::new(());
            if let (Ok(origin_header), Ok(host_header)) = (origin.parse(), host.parse()) {
                request.headers_mut().insert("origin", origin_header);
                request.headers_mut().insert("host", host_header);
                let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let same = origin.to_ascii_lowercase().contains(&name);
                prop_assert!(!OriginPolicy::SameOrigin.allows(&request) || same);
            }
        }
    }
}
