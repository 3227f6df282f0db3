//! Socket.IO's packets as text, in both directions.

use std::fmt;

use serde_json::Value;

/// A packet of the Socket.IO protocol. Its `Display` is the frame that carries it, Engine.IO's `4` included.
///
/// ```
/// use serde_json::json;
/// use socketioxide_session::testing::Packet;
///
/// let packet = Packet::event("/shop", Some(7), "add", &[json!("apple")]);
/// assert_eq!(packet.to_string(), r#"42/shop,7["add","apple"]"#);
/// assert_eq!(Packet::parse(r#"42/shop,7["add","apple"]"#), Some(packet));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "fields that are named as in the protocol")]
pub enum Packet {
    /// Asks for a namespace, with what authenticates the client; or is the server's consent, with the socket's `sid`.
    Connect { namespace: String, data: Value },
    /// Ends a namespace.
    Disconnect { namespace: String },
    /// An event; with the number of the acknowledgement that it asks for.
    Event { namespace: String, id: Option<u64>, name: String, args: Vec<Value> },
    /// An acknowledgement.
    Ack { namespace: String, id: u64, args: Vec<Value> },
    /// The server's refusal of a namespace: an object with a `message`.
    ConnectError { namespace: String, data: Value },
}

impl Packet {
    /// The packet that joins a namespace.
    pub fn connect(namespace: &str) -> Self {
        Self::Connect { namespace: namespace.to_owned(), data: Value::Null }
    }

    /// An event.
    pub fn event(namespace: &str, id: Option<u64>, name: &str, args: &[Value]) -> Self {
        Self::Event { namespace: namespace.to_owned(), id, name: name.to_owned(), args: args.to_vec() }
    }

    /// The packet in a text frame; `None` if it carries none: it is Engine.IO's own, or malformed.
    ///
    /// Of a packet with binary attachments, the text is read: their placeholders stand in it.
    pub fn parse(frame: &str) -> Option<Self> {
        let mut rest = frame.strip_prefix('4')?.chars();
        let kind = rest.next()?;
        let mut rest = rest.as_str();
        if matches!(kind, '5' | '6') {
            rest = rest.split_once('-')?.1;
        }
        let (namespace, rest) = match rest.split_once(',') {
            Some((namespace, rest)) if namespace.starts_with('/') => (namespace, rest),
            _ if rest.starts_with('/') => (rest, ""),
            _ => ("/", rest),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, body) = rest.split_at(digits);
        let id = if number.is_empty() { None } else { Some(number.parse().ok()?) };
        let data = if body.is_empty() { Value::Null } else { serde_json::from_str(body).ok()? };
        let namespace = namespace.to_owned();
        Some(match (kind, data) {
            ('0', data) => Self::Connect { namespace, data },
            ('1', _) => Self::Disconnect { namespace },
            ('2' | '5', Value::Array(args)) => {
                let mut args = args.into_iter();
                let Some(Value::String(name)) = args.next() else { return None };
                Self::Event { namespace, id, name, args: args.collect() }
            }
            ('3' | '6', Value::Array(args)) => Self::Ack { namespace, id: id?, args },
            ('4', data) => Self::ConnectError { namespace, data },
            _ => return None,
        })
    }

    /// The namespace that it is for.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Connect { namespace, .. }
            | Self::Disconnect { namespace }
            | Self::Event { namespace, .. }
            | Self::Ack { namespace, .. }
            | Self::ConnectError { namespace, .. } => namespace,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Connect { .. } => 0,
            Self::Disconnect { .. } => 1,
            Self::Event { .. } => 2,
            Self::Ack { .. } => 3,
            Self::ConnectError { .. } => 4,
        };
        write!(f, "4{kind}")?;
        match self.namespace() {
            "/" => {}
            namespace => write!(f, "{namespace},")?,
        }
        match self {
            Self::Disconnect { .. } | Self::Connect { data: Value::Null, .. } => Ok(()),
            Self::Connect { data, .. } | Self::ConnectError { data, .. } => write!(f, "{data}"),
            Self::Event { id, name, args, .. } => {
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                let all: Value = [Value::from(&**name)].into_iter().chain(args.iter().cloned()).collect();
                write!(f, "{id}{all}")
            }
            Self::Ack { id, args, .. } => write!(f, "{id}{}", Value::from(&**args)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn packets_are_written_and_read_as_the_protocol_says() {
        let of = |namespace: &str| namespace.to_owned();
        for (frame, packet) in [
            ("40", Packet::connect("/")),
            ("40/shop,", Packet::connect("/shop")),
            (r#"40{"sid":"a"}"#, Packet::Connect { namespace: of("/"), data: json!({"sid": "a"}) }),
            ("41/shop,", Packet::Disconnect { namespace: of("/shop") }),
            (r#"42["add",1]"#, Packet::event("/", None, "add", &[json!(1)])),
            (r#"42/shop,7["add"]"#, Packet::event("/shop", Some(7), "add", &[])),
            (r#"42["a",{"b":[1,2]}]"#, Packet::event("/", None, "a", &[json!({"b": [1, 2]})])),
            ("43/shop,12[null]", Packet::Ack { namespace: of("/shop"), id: 12, args: vec![Value::Null] }),
            ("430[]", Packet::Ack { namespace: of("/"), id: 0, args: vec![] }),
            (
                r#"44{"message":"no, never"}"#,
                Packet::ConnectError { namespace: of("/"), data: json!({"message": "no, never"}) },
            ),
        ] {
            assert_eq!(packet.to_string(), frame);
            assert_eq!(Packet::parse(frame), Some(packet), "{frame}");
        }
    }

    #[test]
    fn what_is_no_packet_is_none() {
        for frame in ["", "2", "6", "4", "42", "42{}", "42[1]", "43[1]", "42[", "49", "43a[]", "4é", "45[]"]
        {
            assert_eq!(Packet::parse(frame), None, "{frame}");
        }
    }

    #[test]
    fn a_packet_with_attachments_is_read_without_them() {
        let placeholder = json!({"_placeholder": true, "num": 0});
        let frame = format!(r#"451-/shop,["file",{placeholder}]"#);
        assert_eq!(Packet::parse(&frame), Some(Packet::event("/shop", None, "file", &[placeholder])));
    }
}
