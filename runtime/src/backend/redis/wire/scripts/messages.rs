//! What the scripts publish to nodes, and what they leave in place of a session that ended.

use redis::ParsingError;
use time::OffsetDateTime;

use super::call::Answer;
use crate::backend::{Ending, HiddenId, redis::wire::millis};

/// What a node publishes to itself, to know that it would hear others.
pub(crate) const HEARTBEAT: &str = "h";

/// A message to all nodes, or to one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A session ended or changed its id; `node` did it.
    Ended { ending: Ending, node: &'a str, hidden: HiddenId },
    /// A session expires sooner than nodes may know.
    ExpiresSooner { hidden: HiddenId, expires: OffsetDateTime },
    /// `node` has committed to a session that goes on.
    Committed { node: &'a str, hidden: HiddenId },
    /// The turns of the call with this ticket may have come.
    Wake { ticket: &'a str },
}

impl<'a> Message<'a> {
    /// `None` of a heartbeat, and of what other programs publish.
    pub(crate) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let word = words.next()?;
        match word {
            "X" => {
                let (_node, hidden, moment) = (words.next()?, HiddenId::parse(words.next()?)?, words.next()?);
                Some(Self::ExpiresSooner { hidden, expires: millis::moment(moment.as_bytes())? })
            }
            "L" => Some(Self::Committed { node: words.next()?, hidden: HiddenId::parse(words.next()?)? }),
            "w" => Some(Self::Wake { ticket: words.next()? }),
            _ => {
                let ending = ending_of(word)?;
                let (node, hidden) = (words.next()?, HiddenId::parse(words.next()?)?);
                Some(Self::Ended { ending, node, hidden })
            }
        }
    }
}

/// How a session ended, for some seconds after it did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tombstone {
    pub(crate) ending: Ending,
    /// The node that ended it.
    pub(crate) node: String,
}

impl Tombstone {
    /// What stands under the tombstone's key. The commit's token follows, for the script.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(text).ok()?.split(' ');
        let (ending, node) = (ending_of(words.next()?)?, words.next()?.to_owned());
        words.next()?;
        Some(Self { ending, node })
    }

    pub(super) fn take_from(answer: &mut Answer) -> Result<Option<Self>, ParsingError> {
        let text: Option<Vec<u8>> = answer.take()?;
        Ok(text.and_then(|text| Self::parse(&text)))
    }
}

fn ending_of(word: &str) -> Option<Ending> {
    match word {
        "E" => Some(Ending::Ended),
        "C" => Some(Ending::IdChanged),
        "R" => Some(Ending::Revoked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::SessionId;

    #[test]
    fn what_nodes_hear() {
        let (ending, expires) = (Ending::IdChanged, OffsetDateTime::UNIX_EPOCH);
        let hidden = SessionId::random().hidden();
        let parse = |text: &str| format!("{:?}", Message::parse(text.as_bytes()));
        let ended = Some(Message::Ended { ending, node: "node", hidden });
        assert_eq!(parse(&format!("C node {hidden}")), format!("{ended:?}"));
        let sooner = Some(Message::ExpiresSooner { hidden, expires });
        assert_eq!(parse(&format!("X node {hidden} 0")), format!("{sooner:?}"));
        let committed = Some(Message::Committed { node: "node", hidden });
        assert_eq!(parse(&format!("L node {hidden}")), format!("{committed:?}"));
        assert_eq!(Message::parse(b"w call"), Some(Message::Wake { ticket: "call" }));
        let tombstone = Tombstone { ending: Ending::Ended, node: "n".to_owned() };
        assert_eq!(Tombstone::parse(b"E n t"), Some(tombstone));
        for nonsense in
            ["", "E", "E n", "E n abc", "Y n t", "X n t", "X n t soon", "L", "L n", "L n t", "w", HEARTBEAT]
        {
            assert_eq!(Message::parse(nonsense.as_bytes()), None);
        }
        for nonsense in ["", "E", "E n", "Y n t", "X n t", "w", HEARTBEAT] {
            assert_eq!(Tombstone::parse(nonsense.as_bytes()), None);
        }
    }
}
