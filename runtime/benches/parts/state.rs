//! States of ten fields, of which one changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use socketioxide_session::{SessionState, session_state};

/// Ten fields of `std` types.
#[session_state(key = "state")]
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) count: u64,
    name: String,
    email: Option<String>,
    language: String,
    dark: bool,
    seen: Option<u64>,
    scale: f64,
    tags: Vec<String>,
    cart: BTreeMap<String, u32>,
    note: String,
}

/// The same, but not `Clone`: it is decoded for each writer.
#[session_state(key = "state")]
pub(crate) struct NotClone {
    count: u64,
    name: String,
    email: Option<String>,
    language: String,
    dark: bool,
    seen: Option<u64>,
    scale: f64,
    tags: Vec<String>,
    cart: BTreeMap<String, u32>,
    note: String,
}

/// With a type of the user's own, which is compared by what it serialises to.
#[session_state(key = "state")]
#[derive(Clone)]
pub(crate) struct OwnType {
    count: u64,
    name: String,
    email: Option<String>,
    language: String,
    dark: bool,
    seen: Option<u64>,
    scale: f64,
    tags: Vec<String>,
    cart: Vec<Line>,
    note: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Line {
    article: String,
    number: u32,
}

/// What is in a state.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    Small,
    /// 4 KiB, most of it in one text.
    Text,
    /// 4 KiB in a list and a map.
    Parts,
}

pub(crate) const CONTENTS: [Content; 3] = [Content::Small, Content::Text, Content::Parts];

/// A state of any of the types above.
pub(crate) trait Countable: SessionState {
    fn of(content: Content) -> Self;
    fn count_up(&mut self);
}

fn note(content: Content) -> String {
    let lines = if matches!(content, Content::Text) { 98 } else { 0 };
    "One line of a note that somebody wrote.\n".repeat(lines)
}

fn tags(content: Content) -> Vec<String> {
    let tags = if matches!(content, Content::Parts) { 64 } else { 0 };
    (0..tags).map(|number| format!("a tag of some length, {number:02}")).collect()
}

fn cart(content: Content) -> impl Iterator<Item = (String, u32)> {
    let lines = if matches!(content, Content::Parts) { 80 } else { 0 };
    (0..lines).map(|number| (format!("an-article-{number:010}"), number))
}

macro_rules! countable {
    ($state:ident, $line:expr) => {
        impl Countable for $state {
            fn of(content: Content) -> Self {
                Self {
                    name: "Ada Lovelace".to_owned(),
                    email: Some("ada@example.com".to_owned()),
                    language: "en".to_owned(),
                    scale: 1.5,
                    tags: tags(content),
                    cart: cart(content).map($line).collect(),
                    note: note(content),
                    ..Self::default()
                }
            }

            fn count_up(&mut self) {
                self.count += 1;
            }
        }
    };
}

countable!(State, |line| line);
countable!(NotClone, |line| line);
countable!(OwnType, |(article, number)| Line { article, number });
