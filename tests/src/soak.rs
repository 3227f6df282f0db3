//! Heavy tests have two forms: one of a few seconds in `tests/run`, and a long one in `tests/soak`, which sets `SOAK`.

use std::env;

use proptest::test_runner::{Config, RngSeed};

/// Whether this is the long form of a test.
fn is_long() -> bool {
    env::var_os("SOAK").is_some()
}

/// What a heavy test takes of its counts and durations: the long one under `tests/soak`, else the short one.
pub fn short_or_long<T>(short: T, long: T) -> T {
    if is_long() { long } else { short }
}

/// The seed of a property's cases. The short form tries the same ones each time, so that no change is held up by what it
/// has nothing to do with; the long one looks for new ones.
pub fn seed(number: u64) -> RngSeed {
    if is_long() { RngSeed::Random } else { RngSeed::Fixed(number) }
}

/// How many cases a property is tried with, and which.
pub fn cases(short: u32, long: u32) -> Config {
    let cases = short_or_long(short, long);
    Config { cases, failure_persistence: None, rng_seed: seed(1), ..Config::default() }
}
