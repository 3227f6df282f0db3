//! The session cookie: reading it from a request, and writing it to a response.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use memchr::memchr;
use smallvec::SmallVec;
use time::{Duration, OffsetDateTime};
use tower_cookies::{
    Cookie, Key,
    cookie::{CookieJar, SameSite},
};
use tower_sessions::{Expiry, session::Id};

use crate::{clock, session::id::SessionId};

/// The longest life that browsers give a cookie
/// ([RFC 6265bis](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.5)).
const LONGEST_LIFE: Duration = Duration::days(400);

#[derive(Clone, Debug)]
pub(crate) struct CookieSettings {
    pub(crate) name: Cow<'static, str>,
    pub(crate) http_only: bool,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    pub(crate) path: Cow<'static, str>,
    pub(crate) domain: Option<Cow<'static, str>>,
    pub(crate) partitioned: bool,
    pub(crate) protection: Protection,
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self {
            // Says nothing about what runs here, as OWASP's session management advises.
            name: Cow::Borrowed("id"),
            http_only: true,
            same_site: SameSite::Lax,
            secure: true,
            path: Cow::Borrowed("/"),
            domain: None,
            partitioned: false,
            protection: Protection::Plain,
        }
    }
}

/// How the cookie's value is protected.
#[derive(Clone)]
pub(crate) enum Protection {
    Plain,
    Signed(SigningKeys),
    Private(SigningKeys),
}

impl std::fmt::Debug for Protection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Signed(_) => "Signed(..)",
            Self::Private(_) => "Private(..)",
        })
    }
}

/// One key, or several for rotation: the first protects new cookies, all are accepted.
///
/// ```
/// use socketioxide_session::{Key, MemoryBackend, SessionLayer};
///
/// let (new, old) = (Key::generate(), Key::generate());
/// let layer = SessionLayer::new(MemoryBackend::default()).with_signed([new, old]);
/// ```
#[derive(Clone)]
pub struct SigningKeys {
    first: Key,
    others: Vec<Key>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys(..)")
    }
}

impl SigningKeys {
    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl From<Key> for SigningKeys {
    fn from(first: Key) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl<const N: usize> From<[Key; N]> for SigningKeys {
    /// # Panics
    ///
    /// If the array is empty.
    fn from(keys: [Key; N]) -> Self {
        Self::from(Vec::from(keys))
    }
}

impl From<Vec<Key>> for SigningKeys {
    /// # Panics
    ///
    /// If the list is empty.
    fn from(mut keys: Vec<Key>) -> Self {
        assert!(!keys.is_empty(), "a cookie needs at least one key");
        let first = keys.remove(0);
        Self { first, others: keys }
    }
}

/// What a request shows as ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The ids, each once.
    pub(crate) ids: SmallVec<[SessionId; 1]>,
    /// Whether one of them came under a key that is no longer the first.
    pub(crate) under_older_key: bool,
}

impl CookieSettings {
    /// # Panics
    ///
    /// If no browser would accept the cookie.
    pub(crate) fn check(&self) {
        if let Some(mistake) = self.mistake() {
            panic!("the session cookie `{}` is one that no browser accepts: {mistake}", self.name);
        }
    }

    /// What keeps browsers from accepting the cookie
    /// ([RFC 6265bis](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.7)).
    fn mistake(&self) -> Option<&'static str> {
        let starts = |prefix: &str| {
            let start = self.name.as_bytes().get(..prefix.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        };
        let for_this_host = starts("__Host-");
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let of_a_domain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        match () {
            () if self.name.is_empty() || !self.name.bytes().all(is_token) => Some(
                "its name (`with_name`) holds something else than letters, digits and !#$%&'*+-.^_`|~",
            ),
            () if for_this_host && self.domain.is_some() => {
                Some("a name that begins with `__Host-` goes without `with_domain`")
            }
            () if for_this_host && self.path != "/" => {
                Some("a name that begins with `__Host-` goes with the path `/` alone: leave out `with_path`")
            }
            () if (for_this_host || starts("__Secure-")) && !self.secure => {
                Some("a name that begins with `__Host-` or `__Secure-` needs `with_secure(true)`")
            }
            () if self.same_site == SameSite::None && !self.secure => {
                Some("`SameSite::None` needs `with_secure(true)`")
            }
            () if self.partitioned && !self.secure => Some("`with_partitioned` needs `with_secure(true)`"),
            () if !can_be_path(&self.path) => {
                Some("its path (`with_path`) must begin with `/`, in ASCII, without `;` and not longer than 1024")
            }
            () => self
                .domain
                .as_deref()
                .filter(|domain| domain.trim_matches('.').is_empty() || !domain.bytes().all(of_a_domain))
                .map(|_| "its domain (`with_domain`) is a host's name alone, without a scheme, a port or a path"),
        }
    }

