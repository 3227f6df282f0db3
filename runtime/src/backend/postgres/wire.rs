//! What travels between this process and PostgreSQL: the statements, the names of nodes, calls and sessions, and what
//! nodes tell each other.

use std::time::Duration;

use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::{link::Link, schema::Schema};
use crate::{
    backend::{Ending, aliases::Aliases, millis},
    session::id::{HiddenId, SessionId},
};

/// The connections of this node, and the names by which it and its sessions go there.
pub(super) struct Wire {
    pub(super) link: Link,
    /// This process's name among the others.
    pub(super) node: String,
    pub(super) statements: Statements,
    aliases: Aliases,
}

impl Wire {
    pub(super) fn new(link: Link) -> Self {
        let statements = Statements::new(&link.schema);
        Self { node: format!("{:016x}", unique()), link, statements, aliases: Aliases::default() }
    }

    /// What stands for a session there.
    pub(super) fn hidden(&self, id: SessionId) -> HiddenId {
        self.stands_for(id).unwrap_or_else(|| id.hidden())
    }

    /// The session for which this id stands here, if it is not a session's own.
    pub(super) fn stands_for(&self, id: SessionId) -> Option<HiddenId> {
        self.aliases.session(id)
    }

    /// The id that stands for a session here whose own is not known.
    pub(super) fn alias(&self, hidden: HiddenId) -> SessionId {
        self.aliases.of(hidden)
    }
}

/// The name of a node, a call or a commit.
#[allow(clippy::cast_possible_truncation, reason = "the low bits are as good as any")]
pub(super) fn unique() -> i64 {
    Id::default().0 as i64
}

/// A span.
pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(millis::span(duration)).unwrap_or(i64::MAX)
}

/// A moment in milliseconds since 1970.
pub(super) fn since_1970(moment: OffsetDateTime) -> i64 {
    i64::try_from(millis::since_1970(moment)).unwrap_or(i64::MAX)
}

/// The moment that was written so.
pub(super) fn moment(milliseconds: i64) -> Option<OffsetDateTime> {
    millis::moment(milliseconds.to_string().as_bytes())
}

/// What is sent, with the name of the schema in it.
pub(super) struct Statements {
    pub(super) read: String,
    pub(super) ending: String,
    pub(super) take: String,
    pub(super) commit: String,
    pub(super) release: String,
    pub(super) renew: String,
    pub(super) find: String,
    pub(super) owned: String,
    pub(super) follow: String,
    pub(super) follow_all: String,
    pub(super) unfollow: String,
    pub(super) beat: String,
    pub(super) look: String,
    pub(super) tidy: String,
}

impl Statements {
    fn new(schema: &Schema) -> Self {
        let name = |text| schema.name_in(text);
        Self {
            read: name(
                "SELECT s.lasting, s.expiry, s.provisional, s.expires, s.owner, s.label, v.keys, v.vals \
                 FROM {s}.sessions s LEFT JOIN LATERAL (\
                   SELECT array_agg(v.key) AS keys, array_agg(v.value) AS vals FROM {s}.values v \
                   WHERE v.number = s.number AND ($2::bytea[] IS NULL OR v.key = ANY ($2::bytea[]))\
                 ) v ON true WHERE s.hidden = $1 AND s.expires > {s}.now_ms()",
            ),
            ending: name("SELECT kind, node FROM {s}.endings WHERE hidden = $1 AND until > {s}.now_ms()"),
            take: name("SELECT * FROM {s}.take($1, $2, $3, $4, $5, $6, $7)"),
            commit: name(
                "SELECT * FROM {s}.commit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
                 $18, $19, $20, $21, $22, $23, $24, $25, $26)",
            ),
            release: name("SELECT {s}.release($1, $2, $3)"),
            renew: name("SELECT {s}.renew($1, $2, $3)"),
            find: name(
                "SELECT hidden FROM {s}.sessions WHERE public_key = $1 AND expires > {s}.now_ms() LIMIT 1",
            ),
            owned: name(
                "SELECT public_key, since FROM {s}.sessions WHERE sha256(owner) = sha256($1) AND owner = $1 \
                 AND expires > {s}.now_ms() ORDER BY since DESC, number DESC OFFSET $2 LIMIT $3",
            ),
            // A commit that is under way did not see the follower: whoever loads after this must see that commit. So they
            // wait for it; and those that come wait for this.
            follow: name(
                "WITH noted AS (INSERT INTO {s}.followers (hidden, node) VALUES ($1, $2) ON CONFLICT DO NOTHING) \
                 SELECT commits FROM {s}.sessions WHERE hidden = $1 AND expires > {s}.now_ms() FOR SHARE",
            ),
            follow_all: name(
                "WITH noted AS (\
                   INSERT INTO {s}.followers (hidden, node) SELECT hidden, $2 FROM unnest($1::bytea[]) hidden \
                   ON CONFLICT DO NOTHING\
                 ), settled AS (SELECT FROM {s}.sessions WHERE hidden = ANY ($1) FOR SHARE) \
                 SELECT count(*) FROM settled",
            ),
            unfollow: name("DELETE FROM {s}.followers WHERE hidden = $1 AND node = $2"),
            beat: name("SELECT {s}.beat($1, $2)"),
            look: name(
                "SELECT a.hidden, s.expires, s.commits, e.kind, e.node FROM unnest($1::bytea[]) a (hidden) \
                 LEFT JOIN {s}.sessions s ON s.hidden = a.hidden AND s.expires > {s}.now_ms() \
                 LEFT JOIN {s}.endings e ON e.hidden = a.hidden",
            ),
            tidy: name("SELECT {s}.tidy($1)"),
        }
    }
}

/// A message to all nodes, or to one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A session ended or changed its id; `node` did it.
    Ended { ending: Ending, node: &'a str, hidden: HiddenId },
    /// A session expires sooner than nodes may know.
    ExpiresSooner { hidden: HiddenId, expires: OffsetDateTime },
    /// `node` has committed to a session that goes on.
    Committed { node: &'a str, hidden: HiddenId },
    /// The turns of the call with this ticket may have come.
    Wake { ticket: i64 },
}

impl<'a> Message<'a> {
    /// `None` of what other programs say.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut words = text.split(' ');
        let word = words.next()?;
        if word == "w" {
            return Some(Self::Wake { ticket: words.next()?.parse().ok()? });
        }
        let (node, hidden) = (words.next()?, HiddenId::parse(words.next()?)?);
        match word {
            "X" => Some(Self::ExpiresSooner { hidden, expires: moment(words.next()?.parse().ok()?)? }),
            "L" => Some(Self::Committed { node, hidden }),
            _ => Some(Self::Ended { ending: ending_of(word)?, node, hidden }),
        }
    }
}

/// How a session ended, by the letter that stands for it.
pub(super) fn ending_of(kind: &str) -> Option<Ending> {
    match kind {
        "E" => Some(Ending::Ended),
        "C" => Some(Ending::IdChanged),
        "R" => Some(Ending::Revoked),
        _ => None,
    }
}
