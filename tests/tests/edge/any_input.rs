//! Whatever a request says, through the whole layer: no panic, no 500, no id that is adopted, no stranger let in.
//!
//! Requests run in this process, with Socket.IO inside of the layer, and without a port.
//!
//! Clauses: 12.

use std::fmt::Debug;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Method, Request, Uri, header},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use serde_json::Value;
use socketioxide_session::{Key, SameSite, SessionLayer, StoreBackend};
use socketioxide_session_tests::{
    app::sessions,
    fixture::site::parts,
    soak::{seed, short_or_long},
    stores::TestStore,
};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tower_sessions::session::Id;

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

const HOST: &str = "app.example";

/// So many cases meet one application: each handshake leaves a connection behind.
const OF_ONE_APPLICATION: u32 = 1000;

/// What the text of a refusal names: a setting of the layer, or of the client.
const SETTINGS: [&str; 4] =
    ["with_allowed_origins", "with_same_site", "with_socket_path", "`withCredentials: true`"];

/// An application with two visitors, one of whom has a connection by polling.
struct Stage {
    runtime: Runtime,
    router: Router,
    store: TestStore,
    /// The names of cookies are those of the layer.
    owner: String,
    other: String,
    sid: String,
}

struct Answer {
    status: u16,
    set_cookies: Vec<String>,
    /// Those of `Set-Cookie` that remove one.
    removals: usize,
    body: String,
}

impl Stage {
    fn new(layer: impl FnOnce(SessionLayer) -> SessionLayer) -> Self {
        let store = TestStore::default();
        let router = parts(layer(sessions(StoreBackend::new(store.clone())))).router;
        let runtime =
            Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let nobody = String::new();
        let (owner, other, sid) = (nobody.clone(), nobody.clone(), nobody);
        let mut stage = Self { runtime, router, store, owner, other, sid };
        stage.owner = stage.visitor("Ada");
        stage.other = stage.visitor("Bob");
        let opened = stage.ask(&get(HANDSHAKE).header(header::COOKIE, &stage.owner));
        sid_of(&opened.body).expect("a connection").clone_into(&mut stage.sid);
        stage
    }

    fn visitor(&self, name: &str) -> String {
        let answer = self.ask(&get(&format!("/login?name={name}")));
        answer.set_cookies[0].split(';').next().expect("a cookie before its attributes").to_owned()
    }

    fn ask(&self, asked: &Asked) -> Answer {
        let request = asked.request();
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let lines = answer.headers().get_all(header::SET_COOKIE).iter();
            let lines = lines.map(|line| line.to_str().expect("a readable cookie").to_owned());
            let (removals, set_cookies): (Vec<_>, Vec<_>) =
                lines.partition(|line| line.contains("Max-Age=0"));
            let removals = removals.len();
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
            Answer { status, set_cookies, removals, body: String::from_utf8(body.into()).expect("a text") }
        })
    }
}

/// A request that can be built again.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

fn get(uri: &str) -> Asked {
    Asked { method: Method::GET, uri: uri.parse().expect("an address"), headers: vec![] }
}

impl Asked {
    fn header(mut self, name: impl TryInto<HeaderName, Error: Debug>, value: &str) -> Self {
        self.headers.push((name.try_into().expect("a name"), value.parse().expect("a value")));
        self
    }

    fn with(mut self, headers: &[(HeaderName, HeaderValue)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from("3"));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        request
    }

    /// What it shows as cookies, as far as it can be read.
    fn shows(&self, cookie: &str) -> bool {
        let (name, value) = cookie.split_once('=').expect("a cookie");
        self.shown().iter().any(|(shown, of)| shown == name && of == value)
    }

    fn shown(&self) -> Vec<(String, String)> {
        let lines = self.headers.iter().filter(|(name, _)| name == header::COOKIE);
        let lines = lines.map(|(_, line)| String::from_utf8_lossy(line.as_bytes()).into_owned());
        let pairs: Vec<_> =
            lines.flat_map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>()).collect();
        let pair = |pair: &String| {
            pair.split_once('=').map(|(name, of)| (name.trim().to_owned(), of.trim().to_owned()))
        };
        pairs.iter().filter_map(pair).collect()
    }
}

