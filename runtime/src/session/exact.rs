//! Types whose equality here is equality of what is stored: std's values and containers. Any other type is compared by
//! what it serialises to, for a user's own `PartialEq` may leave something out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hash},
    time::{Duration, SystemTime},
};

/// A type whose equality here is equality of what is stored.
pub trait Exact {
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
exact_by_eq!(String str Duration SystemTime);

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

impl<T: Exact + ?Sized> Exact for Box<T> {
    fn is_same(&self, other: &Self) -> bool {
        (**self).is_same(other)
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

impl<T: Exact + Eq + Hash, S: BuildHasher> Exact for HashSet<T, S> {
    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|this| other.get(this).is_some_and(|that| this.is_same(that)))
    }
}

impl<K: Exact + Eq + Hash, V: Exact, S: BuildHasher> Exact for HashMap<K, V, S> {
    fn is_same(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(key, value)| other.get(key).is_some_and(|that| value.is_same(that)))
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

exact_tuples!((A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3));

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

#[cfg(test)]
mod tests {
    use super::*;

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
