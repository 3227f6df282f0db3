//! `#[session_state]` in every form.

use core::{marker::PhantomData, time::Duration};
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use socketioxide_session::{session_state, session_value};

/// Nothing but the attribute.
#[session_state]
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it is about the attribute")]
pub struct User {
    /// A field of any visibility.
    pub name: Option<String>,
    /// Another.
    pub visits: u64,
    /// A third.
    pub(crate) seen: Vec<u64>,
}

impl User {
    /// A state is a struct as any other.
    pub(crate) fn see(&mut self) -> usize {
        self.seen.push(self.visits);
        self.seen.len()
    }
}

/// An attribute with parentheses and nothing in them.
#[session_state()]
pub(crate) struct Empty {}

/// A key, first values, and derives below.
#[session_state(key = "settings")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Settings {
    /// A first value that is made at run time.
    #[session(default = String::from("en"))]
    pub(crate) language: String,
    /// One that is computed.
    #[session(default = Self::SMALLEST.max(12))]
    pub(crate) size: u8,
    /// One that a block gives, with a comma after it.
    #[session(default = {
        let (width, height) = (80, 25);
        i32::min(width, height)
    },)]
    pub(crate) cells: i32,
    /// The type's own.
    pub(crate) theme: Theme,
}

impl Settings {
    /// A constant that a first value names.
    const SMALLEST: u8 = 8;
}

/// The type of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Theme {
    /// As paper.
    #[default]
    Light,
    /// As the night.
    Dark,
}

/// A key with a comma after it; the user's own derives, which the attribute completes or takes over.
#[session_state(key = "derived")]
#[derive(Serialize, Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Derived {
    /// A field.
    pub(crate) last_visit: u64,
}

/// Half of the user's own derives, by a path.
#[session_state]
#[derive(::serde::Deserialize)]
pub(crate) struct HalfDerived {
    /// A field.
    pub(crate) last_visit: u64,
}

/// What serde can do with fields.
#[session_state]
#[serde(rename_all = "camelCase")]
pub(crate) struct Renamed {
    /// Another name.
    #[serde(rename = "n", alias = "name")]
    pub(crate) name: String,
    /// Not always there.
    #[serde(default)]
    pub(crate) cached: Option<u8>,
    /// Not always stored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<String>,
    /// Stored by functions.
    #[serde(with = "seconds")]
    pub(crate) age: Duration,
    /// A first value of ours.
    #[session(default = one())]
    pub(crate) one: u8,
    /// Stored beside the others.
    #[serde(flatten)]
    pub(crate) rest: BTreeMap<String, u32>,
}

/// The first value of a field.
const fn one() -> u8 {
    1
}

/// A duration as seconds.
mod seconds {
    use core::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes.
    pub(super) fn serialize<S: Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(age.as_secs())
    }

    /// Reads.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// Attributes and fields that depend on the configuration.
#[cfg(any(unix, not(unix)))]
#[session_state]
#[cfg_attr(any(unix, not(unix)), derive(Debug, Default))]
#[cfg_attr(any(unix, not(unix)), serde(rename_all = "camelCase"))]
pub(crate) struct Conditional {
    /// Here.
    #[cfg(unix)]
    pub(crate) user: u32,
    /// Or there.
    #[cfg(not(unix))]
    #[session(default = String::from("S-1-5-18"))]
    pub(crate) user: String,
    /// Everywhere, with another name in places.
    #[cfg_attr(unix, serde(rename = "dir"))]
    pub(crate) directory: String,
}

/// Types that have little: no `Clone`, no `Debug`, a name that is a keyword.
#[session_state]
pub(crate) struct Types {
    /// A keyword.
    pub(crate) r#type: String,
    /// A phantom.
    pub(crate) phantom: PhantomData<fn() -> u8>,
    /// An array, a tuple, a function pointer's result.
    pub(crate) arrays: ([u8; 32], (u8, (i64, f64), char)),
    /// Itself.
    pub(crate) parent: Option<Box<Self>>,
    /// A path from the root.
    pub(crate) map: HashMap<String, Opaque>,
}

/// A type that is stored and does nothing else.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Opaque(u8);

/// A field that goes.
#[session_state]
#[non_exhaustive]
#[derive(Debug)]
pub struct Changing {
    /// Gone soon.
    #[deprecated = "use `name`"]
    pub nick: Option<String>,
    /// Come lately.
    pub name: Option<String>,
}

/// A state that goes.
#[deprecated = "use `User`"]
#[session_state(key = "account")]
#[non_exhaustive]
#[derive(Debug)]
pub struct Account {
    /// A field.
    pub name: Option<String>,
}

/// States that a macro writes.
macro_rules! states {
    ($($(#[$attribute:meta])* $vis:vis $name:ident { $($field:ident: $ty:ty = $default:expr_2021),* })*) => {
        $(
            $(#[$attribute])*
            #[session_state]
            $vis struct $name {
                $(
                    /// A field.
                    #[session(default = $default)]
                    pub(crate) $field: $ty
                ),*
            }
        )*
    };
}

states! {
    /// One.
    pub(crate) First { value: u8 = 1 }
    /// Another.
    #[derive(Clone)]
    pub(crate) Second { value: Option<u8> = Some(2), other: String = String::new() }
}

/// A state known in a function only.
#[must_use]
pub fn in_a_function() -> u8 {
    #[session_state]
    struct Local {
        #[session(default = 3)]
        value: u8,
    }
    Local::default().value
}

/// All of the crate's, as they are where nothing is stored.
#[must_use]
pub fn all() -> [bool; 10] {
    [
        Settings::default() == Settings { theme: Theme::Dark, ..Settings::default() },
        Derived::default().last_visit > 0,
        HalfDerived::default().last_visit > 0,
        Renamed::default().one == one(),
        Conditional::default().directory.is_empty(),
        Types::default().map.is_empty(),
        Second::default().value.is_some(),
        matches!(First::default(), First { value: 1 }),
        matches!(Empty::default(), Empty {}),
        matches!(
            Wardrobe::default().main_skin.0,
            Dressed { inner: 0, dressed_in: Skin::Light | Skin::Dark { .. } | Skin::Own(..) }
        ),
    ]
}

/// A value of each form.
#[session_value]
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Skin {
    /// Without anything.
    #[default]
    Light,
    /// With names.
    Dark {
        /// How much.
        contrast: u8,
    },
    /// Without names.
    Own(String, Box<Self>),
}

/// A generic one.
#[session_value]
#[serde(rename_all = "camelCase")]
#[derive(Debug, Default)]
pub(crate) struct Dressed<T> {
    /// What is dressed.
    pub(crate) inner: T,
    /// In this.
    #[cfg(not(windows))]
    pub(crate) dressed_in: Skin,
}

/// One that wraps another.
#[session_value]
#[derive(Debug, Default)]
pub(crate) struct Wrapped(Dressed<u8>);

/// A state that begins anew where it does not decode, with other names, and with a field that is not exact.
#[session_state(key = "wardrobe", on_undecodable = "default")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wardrobe {
    /// Exact.
    #[serde(alias = "skin")]
    pub(crate) main_skin: Wrapped,
    /// Not exact.
    #[cfg(not(windows))]
    #[serde(rename = "s")]
    pub(crate) settings: Settings,
}