/// The name of the connection that an answer opens.
fn sid_of(body: &str) -> Option<&str> {
    let opening = body.split_once("{\"sid\":\"")?.1;
    opening.split('"').next()
}

/// Tries that many cases, on a fresh application now and then.
fn whatever_comes<T: Debug>(
    cases: u32,
    inputs: impl Fn(&Stage) -> BoxedStrategy<T>,
    layers: &[fn(SessionLayer) -> SessionLayer],
    holds: impl Fn(&Stage, &T) -> Result<(), TestCaseError>,
) {
    let rounds = cases.div_ceil(OF_ONE_APPLICATION).max(u32::try_from(layers.len()).expect("a few layers"));
    for (layer, round) in layers.iter().cycle().zip(0..rounds) {
        let stage = Stage::new(layer);
        let rng_seed = seed(round.into());
        let config =
            Config { cases: cases / rounds, failure_persistence: None, rng_seed, ..Config::default() };
        let outcome = TestRunner::new(config).run(&inputs(&stage), |input| holds(&stage, &input));
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(reason, input)) => panic!("{reason}\n{input:#?}"),
            Err(TestError::Abort(reason)) => panic!("{reason}"),
        }
    }
}

fn cases() -> u32 {
    short_or_long(1_500, 100_000)
}

/// Bytes that a header can hold.
fn value(bytes: Vec<u8>) -> HeaderValue {
    let allowed = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    HeaderValue::from_bytes(&bytes.into_iter().filter(allowed).collect::<Vec<_>>()).expect("a header's bytes")
}

/// These, other bytes, and mixtures of them.
fn mixtures(pieces: Vec<Vec<u8>>, most: usize) -> impl Strategy<Value = HeaderValue> {
    let piece = prop_oneof![
        4 => select(pieces),
        1 => vec(any::<u8>(), 0..12),
        1 => "\\PC{0,12}".prop_map(String::into_bytes),
        1 => "[ -~]{0,40}".prop_map(String::into_bytes),
    ];
    vec(piece, 0..most).prop_map(|pieces| value(pieces.concat()))
}

fn bytes<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

/// A few headers of that name.
fn headers(
    name: HeaderName,
    values: impl Strategy<Value = HeaderValue>,
) -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    vec(values, 0..3).prop_map(move |values| values.into_iter().map(|value| (name.clone(), value)).collect())
}

/// What holds of every answer.
fn is_sound(stage: &Stage, asked: &Asked, answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(answer.status < 500, "{} {}", answer.status, answer.body);
    prop_assert!(answer.set_cookies.len() <= 1, "{:?}", answer.set_cookies);
    let ambiguous = asked.shows(&stage.owner) && asked.shows(&stage.other);
    prop_assert!(answer.removals == 0 || ambiguous, "a cookie is removed that nothing contradicts");
    if answer.status == 403 {
        prop_assert_eq!((&answer.set_cookies[..], answer.removals), (&[] as &[String], 0));
        prop_assert!(SETTINGS.iter().any(|setting| answer.body.contains(setting)), "{}", answer.body);
    }
    for line in &answer.set_cookies {
        let set = line.split(';').next().expect("a cookie before its attributes");
        prop_assert!(!asked.shows(set), "adopted: {set}");
    }
    if sid_of(&answer.body).is_some() {
        let has_one = [&stage.owner, &stage.other].iter().any(|cookie| asked.shows(cookie));
        // Under `SameSite=Strict` another site's page, if its origin may connect, brings no cookie and gets none.
        let is_kept = one(asked, "sec-fetch-site") == Some("cross-site");
        let begun = answer.set_cookies.len();
        prop_assert!(
            begun == usize::from(!has_one) || (is_kept && begun == 0),
            "a connection has one session"
        );
    }
    Ok(())
}

