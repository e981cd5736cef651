//! How often each side must say something.
//!
//! Holds the reading of the `heart-beat` header and what two of them agree to. It must not know time: who watches the
//! clock is the session. Invariant: a direction beats only if its sender can and its receiver wants to.

use std::fmt;
use std::time::Duration;

/// The agreed heart-beats of a connection, seen from this side (the server's, unless the arguments are swapped).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeartBeat {
    /// We must send something at least this often; `None`: no need to.
    pub sends_every: Option<Duration>,
    /// The peer must send something at least this often; `None`: it need not.
    pub wants_every: Option<Duration>,
}

/// Reads a `heart-beat` header: what its sender can do and what it would like, both in milliseconds, 0 for neither.
///
/// STOMP 1.2, Heart-beating: "When used, the heart-beat header MUST contain two positive integers separated by a
/// comma." A missing header means `(0, 0)`; that is the caller's to say.
///
/// # Errors
/// Anything but digits, a comma and digits, each at most `u32::MAX` (49 days). Spaces and signs are refused.
pub fn parse(header: &str) -> Result<(u32, u32), HeartBeatError> {
    let (can, would) = header.split_once(',').ok_or(HeartBeatError)?;
    Ok((parse_millis(can)?, parse_millis(would)?))
}

/// What a server's and a client's `heart-beat` headers agree to, seen from the server.
///
/// STOMP 1.2, Heart-beating: in each direction "there will be heart-beats every MAX(cx, sy) milliseconds", unless one
/// of the two is 0.
pub fn negotiate(server: (u32, u32), client: (u32, u32)) -> HeartBeat {
    let ((server_can, server_wants), (client_can, client_wants)) = (server, client);
    HeartBeat { sends_every: agree(server_can, client_wants), wants_every: agree(client_can, server_wants) }
}

/// The header is not two whole numbers of milliseconds separated by a comma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartBeatError;

impl std::error::Error for HeartBeatError {}

impl fmt::Display for HeartBeatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("heart-beat must be two whole numbers of milliseconds separated by a comma, such as 10000,10000")
    }
}

fn parse_millis(number: &str) -> Result<u32, HeartBeatError> {
    // u32's own reading would take a plus sign.
    if number.is_empty() || !number.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(HeartBeatError);
    }
    number.parse().map_err(|_| HeartBeatError)
}

fn agree(can: u32, wants: u32) -> Option<Duration> {
    (can != 0 && wants != 0).then(|| Duration::from_millis(u64::from(can.max(wants))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_and_a_comma_are_read() {
        assert_eq!(parse("10000,10000"), Ok((10_000, 10_000)));
        assert_eq!(parse("0,0"), Ok((0, 0)));
        assert_eq!(parse("007,4294967295"), Ok((7, u32::MAX)));
    }

    #[test]
    fn anything_else_is_refused() {
        for header in
            ["", ",", "1", "1,", ",1", "1,2,3", "+1,2", "-1,2", "1, 2", " 1,2", "1.5,2", "4294967296,0", "a,b", "٣,1"]
        {
            assert_eq!(parse(header), Err(HeartBeatError), "{header:?}");
        }
    }

    #[test]
    fn each_direction_takes_the_slower_of_can_and_wants() {
        let agreed = negotiate((10_000, 20_000), (5_000, 30_000));
        assert_eq!(agreed.sends_every, Some(Duration::from_secs(30)));
        assert_eq!(agreed.wants_every, Some(Duration::from_secs(20)));
    }

    #[test]
    fn a_zero_on_either_side_silences_that_direction_only() {
        assert_eq!(negotiate((0, 1), (1, 1)).sends_every, None);
        assert_eq!(negotiate((1, 1), (1, 0)).sends_every, None);
        assert_eq!(negotiate((1, 0), (1, 1)).wants_every, None);
        assert_eq!(negotiate((1, 1), (0, 1)).wants_every, None);
        assert!(negotiate((1, 1), (0, 1)).sends_every.is_some());
        assert_eq!(negotiate((10_000, 10_000), (0, 0)), HeartBeat::default());
    }
}