    /// The ids that a request shows. What can be no id of ours, or whose seal is broken, does not count: another
    /// application on the same host may use the name, too.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Shown {
        let mut shown = Shown::default();
        for header in headers.get_all(header::COOKIE) {
            // Bytes: another cookie beside ours may hold any.
            let mut rest = Some(header.as_bytes());
            while let Some(pairs) = rest {
                let end = memchr(b';', pairs);
                rest = end.map(|end| &pairs[end + 1..]);
                let pair = &pairs[..end.unwrap_or(pairs.len())];
                if let Some((id, under_older_key)) =
                    self.value_if_ours(pair).and_then(|value| self.open(value))
                    && !shown.ids.contains(&id)
                {
                    shown.ids.push(id);
                    shown.under_older_key |= under_older_key;
                }
            }
        }
        shown
    }

    /// The id in the value of a cookie or a token, and whether it came under a key that is no longer the first.
    pub(super) fn open(&self, value: &[u8]) -> Option<(SessionId, bool)> {
        let value = std::str::from_utf8(value).ok()?;
        let (value, under_older_key) = match &self.protection {
            // An id is written in letters that need no encoding.
            Protection::Plain => (Cow::Borrowed(value), false),
            Protection::Signed(keys) | Protection::Private(keys) => {
                let mut cookie = Cookie::parse_encoded(format!("v={value}")).ok()?;
                // Set by itself, for it is not encoded.
                cookie.set_name(self.name.clone());
                let opened = keys.all().enumerate();
                let mut opened = opened.filter_map(|(at, key)| Some((at, self.unseal(key, cookie.clone())?)));
                let (at, opened) = opened.next()?;
                (Cow::Owned(opened.value().to_owned()), at > 0)
            }
        };
        value.parse::<Id>().ok().map(|id| (id.into(), under_older_key))
    }