fn cookies(stage: &Stage) -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> + use<> {
    let well_formed = format!("id={}", Id::default());
    let pieces = bytes([
        "id=",
        "id",
        "=",
        ";",
        "; ",
        ";id=",
        "; id=",
        " id = ",
        "ID=",
        "xid=",
        "id[]=",
        ",",
        "\"",
        "%",
        "%00",
        "%3B",
        "\t",
        "__Host-id=",
        "=id",
        "a=b",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "id=AAAAAAAAAAAAAAAAAAAAAA",
        "Path=/",
        "$Version=1",
        &well_formed,
        &stage.owner,
        &stage.other,
        stage.owner.trim_start_matches("id="),
        &stage.owner.to_uppercase(),
        &stage.owner[..stage.owner.len() - 1],
    ]);
    headers(header::COOKIE, mixtures(pieces, 9))
}

const PLAIN: fn(SessionLayer) -> SessionLayer = |layer| layer;

#[test]
fn any_cookie_header() {
    let layers: [fn(SessionLayer) -> SessionLayer; 3] = [
        PLAIN,
        |layer| layer.with_signed(Key::from(&[7; 64])),
        |layer| layer.with_private(Key::from(&[7; 64])),
    ];
    let paths =
        ["/who", "/visit", "/plain/visit", "/plain/who", HANDSHAKE, "a post of the owner's connection"];
    let inputs = move |stage: &Stage| (select(paths.to_vec()), cookies(stage)).boxed();
    whatever_comes(cases(), inputs, &layers, |stage, (path, headers)| {
        let of_connection = !path.starts_with('/');
        let post = || Asked { method: Method::POST, ..get(&format!("{HANDSHAKE}&sid={}", stage.sid)) };
        let asked = if of_connection { post() } else { get(path) }.with(headers);
        let sessions = stage.store.ids();
        let answer = stage.ask(&asked);
        is_sound(stage, &asked, &answer)?;
        let (owner, other) = (asked.shows(&stage.owner), asked.shows(&stage.other));
        // Both at once: neither counts.
        let expected = match (owner, other) {
            (true, false) => "Ada",
            (false, true) => "Bob",
            _ => "nobody",
        };
        if *path == "/who" {
            let who: Value = serde_json::from_str(&answer.body).expect("a name or none");
            prop_assert_eq!(who.as_str().unwrap_or("nobody"), expected);
        }
        if of_connection {
            prop_assert_eq!(answer.status == 403, expected != "Ada", "{} {}", answer.status, answer.body);
        }
        let begun = stage.store.ids().into_iter().filter(|id| !sessions.contains(id));
        for id in begun {
            prop_assert!(asked.shown().iter().all(|(_, shown)| !shown.contains(&id)), "adopted: {id}");
        }
        Ok(())
    });
}

/// Of the page that asks, and of what the proxy says.
fn origins() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let of_origins = bytes([
        "https://",
        "http://",
        "wss://",
        "ws://",
        "capacitor://",
        "null",
        HOST,
        "evil.example",
        ":443",
        ":80",
        ":",
        "/",
        "@",
        "#",
        "?",
        ".",
        "localhost",
        "[::1]",
        "[",
        "]",
        "https://app.example",
        "http://app.example",
        "https://app.example:65536",
        "xn--",
        "%2e",
        " ",
        ",",
        "\\",
    ]);
    let of_hosts = bytes([
        HOST,
        "evil.example",
        ":443",
        ":80",
        ":",
        ":99999",
        "[::1]",
        "[",
        "]",
        "@",
        "/",
        " ",
        ".",
        ",",
        "",
    ]);
    let schemes = bytes(["https", "http", "wss", "ws", "HTTPS", ",", ", ", " ", "gopher", "://", ""]);
    let sites = bytes(["same-origin", "same-site", "cross-site", "none", ",", " "]);
    let modes = bytes(["cors", "no-cors", "navigate", "websocket", "same-origin", ",", " "]);
    let named = HeaderName::from_static;
    (
        headers(header::ORIGIN, mixtures(of_origins, 5)),
        headers(header::HOST, mixtures(of_hosts, 3)),
        headers(named("x-forwarded-proto"), mixtures(schemes, 4)),
        headers(named("sec-fetch-site"), mixtures(sites.clone(), 2)),
        headers(named("sec-fetch-mode"), mixtures(modes, 2)),
        headers(named("sec-fetch-dest"), mixtures(bytes(["document", "empty", "websocket"]), 2)),
    )
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].concat())
}

