//! Why an attempt came to nothing: in plain words, and what it means for the order.

use hyper::StatusCode;
use instant_acme::{Error, Problem};

use super::authority::Trouble;

/// What an authority says at most, in characters: it goes into one line of the log.
const DETAIL_CHARS_MAX: usize = 400;
/// A word of base64 that is at least so long is a token or a key's print, and nobody's business.
const TOKEN_CHARS_MIN: usize = 32;
const ACME: &str = "urn:ietf:params:acme:error:";

/// So often a request is repeated whose nonce was rejected; each time, the protocol's client itself tries thrice.
/// With half of all nonces rejected it would take 8^20 requests to see all of them fail.
pub(super) const NONCES_MAX: u32 = 20;

/// Awaits a call to the authority, again and again as long as it only rejects nonces: that is no failure.
macro_rules! insist {
    ($call:expr) => {{
        let mut left = $crate::tls::acme::failure::NONCES_MAX;
        loop {
            match $call.await {
                Err(error) if $crate::tls::acme::failure::is_bad_nonce(&error) && left > 0 => left -= 1,
                answer => break answer,
            }
        }
    }};
}
pub(super) use insist;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line for the operator: what happened and what to do.
    pub(super) words: String,
    /// What it means for the order.
    pub(super) fate: Fate,
}

/// What is left of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The same order may still come to a certificate.
    Open,
    /// Nothing will come of it.
    Dead,
    /// Nothing will come of it, since a name was not proven: the other way of proving it may work.
    Unproven,
    /// The authority does not know the account.
    Unknown,
}

impl Failure {
    pub(super) fn new(words: impl Into<String>, fate: Fate) -> Self {
        Self { words: words.into(), fate }
    }

    /// From what the protocol's client says.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Api(problem) => Self::new(in_words(problem, None), fate(problem)),
            Error::Json(_) => Self::new(
                "the authority's answer is not what RFC 8555 says; look whether acme.directory is an ACME directory",
                Fate::Open,
            ),
            Error::Timeout(_) => Self::new("the authority has not decided within the time it was given", Fate::Open),
            Error::Other(cause) => {
                let gone = |status: &StatusCode| {
                    status.is_client_error()
                        && ![StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(status)
                };
                match cause.downcast_ref::<Trouble>() {
                    Some(Trouble::Answered { status, .. }) if gone(status) => Self::new(cause.to_string(), Fate::Dead),
                    _ => Self::new(cause.to_string(), Fate::Open),
                }
            }
            other => Self::new(format!("the authority could not be understood: {other}"), Fate::Open),
        }
    }
}

/// Whether the authority only wants the same again with another nonce (RFC 8555, section 6.5).
pub(super) fn is_bad_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if kind(problem) == "badNonce")
}

/// A problem in one line: for which name, what the authority says, and what usually helps.
pub(super) fn in_words(problem: &Problem, name: Option<&str>) -> String {
    let mut parts = Vec::new();
    for part in &problem.subproblems {
        let of = part.identifier.as_ref().map(|identifier| format!("{}: ", identifier.authorized(false)));
        parts.push(format!("{}{}", of.unwrap_or_default(), part.detail.as_deref().unwrap_or("refused")));
    }
    if parts.is_empty() {
        parts.push(problem.detail.clone().unwrap_or_else(|| "refused, without a reason".into()));
    }
    let detail = plain(&parts.join(", "));
    let of = name.map(|name| format!(" about {name}")).unwrap_or_default();
    let hint = hint(kind(problem)).map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("the authority says{of}: {detail}{hint}")
}

fn kind(problem: &Problem) -> &str {
    problem.r#type.as_deref().map_or("", |kind| kind.strip_prefix(ACME).unwrap_or(kind))
}

fn fate(problem: &Problem) -> Fate {
    match kind(problem) {
        "accountDoesNotExist" => Fate::Unknown,
        "rateLimited" | "serverInternal" | "badNonce" => Fate::Open,
        _ if problem.status.is_some_and(|status| status >= 500) => Fate::Open,
        _ => Fate::Dead,
    }
}

/// What a name's failed proof means: most may go well by the other way.
pub(super) fn proof_fate(problem: &Problem) -> Fate {
    if matches!(kind(problem), "caa" | "rejectedIdentifier" | "rateLimited") { Fate::Dead } else { Fate::Unproven }
}

fn hint(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "dns" => "the name needs an A or AAAA record that points to this host",
        "connection" => "ports 80 and 443 of this host have to be open to the internet",
        "unauthorized" | "incorrectResponse" | "tls" => {
            "the name's DNS record has to point to this host, and nobody else may answer in its place"
        }
        "caa" => "a CAA record of the domain forbids this authority",
        "rateLimited" => "one of its limits is reached; nothing but waiting helps",
        "rejectedIdentifier" => "it gives no certificate for such a name; look at domain",
        "invalidContact" | "unsupportedContact" => "look at acme.email",
        "externalAccountRequired" => "it wants accounts that were made by hand, which is not supported",
        _ => return None,
    })
}

/// One line without tokens, of bounded length.
fn plain(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut line = String::new();
    let mut word = String::new();
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    for c in clean.chain(['\n']) {
        if is_token(c) {
            word.push(c);
            continue;
        }
        line.push_str(if word.len() >= TOKEN_CHARS_MIN { "..." } else { &word });
        line.push(c);
        word.clear();
    }
    line.trim_end().chars().take(DETAIL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_problem_is_told_with_its_name_and_a_hint() {
        let caa = problem(r#"{"type":"urn:ietf:params:acme:error:caa","detail":"CAA record\nprevents it"}"#);
        assert_eq!(
            in_words(&caa, Some("chat.example")),
            "the authority says about chat.example: CAA record prevents it (a CAA record of the domain forbids this authority)"
        );
        let two = problem(
            r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"some","subproblems":[
                {"detail":"no","identifier":{"type":"dns","value":"a.example"}},{"detail":"neither"}]}"#,
        );
        assert_eq!(in_words(&two, None), "the authority says: a.example: no, neither");
    }

    #[test]
    fn a_token_in_what_the_authority_says_is_left_out() {
        let token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
        let said = format!("Invalid response from http://a.example/.well-known/acme-challenge/{token}: 404");
        assert_eq!(plain(&said), "Invalid response from http://a.example/.well-known/acme-challenge/...: 404");
        assert_eq!(plain(&"x ".repeat(1_000)).len(), DETAIL_CHARS_MAX);
    }

    #[test]
    fn a_limit_leaves_the_order_and_a_refusal_does_not() {
        let of = |kind: &str| fate(&problem(&format!(r#"{{"type":"{ACME}{kind}","detail":"x"}}"#)));
        assert_eq!(of("rateLimited"), Fate::Open);
        assert_eq!(of("accountDoesNotExist"), Fate::Unknown);
        assert_eq!(of("malformed"), Fate::Dead);
        assert_eq!(fate(&problem(r#"{"status":503,"detail":"busy"}"#)), Fate::Open);
    }
}
