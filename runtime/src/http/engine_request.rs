//! Which requests are Engine.IO's, and which of them open a connection.

use http::{Method, Request, header};

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

pub(super) fn classify<B>(request: &Request<B>, socket_path: &str) -> EngineRequest {
    if !is_below(request.uri().path(), socket_path) {
        return EngineRequest::No;
    }
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    if let Some(sid) = parameter("sid") {
        return EngineRequest::Of(sid.to_owned());
    }
    let transport = match parameter("transport") {
        Some("polling") => true,
        Some("websocket") => request.headers().contains_key(header::SEC_WEBSOCKET_KEY),
        _ => false,
    };
    let opens = request.method() == Method::GET && matches!(parameter("EIO"), Some("3" | "4")) && transport;
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
    use super::*;

    #[test]
    fn handshakes_and_others() {
        use EngineRequest::{Handshake, No, Of, Other};
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
        ] {
            let request = Request::builder().method(method).uri(uri).body(()).unwrap();
            assert_eq!(classify(&request, "/socket.io"), expected, "{method} {uri}");
        }
        assert_eq!(sid_of_open_packet(br#"0{"sid":"abc","upgrades":[]}"#), Some("abc"));
        assert_eq!(sid_of_open_packet(br#"97:0{"sid":"abc"}"#), Some("abc"));
        assert_eq!(sid_of_open_packet(br#"{"code":1}"#), None);
        let websocket = Request::builder()
            .uri("/socket.io/?EIO=4&transport=websocket")
            .header(header::SEC_WEBSOCKET_KEY, "x")
            .body(())
            .unwrap();
        assert_eq!(classify(&websocket, "/socket.io"), Handshake);
    }
}