    fn value_if_ours<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    }

    /// Whether a response sets a cookie of this name.
    pub(crate) fn is_set_in(&self, headers: &HeaderMap) -> bool {
        headers.get_all(header::SET_COOKIE).iter().any(|value| self.is_set_by(value))
    }

    fn is_set_by(&self, value: &HeaderValue) -> bool {
        let mut parts = value.as_bytes().splitn(2, |byte| *byte == b'=');
        parts.next().is_some_and(|name| name.trim_ascii() == self.name.as_bytes())
    }

    /// Takes this cookie out of a response that sets it.
    pub(crate) fn take_out(&self, headers: &mut HeaderMap) {
        let set = headers.get_all(header::SET_COOKIE).iter();
        let others: Vec<_> = set.filter(|value| !self.is_set_by(value)).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for value in others {
            headers.append(header::SET_COOKIE, value);
        }
    }

    fn unseal(&self, key: &Key, cookie: Cookie<'static>) -> Option<Cookie<'static>> {
        let jar = CookieJar::new();
        match &self.protection {
            Protection::Plain => Some(cookie),
            Protection::Signed(_) => jar.signed(key).verify(cookie),
            Protection::Private(_) => jar.private(key).decrypt(cookie),
        }
    }

    /// The header that sets the cookie.
    pub(crate) fn set(
        &self,
        id: SessionId,
        expiry: Option<Expiry>,
        last: Option<OffsetDateTime>,
    ) -> Option<HeaderValue> {
        let mut cookie = self.cookie(id.expose().to_string());
        if let Some(life) = life(expiry, last, clock::now()) {
            cookie.set_max_age(life);
        }
        self.header(self.protect(cookie))
    }

    /// The value that the cookie would have, for a header of its own.
    pub(super) fn seal(&self, id: SessionId) -> Option<HeaderValue> {
        let sealed = self.protect(Cookie::new(self.name.clone(), id.expose().to_string()));
        let mut value =
            HeaderValue::try_from(self.header(sealed)?.as_bytes().get(self.name.len() + 1..)?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The header that removes the cookie: with the path and domain under which it was set.
    pub(crate) fn remove(&self) -> Option<HeaderValue> {
        let mut cookie = self.cookie(String::new());
        cookie.make_removal();
        self.header(cookie)
    }

    /// The headers that remove whatever cookie of this name a browser may have shown with a request to this host, for
    /// this path: one that another release set with another domain or path is never told to us.
    pub(crate) fn remove_all(&self, host: &str, path: &str) -> Vec<HeaderValue> {
        let mut paths = vec![&*self.path];
        for path in paths_of(path) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let domains = std::iter::once(None).chain(domains_of(host).map(Some));
        let places = domains.flat_map(|domain| paths.iter().map(move |path| (domain, *path)));
        places
            .flat_map(|(domain, path)| {
                [false, true].map(|partitioned| self.removal(domain, path, partitioned))
            })
            .flatten()
            .collect()
    }

    fn removal(&self, domain: Option<&str>, path: &str, partitioned: bool) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((self.name.clone(), ""))
            .path(path.to_owned())
            .http_only(self.http_only)
            .same_site(self.same_site)
            .secure(self.secure || partitioned);
        if partitioned {
            cookie = cookie.partitioned(true);
        }
        if let Some(domain) = domain {
            cookie = cookie.domain(domain.to_owned());
        }
        let mut cookie = cookie.build();
        cookie.make_removal();
        self.header(cookie)
    }

    fn cookie(&self, value: String) -> Cookie<'static> {
        let mut cookie = Cookie::build((self.name.clone(), value))
            .http_only(self.http_only)
            .same_site(self.same_site)
            .secure(self.secure)
            .path(self.path.clone());
        if self.partitioned {
            cookie = cookie.partitioned(true);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.clone());
        }
        cookie.build()
    }

    /// The cookie as a header. Its value is encoded, and not its name, which is read as it is.
    fn header(&self, mut cookie: Cookie<'static>) -> Option<HeaderValue> {
        cookie.set_name("v");
        let encoded = cookie.encoded().to_string();
        let value = encoded.strip_prefix('v').map(|rest| format!("{}{rest}", self.name))?;
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn protect(&self, cookie: Cookie<'static>) -> Cookie<'static> {
        let name = cookie.name().to_owned();
        let mut jar = CookieJar::new();
        match &self.protection {
            Protection::Plain => return cookie,
            Protection::Signed(keys) => jar.signed_mut(&keys.first).add(cookie.clone()),
            Protection::Private(keys) => jar.private_mut(&keys.first).add(cookie.clone()),
        }
        jar.get(&name).cloned().unwrap_or(cookie)
    }
}

/// How long the browser keeps the cookie; `None`: until it is closed. A cookie outlives the inactivity, for events
/// that keep a session alive cannot renew it.
fn life(expiry: Option<Expiry>, last: Option<OffsetDateTime>, now: OffsetDateTime) -> Option<Duration> {
    let life = match expiry {
        Some(Expiry::OnInactivity(_)) => LONGEST_LIFE,
        Some(Expiry::AtDateTime(moment)) => moment - now,
        Some(Expiry::OnSessionEnd) | None => return None,
    };
    let life = last.map_or(life, |last| life.min(last - now));
    Some(life.clamp(Duration::ZERO, LONGEST_LIFE))
}

/// The host and each parent of it to which a browser may keep a cookie.
fn domains_of(host: &str) -> impl Iterator<Item = &str> {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
    });
    let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
    let sound = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    let name = Some(name).filter(|name| sound && !is_address && name.len() <= LONGEST_NAME);
    std::iter::successors(name, |name| name.split_once('.').map(|(_, parent)| parent))
        // No browser keeps a cookie for a whole top-level domain.
        .filter(|name| name.contains('.'))
        .take(MOST_LEVELS)
}