/// The one value of a header, if it is there once and can be read.
fn one<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let mut values = asked.headers.iter().filter(|(of, _)| of == name);
    let (_, value) = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

#[test]
fn any_origin_host_and_forwarded_scheme() {
    let layers: [fn(SessionLayer) -> SessionLayer; 4] = [
        PLAIN,
        |layer| layer.with_same_site(SameSite::Strict),
        |layer| layer.with_allowed_origins(["https://app.example", "capacitor://localhost"]),
        |layer| layer.with_origin_predicate(|origin, _| origin.as_bytes().ends_with(b".example")),
    ];
    let addresses = ["/visit", "/who", HANDSHAKE, "http://app.example/socket.io/?EIO=4&transport=polling"];
    let inputs = move |_: &Stage| (select(addresses.to_vec()), any::<bool>(), origins()).boxed();
    whatever_comes(cases(), inputs, &layers, |stage, (address, shows, headers)| {
        let mut asked = get(address).with(headers);
        if *shows {
            asked = asked.header(header::COOKIE, &stage.owner);
        }
        let answer = stage.ask(&asked);
        is_sound(stage, &asked, &answer)?;
        if sid_of(&answer.body).is_some() {
            // Who is let in is no page, or one whose origin has something of a host that may.
            let origin = asked.headers.iter().find(|(name, _)| name == header::ORIGIN);
            let text = origin.map(|(_, origin)| String::from_utf8_lossy(origin.as_bytes()).to_lowercase());
            let hosts =
                [one(&asked, "host").unwrap_or_default(), ".example", "app.example", "capacitor://localhost"];
            let known = |text: &String| {
                hosts.iter().any(|host| {
                    let name = host.split(':').next().unwrap_or_default();
                    !name.is_empty() && text.contains(&name.to_lowercase())
                })
            };
            prop_assert!(text.as_ref().is_none_or(known), "let in: {text:?}");
            prop_assert!(one(&asked, "sec-fetch-mode") != Some("navigate"));
            prop_assert!(
                text.is_some() || !matches!(one(&asked, "sec-fetch-site"), Some("cross-site" | "same-site"))
            );
        }
        Ok(())
    });
}

/// Addresses of every form, most of them near those of Engine.IO.
fn addresses(stage: &Stage) -> impl Strategy<Value = Uri> + use<> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let path = texts(&[
        "/socket.io",
        "/socket.io/",
        "/",
        "//",
        "/..",
        "/.",
        "%2f",
        "%2e",
        "%00",
        "/SOCKET.IO",
        "socket.io",
        "/visit",
        "/who",
        "/shop",
        ";",
        "x",
        "/socket.io/default/",
        "/%73ocket.io/",
    ]);
    let of_owner = format!("sid={}", stage.sid);
    let query = texts(&[
        "EIO=4",
        "EIO=3",
        "EIO=",
        "EIO=4=x",
        "EIO=04",
        "eio=4",
        "transport=polling",
        "transport=websocket",
        "transport=",
        "transport=polling=x",
        "transport=Polling",
        "&",
        "&&",
        "=",
        "sid=",
        "sid",
        "SID=x",
        &of_owner,
        "sid=AAAAAAAAAAAAAAAA",
        "t=abc",
        "b64=1",
        "j=0",
        "%26",
        "%3D",
        "%",
        "+",
        "?",
        "/",
        "id=AAAAAAAAAAAAAAAAAAAAAA",
    ]);
    let pieces = |of: Vec<String>, most| {
        let piece =
            prop_oneof![6 => select(of), 1 => "[!-~]{0,12}".prop_map(|text| text.replace(['#', '?'], ""))];
        vec(piece, 0..most)
    };
    let start =
        prop_oneof![3 => Just("/socket.io/".to_owned()), 2 => pieces(path, 4).prop_map(|of| of.concat())];
    // What opens a connection, or nearly.
    let version = select(vec!["EIO=4", "EIO=4", "EIO=3", "EIO=4=x", "EIO=5", "EIO="]);
    let transport = select(vec![
        "transport=polling",
        "transport=polling",
        "transport=polling=x",
        "transport=websocket",
        "transport=websocket=",
        "transport=Polling",
    ]);
    let opening = (version, transport, any::<bool>()).prop_map(|(version, transport, is_first)| {
        if is_first { format!("?{version}&{transport}&") } else { format!("?{transport}&{version}&") }
    });
    let question = prop_oneof![4 => opening, 2 => Just("?".to_owned()), 1 => Just(String::new())];
    let origin = select(vec!["", "", "", "http://app.example", "https://evil.example"]);
    (origin, start, question, pieces(query, 7)).prop_filter_map(
        "no address",
        |(origin, path, question, query)| {
            let path = if path.starts_with('/') { path } else { format!("/{path}") };
            let query = if question.is_empty() { String::new() } else { query.join("&").replace("&&&", "&") };
            format!("{origin}{path}{question}{query}").parse().ok()
        },
    )
}

