//! Types whose equality here is equality of what is stored, and whose clone shares nothing that can change: std's values and
//! containers, and `#[session_value]` types. A field of such a type lives in memory as it is. A field of any other type
//! lives as its encoding: a user's own `PartialEq` may leave something out, a clone may alias what it was cloned from, and
//! what is decoded may be another value than was encoded.

use std::{
    borrow::Cow,
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque},
    hash::{BuildHasher, Hash},
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::{
        NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8, NonZeroU16,
        NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize, Wrapping,
    },
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A type whose equality here is equality of what is stored, and whose clone shares nothing that can change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not exact",
    label = "not one of std's values or containers, and no `#[session_value]`",
    note = "write `#[session_value]` above `{Self}`, or take it away from the type that holds this: a field of a state that is \
            not exact is kept as its encoding"
)]
pub trait Exact: Clone {
    /// Whether both are stored as the same.
    fn is_same(&self, other: &Self) -> bool;
}

macro_rules! exact_by_eq {
    ($($type:ty)*) => {
        $(impl Exact for $type {
            fn is_same(&self, other: &Self) -> bool {
                self == other
            }
        })*
    };
}

exact_by_eq!(() bool char u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
exact_by_eq!(NonZeroU8 NonZeroU16 NonZeroU32 NonZeroU64 NonZeroU128 NonZeroUsize);
exact_by_eq!(NonZeroI8 NonZeroI16 NonZeroI32 NonZeroI64 NonZeroI128 NonZeroIsize);
exact_by_eq!(String Box<str> Cow<'static, str> Duration SystemTime IpAddr Ipv4Addr Ipv6Addr);

impl Exact for PathBuf {
    /// Not by `==`, which takes `a//b` for `a/b`.
    fn is_same(&self, other: &Self) -> bool {
        self.as_os_str() == other.as_os_str()
    }
}

macro_rules! exact_by_bits {
    ($($type:ty)*) => {
        $(impl Exact for $type {
            /// Not by `==`: zero has two signs, both of which are stored.
            fn is_same(&self, other: &Self) -> bool {
                self.to_bits() == other.to_bits()
            }
        })*
    };
}

exact_by_bits!(f32 f64);

fn all_same<'a, T: Exact + 'a>(
    before: impl ExactSizeIterator<Item = &'a T>,
    after: impl ExactSizeIterator<Item = &'a T>,
) -> bool {
    before.len() == after.len() && before.zip(after).all(|(one, other)| one.is_same(other))
}

impl<T: Exact> Exact for Option<T> {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(this), Some(that)) => this.is_same(that),
            (None, None) => true,
            _ => false,
        }
    }
}

impl<T: Exact> Exact for Vec<T> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<T: Exact> Exact for VecDeque<T> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<T: Exact> Exact for LinkedList<T> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<T: Exact> Exact for Box<[T]> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<T: Exact, const N: usize> Exact for [T; N] {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<T: Exact> Exact for Box<T> {
    fn is_same(&self, other: &Self) -> bool {
        (**self).is_same(other)
    }
}

impl<T: Exact> Exact for Wrapping<T> {
    fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl<T: Exact> Exact for Reverse<T> {
    fn is_same(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl<T: Exact, E: Exact> Exact for Result<T, E> {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Ok(this), Ok(that)) => this.is_same(that),
            (Err(this), Err(that)) => this.is_same(that),
            _ => false,
        }
    }
}

impl<T: Exact> Exact for BTreeSet<T> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.iter(), other.iter())
    }
}

impl<K: Exact, V: Exact> Exact for BTreeMap<K, V> {
    fn is_same(&self, other: &Self) -> bool {
        all_same(self.keys(), other.keys()) && all_same(self.values(), other.values())
    }
}

impl<T: Exact + Eq + Hash, S: BuildHasher + Clone> Exact for HashSet<T, S> {
    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|this| other.get(this).is_some_and(|that| this.is_same(that)))
    }
}

impl<K: Exact + Eq + Hash, V: Exact, S: BuildHasher + Clone> Exact for HashMap<K, V, S> {
    fn is_same(&self, other: &Self) -> bool {
        // A key of the user's may be equal and yet not the same.
        let holds = |key: &K, value: &V| {
            other.get_key_value(key).is_some_and(|(same, that)| key.is_same(same) && value.is_same(that))
        };
        self.len() == other.len() && self.iter().all(|(key, value)| holds(key, value))
    }
}

