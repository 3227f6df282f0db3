//! Numbers that look random, and are the same for the same seed.

/// Marsaglia's xorshift.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Of one seed, which is not 0.
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = self.below(all.len() as u64);
        all[usize::try_from(at).expect("a place in a list")]
    }
}
