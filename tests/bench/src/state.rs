//! The state that all servers keep: ten fields, of which a write changes one.

use std::collections::BTreeMap;

use serde::Deserialize;
use socketioxide_session::session_state;

/// How much is in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Size {
    Small,
    /// 4 KiB, most of it in one text.
    Text,
    /// 4 KiB in a list and a map.
    Parts,
}

impl Size {
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Text, Self::Parts];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Text => "text",
            Self::Parts => "parts",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Text => "4 KiB, one text",
            Self::Parts => "4 KiB, 144 parts",
        }
    }
}

#[session_state(key = "state")]
#[derive(Clone)]
pub(crate) struct State {
    pub count: u64,
    pub name: String,
    pub email: Option<String>,
    pub language: String,
    pub dark: bool,
    pub seen: Option<u64>,
    pub scale: f64,
    pub tags: Vec<String>,
    pub cart: BTreeMap<String, u32>,
    pub note: String,
}

impl State {
    pub(crate) fn of(size: Size) -> Self {
        let mut state = Self {
            name: "Ada Lovelace".to_owned(),
            email: Some("ada@example.com".to_owned()),
            language: "en".to_owned(),
            scale: 1.5,
            ..Self::default()
        };
        match size {
            Size::Small => {}
            Size::Text => state.note = "One line of a note that somebody wrote.\n".repeat(98),
            Size::Parts => {
                state.tags = (0..64).map(|number| format!("a tag of some length, {number:02}")).collect();
                state.cart = (0..80).map(|number| (format!("an-article-{number:010}"), number)).collect();
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_they_are_called() {
        let size = |size| serde_json::to_string(&State::of(size)).unwrap().len();
        assert!((100..200).contains(&size(Size::Small)), "{}", size(Size::Small));
        assert!((4000..4200).contains(&size(Size::Text)), "{}", size(Size::Text));
        assert!((4000..4200).contains(&size(Size::Parts)), "{}", size(Size::Parts));
    }
}
