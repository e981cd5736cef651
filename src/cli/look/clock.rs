//! The clock, which certificates and tokens are dated by.

use std::time::SystemTime;

use super::super::finding::Finding;
use super::super::output::time;
use super::host::Host;
use super::{now_ms, span};

/// Tokens are believed for this much longer than they say, and an answer is under way for seconds.
const NOTE_MS: i64 = 60_000;
/// Certificates that are just made are not valid yet for a clock that is behind by this.
const ERROR_MS: i64 = 3_600_000;
/// The first of January 2026: it was later than this when the program was made.
const EARLIEST_MS: i64 = 1_767_225_600_000;
const FIX: &str = "turn its synchronisation on: `timedatectl set-ntp true`, or install chrony";

/// Whether somebody keeps it right: a clock that nobody keeps is right today.
pub(super) async fn synchronised(host: &Host) -> Finding {
    if !host.has_systemd() {
        return Finding::ok("clock", "who keeps it right is not seen: systemd does not run this host");
    }
    match host.ask("timedatectl", &["show", "--property=NTPSynchronized"]).await {
        Err(silence) => Finding::ok("clock", format!("who keeps it right is not seen: {silence}")),
        Ok(said) if said.trim() == "NTPSynchronized=no" => {
            let message = "no time server keeps it right, so that it drifts; certificates and tokens are dated by it";
            Finding::note("clock.unsynchronised", message, FIX)
        }
        Ok(_) => Finding::ok("clock", "a time server keeps it right"),
    }
}

/// The clock here, given what time it is elsewhere.
pub(super) fn look(there: Option<SystemTime>, here: SystemTime) -> Finding {
    let Some(there) = there else {
        return if now_ms() < EARLIEST_MS {
            Finding::error("clock.off", format!("shows {}, which is long past", time(now_ms())), FIX)
        } else {
            Finding::ok("clock", format!("shows {}; there is nobody to compare it with", time(now_ms())))
        };
    };
    let since = |ahead: SystemTime, behind| ahead.duration_since(behind).ok();
    let off = |span: std::time::Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let (off_ms, direction) = match since(here, there) {
        Some(ahead) => (off(ahead), "ahead of"),
        None => (since(there, here).map_or(0, off), "behind"),
    };
    let message = format!("is {} {direction} the authority's", span(off_ms));
    match off_ms {
        // The header has whole seconds, and the way takes some.
        0..=5_000 => Finding::ok("clock", "agrees with the authority's"),
        5_001..=NOTE_MS => Finding::ok("clock", message),
        ..=ERROR_MS => Finding::note("clock.off", message, FIX),
        _ => Finding::error("clock.off", message, FIX),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::finding::Level;

    #[test]
    fn a_clock_is_told_how_far_it_is_off_and_which_way() {
        let there = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let cases: [(i64, Level, &str); 6] = [
            (2, Level::Ok, "agrees"),
            (-40, Level::Ok, "40 seconds behind"),
            (90, Level::Note, "90 seconds ahead"),
            (-600, Level::Note, "10 minutes behind"),
            (7_300, Level::Error, "2 hours ahead"),
            (-900_000, Level::Error, "10 days behind"),
        ];
        for (seconds, level, part) in cases {
            let off = Duration::from_secs(seconds.unsigned_abs());
            let finding = look(Some(there), if seconds > 0 { there + off } else { there - off });
            assert!(finding.level == level && finding.message.contains(part), "{seconds}: {finding:?}");
        }
        assert_eq!(look(None, there).level, Level::Ok);
    }
}
