//! The state that all servers keep: ten fields, of which a write changes one.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Deserialize;
use socketioxide_session::session_state;

/// How much is in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Size {
    Small,
    /// That many bytes as JSON, most of them in one text.
    Text(usize),
    /// That many bytes as JSON, in a list and a map.
    Parts(usize),
}

impl Size {
    /// Those that servers are compared with.
    pub(crate) const ALL: [Self; 3] = [Self::Small, Self::Text(4096), Self::Parts(4096)];

    pub(crate) fn title(self) -> String {
        match self {
            Self::Small => "small".to_owned(),
            Self::Text(bytes) => format!("{}, one text", in_words(bytes)),
            Self::Parts(bytes) => format!("{}, {} parts", in_words(bytes), parts(bytes)),
        }
    }
}

/// What no command and no address says.
#[derive(Debug)]
pub(crate) struct NoSize;

impl fmt::Display for NoSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no size of a state")
    }
}

impl FromStr for Size {
    type Err = NoSize;

    fn from_str(name: &str) -> Result<Self, NoSize> {
        let (kind, bytes) = name.split_once('-').unwrap_or((name, "0"));
        let bytes = bytes.parse().map_err(|_| NoSize)?;
        match kind {
            "small" => Ok(Self::Small),
            "text" => Ok(Self::Text(bytes)),
            "parts" => Ok(Self::Parts(bytes)),
            _ => Err(NoSize),
        }
    }
}

impl TryFrom<String> for Size {
    type Error = NoSize;

    fn try_from(name: String) -> Result<Self, NoSize> {
        name.parse()
    }
}

/// Its name in commands and addresses.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Small => f.write_str("small"),
            Self::Text(bytes) => write!(f, "text-{bytes}"),
            Self::Parts(bytes) => write!(f, "parts-{bytes}"),
        }
    }
}

/// Of so many bytes.
pub(crate) fn in_words(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}

/// Each is 28 bytes as JSON.
fn parts(bytes: usize) -> usize {
    bytes.saturating_sub(64) / 28
}

macro_rules! state {
    ($(#[$attribute:meta])* $name:ident) => {
        #[session_state(key = "state")]
        $(#[$attribute])*
        pub(crate) struct $name {
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
    };
}

// As README shows states.
state!(State);
// A `Clone` is not used: this shows what that costs.
state!(
    #[derive(Clone)]
    StateWithClone
);

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
            Size::Text(bytes) => {
                state.note =
                    "One line of a note that somebody wrote.\n".repeat(bytes.saturating_sub(176) / 40);
            }
            Size::Parts(bytes) => {
                let tags = parts(bytes) * 4 / 9;
                let lines = u32::try_from(parts(bytes) - tags).unwrap_or(u32::MAX);
                state.tags = (0..tags).map(|number| format!("a tag of some length, {number:02}")).collect();
                state.cart = (0..lines).map(|number| (format!("an-article-{number:010}"), number)).collect();
            }
        }
        state
    }
}

impl StateWithClone {
    pub(crate) fn of(size: Size) -> Self {
        let State { count, name, email, language, dark, seen, scale, tags, cart, note } = State::of(size);
        Self { count, name, email, language, dark, seen, scale, tags, cart, note }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_they_are_called() {
        let size = |size| serde_json::to_string(&State::of(size)).unwrap().len();
        assert!((100..200).contains(&size(Size::Small)), "{}", size(Size::Small));
        for bytes in [1 << 10, 1 << 12, 1 << 16, 1 << 20] {
            for state in [Size::Text(bytes), Size::Parts(bytes)] {
                let size = size(state);
                assert!(size.abs_diff(bytes) < bytes / 6, "{state}: {size}");
            }
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for size in Size::ALL {
            assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
        assert!("text-".parse::<Size>().is_err());
        assert!("large".parse::<Size>().is_err());
    }
}
