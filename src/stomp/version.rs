//! The versions of STOMP and how one is agreed on.
//!
//! Holds the names of the versions in `CONNECT` and in the WebSocket handshake. It must not know the session that
//! negotiates. Invariant: what is negotiated is the highest version that both sides named.

/// A version of the STOMP protocol; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0: no escapes, padded headers, no heart-beats.
    V1_0,
    /// STOMP 1.1: escapes for LF, colon and backslash; heart-beats; NACK.
    V1_1,
    /// STOMP 1.2: CR LF as end of line, an escape for CR, acknowledgement by the `ack` header.
    V1_2,
}

impl Version {
    /// Every version, the lowest first.
    pub const ALL: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

    /// The `version` header of an `ERROR` that says what would have been understood.
    pub const SUPPORTED: &'static str = "1.0,1.1,1.2";

    /// The number as headers write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        }
    }

    /// The name in `Sec-WebSocket-Protocol`, as registered with IANA.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Version::V1_0 => "v10.stomp",
            Version::V1_1 => "v11.stomp",
            Version::V1_2 => "v12.stomp",
        }
    }

    /// Reads a name from `Sec-WebSocket-Protocol`; `None` for any other protocol.
    pub fn from_subprotocol(name: &str) -> Option<Version> {
        Self::ALL.into_iter().find(|version| version.subprotocol() == name)
    }

    /// The highest version that the peer's `accept-version` (or `version`) header shares with us; `None` if there is
    /// none. Versions that we do not know are passed over, spaces around a number too.
    ///
    /// STOMP 1.2, Protocol Negotiation: "If the accept-version header is missing, it means that the client only
    /// supports version 1.0 of the protocol."
    pub fn negotiate(accept_version: Option<&str>) -> Option<Version> {
        let Some(offered) = accept_version else {
            return Some(Version::V1_0);
        };
        offered.split(',').filter_map(|number| Self::from_number(number.trim())).max()
    }

    fn from_number(number: &str) -> Option<Version> {
        Self::ALL.into_iter().find(|version| version.as_str() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_wins_in_any_order() {
        assert_eq!(Version::negotiate(Some("1.0,1.1,2.0")), Some(Version::V1_1));
        assert_eq!(Version::negotiate(Some("1.2,1.0")), Some(Version::V1_2));
        assert_eq!(Version::negotiate(Some(" 1.1 , 1.0 ")), Some(Version::V1_1));
    }

    #[test]
    fn a_missing_header_means_the_first_version() {
        assert_eq!(Version::negotiate(None), Some(Version::V1_0));
    }

    #[test]
    fn nothing_in_common_is_no_version() {
        for offered in ["", "2.0", "1", "1.20", "1.2x", ",,"] {
            assert_eq!(Version::negotiate(Some(offered)), None, "{offered:?}");
        }
    }

    #[test]
    fn the_list_of_supported_versions_names_each_one() {
        assert_eq!(Version::ALL.map(Version::as_str).join(","), Version::SUPPORTED);
    }

    #[test]
    fn a_subprotocol_is_read_back() {
        for version in Version::ALL {
            assert_eq!(Version::from_subprotocol(version.subprotocol()), Some(version));
        }
        assert_eq!(Version::from_subprotocol("V12.STOMP"), None);
        assert_eq!(Version::from_subprotocol("mqtt"), None);
    }
}