macro_rules! exact_tuples {
    ($(($($type:ident $at:tt)*))*) => {
        $(impl<$($type: Exact),*> Exact for ($($type,)*) {
            fn is_same(&self, other: &Self) -> bool {
                $(self.$at.is_same(&other.$at))&&*
            }
        })*
    };
}

exact_tuples!((A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3)
    (A 0 B 1 C 2 D 3 E 4) (A 0 B 1 C 2 D 3 E 4 F 5));

/// Whether a type is exact, known when it is compiled: found first is what only exact types have.
#[derive(Debug)]
pub struct Exactness<T>(PhantomData<T>);

impl<T: Exact> Exactness<T> {
    /// It is.
    pub const IS_EXACT: bool = true;
}

/// For any other type.
pub trait NotExact {
    /// It is not.
    const IS_EXACT: bool = false;
}

impl<T> NotExact for Exactness<T> {}

/// Two values of a field, of which [`ByExact`] and [`ByNothing`] tell whether they are the same.
#[derive(Debug)]
pub struct Same<'a, T>(pub &'a T, pub &'a T);

/// For a type whose equality is equality of what is stored: found first.
pub trait ByExact {
    /// Whether they are the same.
    fn same(self) -> Option<bool>;
}

impl<T: Exact> ByExact for Same<'_, T> {
    fn same(self) -> Option<bool> {
        Some(self.0.is_same(self.1))
    }
}

/// For any other type.
pub trait ByNothing {
    /// It is not known.
    fn same(self) -> Option<bool>;
}

impl<T> ByNothing for &Same<'_, T> {
    fn same(self) -> Option<bool> {
        None
    }
}

/// A value of a field, of which [`CloneExact`] and [`CloneNothing`] give a clone.
#[derive(Debug)]
pub struct Copied<'a, T>(pub &'a T);

/// For an exact type: found first.
pub trait CloneExact<T> {
    /// A clone.
    fn copied(self) -> Option<T>;
}

impl<T: Exact> CloneExact<T> for Copied<'_, T> {
    #[inline]
    fn copied(self) -> Option<T> {
        Some(self.0.clone())
    }
}

/// For any other type.
pub trait CloneNothing<T> {
    /// There is none.
    fn copied(self) -> Option<T>;
}

impl<T> CloneNothing<T> for &Copied<'_, T> {
    #[inline]
    fn copied(self) -> Option<T> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_change_behind_a_clone_is_not_exact() {
        use std::sync::{Arc, Mutex, atomic::AtomicU32};
        const {
            assert!(Exactness::<Vec<Option<(u8, String)>>>::IS_EXACT);
            assert!(Exactness::<HashMap<String, [f64; 3]>>::IS_EXACT);
            assert!(!Exactness::<AtomicU32>::IS_EXACT);
            assert!(!Exactness::<Vec<Arc<Mutex<u8>>>>::IS_EXACT);
            assert!(!Exactness::<Option<Mutex<u8>>>::IS_EXACT);
        }
        assert_eq!(Copied(&vec![1]).copied(), Some(vec![1]));
        assert!(Copied(&AtomicU32::new(1)).copied().is_none());
    }

    #[test]
    fn equal_paths_are_not_the_same() {
        assert_eq!(Same(&PathBuf::from("a/b"), &PathBuf::from("a//b")).same(), Some(false));
        assert_eq!(Same(&PathBuf::from("a/b"), &PathBuf::from("a/b")).same(), Some(true));
    }

    #[test]
    fn std_values_are_the_same_as_they_are_stored() {
        assert_eq!(Same(&0.0, &-0.0).same(), Some(false));
        assert_eq!(Same(&f64::NAN, &f64::NAN).same(), Some(true));
        assert_eq!(Same(&Some("a".to_owned()), &None).same(), Some(false));
        assert_eq!(Same(&vec![(1, 'a')], &vec![(1, 'a')]).same(), Some(true));
        assert_eq!(Same(&vec![1, 2], &vec![1]).same(), Some(false));
        let map = |entries: &[(&str, u8)]| -> HashMap<String, u8> {
            entries.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
        };
        assert_eq!(Same(&map(&[("a", 1), ("b", 2)]), &map(&[("b", 2), ("a", 1)])).same(), Some(true));
        assert_eq!(Same(&map(&[("a", 1)]), &map(&[("a", 2)])).same(), Some(false));
    }
}
