//! Which requests are Engine.IO's, and which of them open a connection.

use std::borrow::Cow;

use http::{Method, header, request::Parts};

/// What a request is to Socket.IO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EngineRequest {
    /// Not for the Socket.IO path.
    No,
    /// It opens a connection.
    Handshake,
    /// It is about the connection with this `sid`: a poll, a post, an upgrade.
    Of(String),
    /// It is nonsense on the Socket.IO path.
    Other,
}

/// As engineioxide reads it: what it takes for a handshake must be one here.
pub(super) fn classify(request: &Parts, socket_paths: &[Cow<'static, str>]) -> EngineRequest {
    let path = request.uri.path();
    // A preflight carries no cookie: it is answered by whoever answers CORS.
    if request.method == Method::OPTIONS || !socket_paths.iter().any(|of| is_below(path, of)) {
        return EngineRequest::No;
    }
    let query = request.uri.query().unwrap_or_default();
    let parameter = |start: &str| query.split('&').find_map(|pair| pair.strip_prefix(start));
    let word = |start: &str| parameter(start).and_then(|value| value.split('=').next());
    if let Some(sid) = parameter("sid=") {
        return EngineRequest::Of(sid.to_owned());
    }
    let transport = match word("transport=") {
        Some("polling") => true,
        Some("websocket") => request.headers.contains_key(header::SEC_WEBSOCKET_KEY),
        _ => false,
    };
    let opens = request.method == Method::GET && matches!(word("EIO="), Some("3" | "4")) && transport;
    if opens { EngineRequest::Handshake } else { EngineRequest::Other }
}

/// The `sid` in the body that answers a handshake by polling.
pub(super) fn sid_of_open_packet(body: &[u8]) -> Option<&str> {
    let (_, rest) = std::str::from_utf8(body).ok()?.split_once("\"sid\":\"")?;
    rest.split_once('"').map(|(sid, _)| sid)
}

/// As engineioxide decides it.
fn is_below(path: &str, socket_path: &str) -> bool {
    path.strip_prefix(socket_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || socket_path.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn handshakes_and_others() {
        use EngineRequest::{Handshake, No, Of, Other};
        let paths = ["/socket.io".into(), "/chat".into()];
        for (method, uri, expected) in [
            ("GET", "/socket.io/?EIO=4&transport=polling", Handshake),
            ("GET", "/socket.io?EIO=3&transport=polling&t=abc", Handshake),
            ("GET", "/socket.io/?EIO=4&transport=websocket", Other),
            ("GET", "/socket.io/?EIO=4&transport=polling&sid=AAAA", Of("AAAA".to_owned())),
            ("POST", "/socket.io/?sid=AAAA&sid=BBBB", Of("AAAA".to_owned())),
            ("POST", "/socket.io/?EIO=4&transport=polling", Other),
            ("GET", "/socket.io/", Other),
            ("GET", "/socket.io/?EIO=5&transport=polling", Other),
            ("GET", "/socket.iox/?EIO=4&transport=polling", No),
            ("GET", "/", No),
            ("OPTIONS", "/socket.io/?EIO=4&transport=polling&sid=AAAA", No),
            ("GET", "/chat?EIO=4&transport=polling", Handshake),
            ("GET", "/chat/socket.io?EIO=4&transport=polling", Handshake),
            ("GET", "/chats?EIO=4&transport=polling", No),
            // Whatever engineioxide opens, too.
            ("GET", "/socket.io/?transport=polling=x&EIO=4=y", Handshake),
            ("GET", "/socket.io/?t=1&EIO=4&EIO=5&transport=polling&transport=x", Handshake),
            ("GET", "/socket.io/?xEIO=4&transport=polling", Other),
            ("GET", "/socket.io/?eio=4&transport=polling", Other),
            ("GET", "/socket.io/?EIO=4&transport=Polling", Other),
        ] {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
            assert_eq!(classify(&request, &paths), expected, "{method} {uri}");
        }
        assert_eq!(sid_of_open_packet(br#"0{"sid":"abc","upgrades":[]}"#), Some("abc"));
        assert_eq!(sid_of_open_packet(br#"97:0{"sid":"abc"}"#), Some("abc"));
        assert_eq!(sid_of_open_packet(br#"{"code":1}"#), None);
        let websocket = Request::builder()
            .uri("/socket.io/?EIO=4&transport=websocket")
            .header(header::SEC_WEBSOCKET_KEY, "x")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        assert_eq!(classify(&websocket, &paths), Handshake);
    }
}
