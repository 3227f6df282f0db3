//! What has come over a connection and nobody has asked for yet.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::packet::Packet;

#[derive(Debug, Default)]
pub(super) struct Inbox(watch::Sender<Contents>);

#[derive(Debug, Default)]
struct Contents {
    /// In the order of their arrival.
    packets: VecDeque<Packet>,
    /// So many at the front came before one that was asked for.
    overtaken: usize,
    /// Why the connection has ended.
    ended: Option<String>,
}

impl Contents {
    fn take(&mut self, wanted: impl Fn(&Packet) -> bool) -> Option<Packet> {
        let at = self.packets.iter().position(wanted)?;
        self.overtaken = if at < self.overtaken { self.overtaken - 1 } else { at };
        self.packets.remove(at)
    }

    fn why_ended(&self, namespace: Option<&str>) -> Option<String> {
        let is_end = |packet: &Packet| match packet {
            Packet::Disconnect { namespace: of } => Some(&**of) == namespace,
            _ => false,
        };
        let of_namespace =
            self.packets.iter().any(is_end).then(|| "the server has ended the namespace".to_owned());
        of_namespace.or_else(|| self.ended.clone())
    }
}

impl Inbox {
    pub(super) fn deliver(&self, packet: Packet) {
        self.0.send_modify(|contents| contents.packets.push_back(packet));
    }

    /// Nothing more comes.
    pub(super) fn end(&self, why: String) {
        self.0.send_modify(|contents| contents.ended = Some(why));
    }

    /// What a namespace's former life has left goes.
    pub(super) fn forget(&self, namespace: &str) {
        self.0.send_modify(|contents| {
            contents.packets.retain(|packet| packet.namespace() != namespace);
            contents.overtaken = 0;
        });
    }

    /// The first packet that is wanted. `Err`: why it will not come, as the connection, or the namespace that it is to
    /// come from, has ended.
    pub(super) async fn take(
        &self,
        namespace: Option<&str>,
        wanted: impl Fn(&Packet) -> bool,
    ) -> Result<Packet, String> {
        // From before the first look: so that nothing is missed that comes after it.
        let mut changes = self.0.subscribe();
        loop {
            let mut outcome = None;
            self.0.send_if_modified(|contents| {
                let found = contents.take(&wanted).map(Ok);
                outcome = found.or_else(|| contents.why_ended(namespace).map(Err));
                false
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
            // It cannot fail: the sender is ours.
            changes.changed().await.ok();
        }
    }

    /// What came before a packet that was taken, and is still here.
    pub(super) fn overtaken(&self) -> Vec<Packet> {
        let contents = self.0.borrow();
        contents.packets.iter().take(contents.overtaken).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Packet {
        Packet::event("/", None, name, &[])
    }

    #[test]
    fn what_came_before_a_packet_that_was_taken_is_told_apart() {
        let inbox = Inbox::default();
        let names = ["a", "b", "c", "d"];
        for name in names {
            inbox.deliver(event(name));
        }
        let take = |name| inbox.0.send_if_modified(|contents| contents.take(|p| *p == event(name)).is_some());
        assert!(take("c"));
        assert_eq!(inbox.overtaken(), [event("a"), event("b")]);
        assert!(take("a"));
        assert_eq!(inbox.overtaken(), [event("b")]);
        assert!(take("d"));
        assert_eq!(inbox.overtaken(), [event("b")]);
        assert!(take("b"));
        assert_eq!(inbox.overtaken(), []);
    }

    #[tokio::test]
    async fn an_end_is_heard_after_what_came_before_it() {
        let inbox = Inbox::default();
        inbox.deliver(event("a"));
        inbox.deliver(Packet::Disconnect { namespace: "/".to_owned() });
        inbox.deliver(Packet::event("/shop", None, "b", &[]));
        assert_eq!(inbox.take(Some("/"), |packet| *packet == event("a")).await, Ok(event("a")));
        assert!(inbox.take(Some("/"), |packet| *packet == event("a")).await.is_err());
        inbox.forget("/");
        inbox.end("over".to_owned());
        assert_eq!(inbox.take(Some("/"), |_| false).await, Err("over".to_owned()));
        assert!(inbox.take(None, |_| true).await.is_ok());
    }
}
