//! Heavy tests have two forms: one of a few seconds in `tests/run`, and a long one in `tests/soak`, which sets `SOAK`.

use std::env;

/// What a heavy test takes of its counts and durations: the long one under `tests/soak`, else the short one.
pub fn short_or_long<T>(short: T, long: T) -> T {
    if env::var_os("SOAK").is_some() { long } else { short }
}