#[test]
fn any_path_and_query() {
    let methods =
        [Method::GET, Method::GET, Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::DELETE];
    let inputs = move |stage: &Stage| {
        (select(methods.to_vec()), addresses(stage), any::<bool>(), any::<bool>()).boxed()
    };
    // Most of them cost little.
    whatever_comes(
        short_or_long(6_000, 100_000),
        inputs,
        &[PLAIN],
        |stage, (method, uri, is_strangers, is_websocket)| {
            let mut asked = Asked { method: method.clone(), uri: uri.clone(), headers: vec![] };
            asked = asked.header(header::HOST, HOST);
            let origin = if *is_strangers { "https://stranger.example" } else { "https://app.example" };
            asked = asked.header(header::ORIGIN, origin).header("x-forwarded-proto", "https");
            if *is_websocket {
                asked = asked
                    .header(header::CONNECTION, "upgrade")
                    .header(header::UPGRADE, "websocket")
                    .header(header::SEC_WEBSOCKET_VERSION, "13")
                    .header(header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
            }
            let answer = stage.ask(&asked);
            is_sound(stage, &asked, &answer)?;
            let query = uri.query().unwrap_or_default();
            let named = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
            // With a `sid` it is an upgrade: Engine.IO switches protocols, and then ends what it does not know.
            let opens = sid_of(&answer.body).is_some() || (answer.status == 101 && named.is_none());
            prop_assert!(!is_strangers || answer.status != 101, "a stranger's page was let in");
            // Whatever Engine.IO opens, the layer has seen, and has begun a session for.
            prop_assert!(
                !opens || !is_strangers,
                "a stranger's page was let in: {} {}",
                answer.status,
                answer.body
            );
            prop_assert!(
                !opens || answer.set_cookies.len() == 1,
                "a connection without a session: {}",
                answer.status
            );
            // Nobody here shows the owner's cookie.
            let of_owner = named == Some(&*stage.sid);
            let on_path = uri.path() == "/socket.io" || uri.path().starts_with("/socket.io/");
            if of_owner && on_path && *method != Method::OPTIONS {
                prop_assert_eq!(answer.status, 403, "{}", answer.body);
            }
            Ok(())
        },
    );
}

/// All at once, as far as a request can hold it.
#[test]
fn anything_together() {
    let inputs = |stage: &Stage| (addresses(stage), origins(), cookies(stage)).boxed();
    whatever_comes(cases(), inputs, &[PLAIN], |stage, (uri, origins, cookies)| {
        // With the owner's own cookie a poll would wait for something to come.
        let is_poll = uri.query().is_some_and(|query| query.contains("sid="));
        let method = if is_poll { Method::POST } else { Method::GET };
        let asked = Asked { method, uri: uri.clone(), headers: vec![] }.with(origins).with(cookies);
        let answer = stage.ask(&asked);
        is_sound(stage, &asked, &answer)
    });
}
