//! The session cookie: reading it from a request, and writing it to a response.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
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

impl CookieSettings {
    /// The id that a request shows. Two cookies of our name count as none: one of them is somebody else's.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Option<SessionId> {
        let mut ours = headers
            .get_all(header::COOKIE)
            .iter()
            // Bytes: another cookie beside ours may hold any.
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| self.value_if_ours(pair));
        let value = ours.next().filter(|_| ours.next().is_none())?;
        let value = std::str::from_utf8(value).ok()?;
        let id = match self.protection {
            // An id is written in letters that need no encoding.
            Protection::Plain => value.parse::<Id>(),
            Protection::Signed(_) | Protection::Private(_) => {
                let cookie = Cookie::parse_encoded(format!("{}={value}", self.name)).ok()?;
                self.verify(cookie)?.value().parse()
            }
        };
        id.ok().map(SessionId::from)
    }

    fn value_if_ours<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        rest.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii)
    }

    /// Whether a request comes from where [`SameSite::Strict`] keeps the cookie back.
    pub(crate) fn is_kept_from(&self, headers: &HeaderMap) -> bool {
        self.same_site == SameSite::Strict
            && headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
    }

    /// Takes this cookie out of a response that sets it.
    pub(crate) fn take_out(&self, headers: &mut HeaderMap) {
        let is_ours = |value: &HeaderValue| {
            let name = value.to_str().ok().and_then(|cookie| cookie.split_once('='));
            name.is_some_and(|(name, _)| name.trim() == self.name)
        };
        let others: Vec<_> =
            headers.get_all(header::SET_COOKIE).iter().filter(|value| !is_ours(value)).cloned().collect();
        headers.remove(header::SET_COOKIE);
        for value in others {
            headers.append(header::SET_COOKIE, value);
        }
    }

    fn verify(&self, cookie: Cookie<'static>) -> Option<Cookie<'static>> {
        let jar = CookieJar::new();
        match &self.protection {
            Protection::Plain => Some(cookie),
            Protection::Signed(keys) => keys.all().find_map(|key| jar.signed(key).verify(cookie.clone())),
            Protection::Private(keys) => keys.all().find_map(|key| jar.private(key).decrypt(cookie.clone())),
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
        header_value(&self.protect(cookie))
    }

    /// The header that removes the cookie: with the path and domain under which it was set.
    pub(crate) fn remove(&self) -> Option<HeaderValue> {
        let mut cookie = self.cookie(String::new());
        cookie.make_removal();
        header_value(&cookie)
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

fn header_value(cookie: &Cookie<'static>) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(cookie.encoded().to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

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
                if let Some(id) = config.read(&headers) {
                    prop_assert!(matches!(config.protection, Protection::Plain));
                    prop_assert!(line.contains(&id.expose().to_string()));
                }
            }
        }
    }

    fn shown(lines: &[&str]) -> Option<SessionId> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        CookieSettings::default().read(&headers)
    }

    #[test]
    fn one_cookie_of_our_name_is_found_among_others() {
        let id = SessionId::random();
        let ours = format!("id={}", id.expose());
        for lines in [
            vec![&*ours],
            vec!["a=1; b=2", &ours],
            vec![&format!("theme=dunkelgr\u{fc}n; {ours} ; sid=3")],
            vec![&format!("xid=4;{ours};id2=5")],
        ] {
            assert_eq!(shown(&lines), Some(id), "{lines:?}");
        }
    }

    #[test]
    fn two_of_our_name_and_nonsense_are_none() {
        let ours = format!("id={}", SessionId::random().expose());
        let long = format!("id={}", "A".repeat(65_536));
        for lines in [
            vec![],
            vec![&*ours, &ours],
            vec![&format!("{ours}; {ours}")],
            vec!["id="],
            vec!["id"],
            vec!["id=AAAA"],
            vec!["id=%41%41"],
            vec![&format!("{ours}A")],
            vec![&long],
        ] {
            assert_eq!(shown(&lines), None, "{lines:?}");
        }
    }
}
