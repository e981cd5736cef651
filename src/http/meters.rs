//! What the edge counts: connections, requests, handshakes of WebSockets, and refusals by their cause.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::UPGRADE;
use axum::middleware::Next;
use axum::response::Response;

use super::Edge;
use super::error::Problem;
use crate::meter::{Causes, Counter, Family, Gauge, Held, Label, Registry};
use crate::session::CAUSES;

/// Every `code` of a problem document. A test compares them with the source.
const CODES: &[&str] = &[
    "not_found",
    "method_not_allowed",
    "bad_request",
    "bad_body",
    "bad_handshake",
    "no_upgrade",
    "field_missing",
    "field_type",
    "history_invalid",
    "out_of_range",
    "content_type_unsupported",
    "request_timeout",
    "request_too_large",
    "internal",
    "busy",
    "unavailable",
    "draining",
    "cross_site",
    "not_signed_in",
    "bad_credentials",
    "token_missing",
    "token_malformed",
    "token_expired",
    "token_invalid",
    "user_disabled",
    "role_may_not_chat",
    "admin_only",
    "setup_key_wrong",
    "setup_done",
    "sign_up_closed",
    "invite_invalid",
    "name_invalid",
    "name_taken",
    "password_too_short",
    "password_too_long",
    "role_invalid",
    "account_unknown",
    "room_unknown",
    "room_name_invalid",
    "after_past_end",
    "too_many_rooms",
    "too_many_new_rooms",
    "too_many_accounts",
    "too_many_sign_ins",
    "too_many_requests",
    "too_many_connects",
    "too_many_connections",
];
/// Every way of SockJS.
const WAYS: [&str; 6] = ["websocket", "xhr", "xhr_streaming", "eventsource", "htmlfile", "jsonp"];
/// What becomes of requests for sessions of other nodes: the owner answered; it was gone; it could not be asked; it went
/// silent in the middle of an answer.
const RELAYED: &[&str] = &["answered", "gone", "failed", "interrupted"];
/// What was not foreseen counts as this.
const OTHER: &str = "other";

/// Counters of requests and of STOMP.
pub struct Meters {
    /// By the first digit of their status.
    requests: Causes,
    handshakes: Causes,
    refusals: Causes,
    errors: Causes,
    /// By the way that opened them.
    sockjs: Family<Label, Gauge>,
    relayed: Causes,
}

impl Meters {
    pub(super) fn new() -> Self {
        let sockjs = Family::<Label, Gauge>::default();
        for way in WAYS {
            drop(sockjs.get_or_create(&[("transport", way)]));
        }
        let codes = |codes: &'static [&'static str]| codes.iter().copied().chain([OTHER]);
        Self {
            requests: Causes::new("status", ["1xx", "2xx", "3xx", "4xx", "5xx"]),
            handshakes: Causes::new("result", ["accepted", "refused"]),
            refusals: Causes::new("code", codes(CODES)),
            errors: Causes::new("code", codes(CAUSES)),
            sockjs,
            relayed: Causes::new("result", RELAYED.iter().copied()),
        }
    }

    /// A SockJS session is opened this way; it counts for as long as what is answered is held.
    pub(super) fn sockjs(&self, way: &'static str) -> Held {
        Held::of(&self.sockjs.get_or_create(&[("transport", way)]))
    }

    /// A request for a SockJS session of another node came to this.
    pub(super) fn relayed(&self, result: &'static str) {
        self.relayed.add(result);
    }

    /// A client was told over STOMP that something cannot be done, or is.
    pub(super) fn told(&self, cause: &str) {
        self.errors.add(cause);
    }

    /// Names what is counted here.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("sarangbang_http_requests", "HTTP requests that were answered", self.requests.clone());
        registry.register(
            "sarangbang_http_refusals",
            "HTTP requests that were answered with a problem, by its code",
            self.refusals.clone(),
        );
        registry.register(
            "sarangbang_websocket_handshakes",
            "Requests to become a WebSocket, by how they were answered",
            self.handshakes.clone(),
        );
        registry.register(
            "sarangbang_stomp_errors",
            "ERROR frames, and refusals told on /user/queue/errors, by their code",
            self.errors.clone(),
        );
        registry.register(
            "sarangbang_sockjs_sessions_open",
            "SockJS sessions that are open, by the transport that opened them",
            self.sockjs.clone(),
        );
        registry.register(
            "sarangbang_sockjs_relayed",
            "Requests for SockJS sessions of other nodes, by what came of them",
            self.relayed.clone(),
        );
    }
}

/// Counts each request by its answer.
pub(super) async fn count(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let wants_socket = request.uri().path().starts_with("/ws-stomp") && request.headers().contains_key(UPGRADE);
    let response = next.run(request).await;
    let (meters, status) = (&edge.meters, response.status());
    meters.requests.add(match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    });
    if let Some(problem) = response.extensions().get::<Problem>() {
        meters.refusals.add(problem.code());
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        meters.handshakes.add("accepted");
    } else if wants_socket {
        meters.handshakes.add("refused");
    }
    response
}

/// Counters of connections, by how they speak.
#[derive(Clone, Default)]
pub(super) struct Doors {
    open: Family<Label, Gauge>,
    accepted: Family<Label, Counter>,
    refused: Counter,
}

/// Those of one way of speaking.
#[derive(Clone)]
pub(super) struct DoorMeters {
    pub(super) open: Gauge,
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
}

impl Doors {
    /// Both ways are there from the start.
    pub(super) fn new() -> Self {
        let doors = Self::default();
        drop((doors.by(true), doors.by(false)));
        doors
    }

    pub(super) fn by(&self, https: bool) -> DoorMeters {
        let label = [("transport", if https { "tls" } else { "plain" })];
        DoorMeters {
            open: self.open.get_or_create(&label).clone(),
            accepted: self.accepted.get_or_create(&label).clone(),
            refused: self.refused.clone(),
        }
    }

    /// Names what is counted here.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("sarangbang_connections_open", "TCP connections that are open", self.open.clone());
        registry.register("sarangbang_connections_accepted", "TCP connections that were let in", self.accepted.clone());
        registry.register(
            "sarangbang_connections_refused",
            "TCP connections that were closed at once, as a limit was reached",
            self.refused.clone(),
        );
    }
}
