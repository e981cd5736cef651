//! Every limit, by its name, with its unit and its reason. The fields of [`Limits`] can be set under `limits.` in
//! the configuration; the constants are part of the contract and cannot.

use serde::{Deserialize, Serialize};

/// Longest name of a person, in characters: fits a list on a phone.
pub const NAME_CHARS_MAX: usize = 32;
/// Longest name of a room, in characters: fits a list on a phone.
pub const ROOM_NAME_CHARS_MAX: usize = 60;
/// Longest message id of a client, in bytes: room for a UUID with a prefix; the store keeps each one.
pub const MESSAGE_ID_BYTES_MAX: usize = 64;
/// Shortest password, in characters (NIST SP 800-63B, section 5.1.1.1).
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password, in bytes: enough for any passphrase, and hashing stays cheap to feed.
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Longest subscription id, in bytes: it stands in every MESSAGE frame of that subscription.
pub const SUBSCRIPTION_ID_BYTES_MAX: usize = 64;
/// Most bytes that the SENDs of a session's open transactions hold: they wait in memory for their COMMIT.
pub const TRANSACTION_BYTES_MAX: usize = 256 * 1024;
/// Most entries that one SUBSCRIBE may ask for with `history`.
pub const HISTORY_ENTRIES_MAX: u64 = 1_000;
/// Most entries that one history request over HTTP answers.
pub const HISTORY_PAGE_ENTRIES_MAX: u32 = 200;