/// Each path to which a cookie can belong that a browser shows with a request for this one
/// ([RFC 6265bis](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-5.1.4)).
fn paths_of(path: &str) -> impl Iterator<Item = &str> {
    let slashes = path.match_indices('/').take(MOST_LEVELS);
    slashes.flat_map(|(at, _)| [&path[..at], &path[..=at]]).chain([path]).filter(|path| can_be_path(path))
}

/// Whether this can stand in a cookie as its path.
fn can_be_path(path: &str) -> bool {
    let inside = |byte: u8| !byte.is_ascii_control() && byte.is_ascii() && byte != b';';
    path.starts_with('/') && path.len() <= LONGEST_PATH && path.bytes().all(inside)
}

/// Browsers ignore a longer one.
const LONGEST_PATH: usize = 1024;

/// So many levels of a host or a path are looked at: a client can name any number.
const MOST_LEVELS: usize = 8;

/// The longest name that a host can have.
const LONGEST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a header says, in whatever dress the cookie is: no panic, and no id that was not sent.
        #[test]
        fn any_header_is_read(line in "((id|x)?[ =;\\t]{0,3}[A-Za-z0-9_%\"-]{0,24}[;= ]{0,2}){0,4}\\PC{0,12}") {
            let keys = SigningKeys::from(Key::from(&[7; 64]));
            for protection in [
                Protection::Plain,
                Protection::Signed(keys.clone()),
                Protection::Private(keys),
            ] {
                let config = CookieSettings { protection, ..CookieSettings::default() };
                let mut headers = HeaderMap::new();
                if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
                    headers.append(header::COOKIE, value);
                }
                for id in config.read(&headers).ids {
                    prop_assert!(matches!(config.protection, Protection::Plain));
                    prop_assert!(line.contains(&id.expose().to_string()));
                }
            }
        }
    }

    fn shown(lines: &[&str]) -> Vec<SessionId> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        CookieSettings::default().read(&headers).ids.to_vec()
    }

    #[test]
    fn cookies_of_our_name_are_found_among_others() {
        let (id, other) = (SessionId::random(), SessionId::random());
        let (ours, another) = (format!("id={}", id.expose()), format!("id={}", other.expose()));
        for lines in [
            vec![&*ours],
            vec!["a=1; b=2", &ours],
            vec![&format!("theme=dunkelgr\u{fc}n; {ours} ; sid=3")],
            vec![&format!("xid=4;{ours};id2=5")],
            // Junk before ours, and ours twice.
            vec![&format!("id=hello; {ours}")],
            vec!["id", &ours, "id="],
            vec![&*ours, &ours],
            vec![&format!("{ours}; {ours}")],
        ] {
            assert_eq!(shown(&lines), [id], "{lines:?}");
        }
        assert_eq!(shown(&[&ours, &another, &ours]), [id, other]);
    }

    #[test]
    fn nonsense_is_none() {
        let ours = format!("id={}", SessionId::random().expose());
        let long = format!("id={}", "A".repeat(65_536));
        for lines in [
            vec![],
            vec!["id="],
            vec!["id"],
            vec!["id=AAAA"],
            vec!["id=%41%41"],
            vec![&format!("{ours}A")],
            vec![&long],
        ] {
            assert_eq!(shown(&lines), [], "{lines:?}");
        }
    }

    /// The `name=value` of the cookie that is set.
    fn set(settings: &CookieSettings, id: SessionId) -> String {
        let header = settings.set(id, None, None).unwrap();
        header.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    type Protect = fn(SigningKeys) -> Protection;

    #[test]
    fn a_name_that_is_a_token_is_read_as_it_was_set_under_each_key() {
        let (new, old) = (Key::from(&[1; 64]), Key::from(&[2; 64]));
        let id = SessionId::random();
        let dresses: [Protect; 3] = [|_| Protection::Plain, Protection::Signed, Protection::Private];
        for protect in dresses {
            for name in ["id", "a|b", "a%20b", "!#$%&'*+-.^_`|~", "__Host-id"] {
                let settings = |keys: SigningKeys| CookieSettings {
                    name: name.into(),
                    protection: protect(keys),
                    ..CookieSettings::default()
                };
                let [before, after] = [vec![old.clone()], vec![new.clone(), old.clone()]];
                let (before, after) = (settings(before.into()), settings(after.into()));
                assert_eq!(after.mistake(), None, "{name}");
                let is_plain = matches!(after.protection, Protection::Plain);
                for (set_by, older) in [(&before, !is_plain), (&after, false)] {
                    let mut headers = HeaderMap::new();
                    headers.insert(header::COOKIE, set(set_by, id).parse().unwrap());
                    let shown = after.read(&headers);
                    assert_eq!((&shown.ids[..], shown.under_older_key), (&[id][..], older), "{name}");
                }
            }
        }
    }

    type Change = fn(&mut CookieSettings);

    #[test]
    fn what_no_browser_accepts_is_a_mistake() {
        let cases: [(Change, &str); 13] = [
            (|cookie| cookie.name = "my id".into(), "with_name"),
            (|cookie| cookie.name = "app:sid".into(), "with_name"),
            (|cookie| cookie.name = "".into(), "with_name"),
            (|cookie| (cookie.name, cookie.path) = ("__Host-id".into(), "/app".into()), "with_path"),
            (
                |cookie| (cookie.name, cookie.domain) = ("__host-id".into(), Some("example.com".into())),
                "with_domain",
            ),
            (|cookie| (cookie.name, cookie.secure) = ("__Host-id".into(), false), "with_secure"),
            (|cookie| (cookie.name, cookie.secure) = ("__Secure-id".into(), false), "with_secure"),
            (|cookie| (cookie.same_site, cookie.secure) = (SameSite::None, false), "with_secure"),
            (|cookie| (cookie.partitioned, cookie.secure) = (true, false), "with_secure"),
            (|cookie| cookie.path = "app".into(), "with_path"),
            (|cookie| cookie.path = "/a;b".into(), "with_path"),
            (|cookie| cookie.domain = Some("example.com:8080".into()), "with_domain"),
            (|cookie| cookie.domain = Some("".into()), "with_domain"),
        ];
        for (change, names) in cases {
            let mut settings = CookieSettings::default();
            change(&mut settings);
            let mistake = settings.mistake().unwrap_or_default();
            assert!(mistake.contains(names), "{settings:?}: {mistake}");
        }
        // A dot before it is of old, and left out by browsers.
        let settings = CookieSettings { domain: Some(".example.com".into()), ..CookieSettings::default() };
        assert_eq!(settings.mistake(), None);
    }

    #[test]
    fn a_host_and_a_path_have_parents() {
        let domains = |host| domains_of(host).collect::<Vec<_>>();
        let paths = |path: &'static str| paths_of(path).collect::<Vec<_>>();
        assert_eq!(paths("/app/of/x"), ["/", "/app", "/app/", "/app/of", "/app/of/", "/app/of/x"]);
        assert_eq!(paths("/"), ["/", "/"]);
        assert_eq!(paths_of(&format!("/app/{}", "x".repeat(LONGEST_PATH))).count(), 3);
        assert_eq!(paths("/a;Domain=example.com/b"), ["/"]);
        // A client can name any number; the first level of a path is the empty one, which is none.
        assert_eq!(paths_of(&"/a".repeat(500)).count(), 2 * MOST_LEVELS);
        assert_eq!(domains_of(&"a.".repeat(100)).count(), MOST_LEVELS);
        let settings = CookieSettings { path: "/app".into(), ..CookieSettings::default() };
        let removals = settings.remove_all("www.example.com", "/app/x");
        // The host's own and two domains; `/app`, `/`, `/app/` and `/app/x`; partitioned and not.
        assert_eq!(removals.len(), 3 * 4 * 2);
        assert_eq!(
            domains("a.shop.example.com:8080"),
            ["a.shop.example.com", "shop.example.com", "example.com"]
        );
        assert_eq!(domains("example.com"), ["example.com"]);
        for host in ["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "a b.com", "", "x;y.com"] {
            assert!(domains(host).is_empty(), "{host}");
        }
    }
}
