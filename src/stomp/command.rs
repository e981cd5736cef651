//! The first line of a frame.
//!
//! Holds the fifteen commands of STOMP 1.0 to 1.2 and what the wire format says about each: who sends it, whether it
//! may have a body, whether its headers are escaped. It must not know what a command does. Invariant: commands are
//! case sensitive, and `parse` and `as_str` are each other's inverse.

use super::Version;

/// A command of STOMP 1.0, 1.1 or 1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Opens a session (client).
    Connect,
    /// Opens a session, like [`Command::Connect`] (client, STOMP 1.1 on).
    Stomp,
    /// Sends a message to a destination (client).
    Send,
    /// Begins to listen to a destination (client).
    Subscribe,
    /// Ends a subscription (client).
    Unsubscribe,
    /// Acknowledges messages (client).
    Ack,
    /// Says that messages were not consumed (client, STOMP 1.1 on).
    Nack,
    /// Begins a transaction (client).
    Begin,
    /// Commits a transaction (client).
    Commit,
    /// Rolls a transaction back (client).
    Abort,
    /// Ends the session (client).
    Disconnect,
    /// Answers `CONNECT` (server).
    Connected,
    /// Delivers a message (server).
    Message,
    /// Says that a client frame was processed (server).
    Receipt,
    /// Says what went wrong; the connection closes after it (server).
    Error,
}

impl Command {
    /// Octets of the longest command, `UNSUBSCRIBE`.
    pub(super) const LONGEST_BYTES: usize = 11;

    /// Every command, the client's first.
    pub const ALL: [Command; 15] = [
        Command::Connect,
        Command::Stomp,
        Command::Send,
        Command::Subscribe,
        Command::Unsubscribe,
        Command::Ack,
        Command::Nack,
        Command::Begin,
        Command::Commit,
        Command::Abort,
        Command::Disconnect,
        Command::Connected,
        Command::Message,
        Command::Receipt,
        Command::Error,
    ];

    /// The command as it stands on the wire, without the end of line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Command::Connect => "CONNECT",
            Command::Stomp => "STOMP",
            Command::Send => "SEND",
            Command::Subscribe => "SUBSCRIBE",
            Command::Unsubscribe => "UNSUBSCRIBE",
            Command::Ack => "ACK",
            Command::Nack => "NACK",
            Command::Begin => "BEGIN",
            Command::Commit => "COMMIT",
            Command::Abort => "ABORT",
            Command::Disconnect => "DISCONNECT",
            Command::Connected => "CONNECTED",
            Command::Message => "MESSAGE",
            Command::Receipt => "RECEIPT",
            Command::Error => "ERROR",
        }
    }

    /// Reads a command line without its end of line; `None` for anything that is not exactly a command.
    ///
    /// STOMP 1.2, STOMP Frames: "All commands and header names referenced in this document are case sensitive."
    pub fn parse(line: &[u8]) -> Option<Command> {
        Self::ALL.into_iter().find(|command| command.as_str().as_bytes() == line)
    }

    /// Whether a client may send it. The decoder reads the server's commands too; the session refuses them.
    pub const fn is_client(self) -> bool {
        !matches!(self, Command::Connected | Command::Message | Command::Receipt | Command::Error)
    }

    /// Whether its frames may have a body (STOMP 1.2, Body).
    pub const fn may_have_body(self) -> bool {
        matches!(self, Command::Send | Command::Message | Command::Error)
    }

    /// Whether a frame with a body is no fault. STOMP 1.2, Body: "Only the SEND, MESSAGE, and ERROR frames MAY have a body.
    /// All other frames MUST NOT have a body." In 1.0 such a body is ignored: "The body of the SUBSCRIBE command is
    /// ignored."
    pub(super) fn takes_body(self, version: Version) -> bool {
        self.may_have_body() || version == Version::V1_0
    }

    /// Whether its headers are escaped in versions that have escapes.
    ///
    /// `CONNECT` and `CONNECTED` are not, since the version is not agreed yet when they are read (STOMP 1.2, Value
    /// Encoding); `STOMP` is handled in the same manner as `CONNECT` (STOMP 1.2, CONNECT or STOMP Frame).
    pub const fn escapes_headers(self) -> bool {
        !matches!(self, Command::Connect | Command::Stomp | Command::Connected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_read_back_from_its_own_text() {
        for command in Command::ALL {
            assert_eq!(Command::parse(command.as_str().as_bytes()), Some(command));
            assert!(command.as_str().len() <= Command::LONGEST_BYTES);
        }
    }

    #[test]
    fn anything_else_is_no_command() {
        for line in ["", "send", "Send", "SEND ", " SEND", "SENDX", "GET", "MESSAGES", "SEN"] {
            assert_eq!(Command::parse(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn four_commands_belong_to_the_server() {
        let server: Vec<_> = Command::ALL.into_iter().filter(|c| !c.is_client()).map(Command::as_str).collect();
        assert_eq!(server, ["CONNECTED", "MESSAGE", "RECEIPT", "ERROR"]);
    }
}