/// The limits that an operator can set. Overflow of any of them hurts only the one who caused it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Characters of one message. Longer ones are refused, the session goes on.
    pub message_chars_max: usize,
    /// Bytes of one STOMP frame, and of one WebSocket message. Above it: ERROR, close 1009.
    pub frame_bytes_max: usize,
    /// Bytes of all headers of a STOMP frame together.
    pub header_bytes_max: usize,
    /// Bytes of one STOMP header line.
    pub header_line_bytes_max: usize,
    /// Headers of one STOMP frame.
    pub headers_max: usize,
    /// Subscriptions of one session.
    pub subscriptions_max: usize,
    /// Transactions that a session may have open at once.
    pub transactions_max: usize,
    /// SENDs that one transaction may hold.
    pub transaction_sends_max: usize,
    /// Messages of one connection that may wait for the disk at once; reading from it pauses above.
    pub in_flight_max: usize,
    /// Bytes of control frames (receipts, errors) that may wait for one connection; it is closed above.
    pub outbox_bytes_max: usize,
    /// Bytes that one lagging connection is handed at a time while it catches up.
    pub catch_up_bytes_max: usize,
    /// Entries that a room keeps in memory for its live members.
    pub ring_entries_max: usize,
    /// Bytes that a room keeps in memory for its live members.
    pub ring_bytes_max: usize,
    /// Bytes that wait for a SockJS client to fetch them. Above it the session takes nothing more out of the room's log.
    pub sockjs_queue_bytes_max: usize,
    /// Bytes of one SockJS answer that goes on and on: browsers keep all of it in memory, so they are made to ask anew.
    pub sockjs_stream_bytes_max: usize,
    /// Bytes of one request, or one WebSocket message, that brings SockJS messages: a frame in JSON may be three times as
    /// long, and slow clients send several at once.
    pub sockjs_request_bytes_max: usize,
    /// Messages that one person may send in a second, on average.
    pub messages_per_second: u32,
    /// Messages that one person may send at once.
    pub messages_burst: u32,
    /// SUBSCRIBE frames that one person may send in a second, on average.
    pub subscriptions_per_second: u32,
    /// SUBSCRIBE frames that one person may send at once.
    pub subscriptions_burst: u32,
    /// New sockets that one address may open in a second, on average.
    pub connects_per_second: u32,
    /// New sockets that one address may open at once: a whole office comes back after a restart.
    pub connects_burst: u32,
    /// Failed sign-ins of one account from one address in a minute, on average: against guessing.
    pub failed_sign_ins_per_minute: u32,
    /// Failed sign-ins of one account from one address at once.
    pub failed_sign_ins_burst: u32,
    /// Failed sign-ins of one address, whatever the account, in a minute, on average: an office mistypes, too.
    pub address_failed_sign_ins_per_minute: u32,
    /// Failed sign-ins of one address at once.
    pub address_failed_sign_ins_burst: u32,
    /// Failed sign-ins of one account from all addresses in a minute, on average: against guessing from many, and
    /// so loose that a few addresses cannot keep a person out.
    pub account_failed_sign_ins_per_minute: u32,
    /// Failed sign-ins of one account from all addresses at once.
    pub account_failed_sign_ins_burst: u32,
    /// Sign-ins of one account with the right password in a minute, on average: each costs a hash and a row. Wrong
    /// ones do not count, so nobody else can use them up.
    pub account_sign_ins_per_minute: u32,
    /// Sign-ins of one account with the right password at once.
    pub account_sign_ins_burst: u32,
    /// Sign-ins of one address, right or wrong, in a minute, on average: nobody alone keeps the hashing busy.
    pub address_sign_ins_per_minute: u32,
    /// Sign-ins of one address, right or wrong, at once: a whole office begins its day.
    pub address_sign_ins_burst: u32,
    /// Accounts that one address may make by open sign-up in an hour, on average; invitations do not count.
    pub accounts_per_hour: u32,
    /// Accounts that one address may make by open sign-up at once: a whole class begins.
    pub accounts_burst: u32,
    /// Rooms that one person may make in an hour, on average; administrators may make any number.
    pub rooms_per_hour: u32,
    /// Rooms that one person may make at once.
    pub rooms_burst: u32,
    /// HTTP requests of one person in a second, on average: reads of the store take turns.
    pub requests_per_second: u32,
    /// HTTP requests of one person at once: several pages load, or find their rooms again.
    pub requests_burst: u32,
    /// HTTP requests with a session or a token of one address in a second, on average: who that is has to be looked
    /// up before a person's own limit is known.
    pub address_requests_per_second: u32,
    /// HTTP requests with a session or a token of one address at once: a whole office comes back after a restart.
    pub address_requests_burst: u32,
    /// Open sockets in all, and open connections but for some spare ones.
    pub connections_max: usize,
    /// The same of one address.
    pub connections_per_address_max: usize,
    /// Connections that may be on their way in at once: in the TLS handshake, or without a whole request yet. Above
    /// it the oldest of them is closed.
    pub handshakes_max: usize,
    /// Seconds within which a TLS handshake, and a PROXY header, must be done.
    pub handshake_seconds_max: u64,
    /// Seconds within which a socket must have sent its CONNECT.
    pub connect_seconds_max: u64,
    /// Seconds within which an HTTP request's head must have come.
    pub request_seconds_max: u64,
    /// Seconds of silence after which a connection without STOMP heart-beats is pinged.
    pub ping_seconds: u64,
    /// Bytes of an HTTP request's body.
    pub request_bytes_max: usize,
    /// Passwords that are hashed at the same time; each takes about 19 MiB and 20 ms of a core.
    pub password_hashes_max: usize,
    /// Messages that may wait for the disk, over all connections. Above it new ones are refused as overload.
    pub store_queue_max: usize,
    /// Rooms in all.
    pub rooms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_chars_max: 2_000,
            frame_bytes_max: 64 * 1024,
            header_bytes_max: 16 * 1024,
            header_line_bytes_max: 8 * 1024,
            headers_max: 64,
            subscriptions_max: 100,
            transactions_max: 8,
            transaction_sends_max: 32,
            in_flight_max: 64,
            outbox_bytes_max: 64 * 1024,
            catch_up_bytes_max: 64 * 1024,
            ring_entries_max: 256,
            ring_bytes_max: 256 * 1024,
            sockjs_queue_bytes_max: 64 * 1024,
            sockjs_stream_bytes_max: 128 * 1024,
            sockjs_request_bytes_max: 256 * 1024,
            messages_per_second: 20,
            messages_burst: 60,
            subscriptions_per_second: 20,
            subscriptions_burst: 200,
            connects_per_second: 20,
            connects_burst: 400,
            failed_sign_ins_per_minute: 10,
            failed_sign_ins_burst: 10,
            address_failed_sign_ins_per_minute: 30,
            address_failed_sign_ins_burst: 30,
            account_failed_sign_ins_per_minute: 100,
            account_failed_sign_ins_burst: 100,
            account_sign_ins_per_minute: 30,
            account_sign_ins_burst: 60,
            address_sign_ins_per_minute: 300,
            address_sign_ins_burst: 600,
            accounts_per_hour: 20,
            accounts_burst: 40,
            rooms_per_hour: 10,
            rooms_burst: 20,
            requests_per_second: 20,
            requests_burst: 200,
            address_requests_per_second: 200,
            address_requests_burst: 4_000,
            connections_max: 100_000,
            connections_per_address_max: 2_000,
            handshakes_max: 10_000,
            handshake_seconds_max: 10,
            connect_seconds_max: 30,
            request_seconds_max: 15,
            ping_seconds: 25,
            request_bytes_max: 64 * 1024,
            password_hashes_max: 2,
            store_queue_max: 8_192,
            rooms_max: 100_000,
        }
    }
}
