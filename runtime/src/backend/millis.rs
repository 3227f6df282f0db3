//! Moments and spans as Redis and the scripts count them: in whole milliseconds.

use std::time::Duration;

use time::{OffsetDateTime, PrimitiveDateTime};

/// Longer spans are as good as endless.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 365);

/// A span, which Redis counts in Lua's numbers.
pub(crate) fn span(duration: Duration) -> u64 {
    u64::try_from(duration.min(LONGEST).as_millis()).unwrap_or(u64::MAX)
}

/// A moment in milliseconds since 1970, rounded up.
pub(crate) fn since_1970(moment: OffsetDateTime) -> i128 {
    -(-moment.unix_timestamp_nanos()).div_euclid(1_000_000)
}

/// The moment of a text that [`since_1970`] wrote. The very last moment is written as the millisecond after it.
pub(crate) fn moment(text: &[u8]) -> Option<OffsetDateTime> {
    let milliseconds: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let nanoseconds = i128::from(milliseconds) * 1_000_000;
    let last = PrimitiveDateTime::MAX.assume_utc();
    if (0..1_000_000).contains(&(nanoseconds - last.unix_timestamp_nanos())) {
        return Some(last);
    }
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive() {
        for moment_in in [OffsetDateTime::UNIX_EPOCH, PrimitiveDateTime::MAX.assume_utc()] {
            let text = since_1970(moment_in).to_string();
            assert_eq!(moment(text.as_bytes()), Some(moment_in));
        }
        assert_eq!(since_1970(OffsetDateTime::UNIX_EPOCH + Duration::from_nanos(1)), 1);
        assert_eq!(moment(b"soon"), None);
    }
}
