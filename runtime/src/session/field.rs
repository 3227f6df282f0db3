//! The places of fields in a state's struct, as a set of bits.

/// A field of a `std` type, among the first 64 of its struct. What it serialises to depends on nothing else, so that it
/// may be left in the state until somebody asks for its JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(u8);

/// Some of the fields of one state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places(u64);

impl Place {
    pub(crate) fn of(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|place| u32::from(*place) < u64::BITS).map(Self)
    }
}

impl Places {
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, place: Place) -> bool {
        self.0 & (1 << place.0) != 0
    }

    pub(crate) fn insert(&mut self, place: Place) {
        self.0 |= 1 << place.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_places_up_to_its_end() {
        let mut places = Places::default();
        places.insert(Place::of(63).unwrap());
        assert!(places.contains(Place(63)) && !places.contains(Place(0)) && !places.is_empty());
        assert!(Place::of(64).is_none());
        assert!(Place::of(256).is_none());
    }
}
