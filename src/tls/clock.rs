//! The wall clock, and how people read it.

use std::time::SystemTime;

use time::OffsetDateTime;

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment as people read it, such as `2026-02-20 13:05 UTC`; with seconds, since certificates of a minute exist.
pub(super) fn readable(ms: i64) -> String {
    match OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000)) {
        Ok(at) => {
            let (date, (hour, minute, second)) = (at.date(), at.to_hms());
            let month = u8::from(date.month());
            format!("{}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC", date.year(), date.day())
        }
        Err(_) => "an impossible date".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_people_read_it() {
        assert_eq!(readable(1_771_592_700_999), "2026-02-20 13:05:00 UTC");
        assert_eq!(readable(i64::MAX), "an impossible date");
    }
}
