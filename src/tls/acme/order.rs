//! One order: from the names to the certificate.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeStatus, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::answers::{self, Given};
use super::failure::{Failure, Fate, in_words, insist, proof_fate};
use super::plan::OrderRecord;
use crate::store::Store;
use crate::tls::clock::{now_ms, readable};
use crate::tls::{Certificates, Pair};

/// How long an authority may take to look, and to sign. It says itself how often it wants to be asked; else the first
/// question is soon, and the next ones ever later.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(300));

/// Makes a new order.
pub(super) async fn place(account: &Account, names: &[String]) -> Result<Order, Failure> {
    let names: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    let wanted = NewOrder::new(&names);
    insist!(account.new_order(&wanted)).map_err(|error| Failure::of(&error))
}

/// Takes up an order that was made before.
pub(super) async fn resume(account: &Account, url: &str) -> Result<Order, Failure> {
    insist!(account.order(url.to_owned())).map_err(|error| Failure::of(&error))
}

/// A fresh key for a certificate, as PEM.
pub(super) fn key() -> Result<String, Failure> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| ours(&error))?;
    Ok(key.serialize_pem())
}

/// Brings an order to its end, wherever it stands; answers the chain as PEM and what it was read as.
pub(super) async fn complete(
    order: &mut Order,
    record: &OrderRecord,
    names: &[String],
    store: &Store,
    certificates: &Certificates,
) -> Result<(String, Pair), Failure> {
    let mut given = Given::new(record.way);
    let outcome = walk(order, record, names, &mut given, store, certificates).await;
    given.take_back(store, certificates).await;
    let chain = outcome?;
    let pair = Pair::parse(chain.as_bytes(), record.key_pem.as_bytes())
        .map_err(|error| Failure::new(format!("the authority's certificate cannot be used: {error}"), Fate::Dead))?;
    if !pair.covers(names) {
        return Err(Failure::new("the authority's certificate is not for all of the names", Fate::Dead));
    }
    if pair.not_after() <= now_ms() {
        let end = readable(pair.not_after());
        let words = format!("the authority's certificate ended at {end} already; look at this host's clock");
        return Err(Failure::new(words, Fate::Dead));
    }
    Ok((chain, pair))
}

async fn walk(
    order: &mut Order,
    record: &OrderRecord,
    names: &[String],
    given: &mut Given,
    store: &Store,
    certificates: &Certificates,
) -> Result<String, Failure> {
    if order.state().status == OrderStatus::Pending {
        let proven = prove(order, record, given, store, certificates).await;
        settle(order, proven).await?;
    }
    if order.state().status == OrderStatus::Ready {
        let request = request(&record.key_pem, names)?;
        let asked = insist!(order.finalize_csr(&request)).map_err(|error| Failure::of(&error));
        settle(order, asked).await?;
    }
    settle(order, Ok(())).await?;
    match insist!(order.poll_certificate(&PATIENCE)) {
        Ok(chain) => Ok(chain),
        Err(error) => {
            settle(order, Err(Failure::of(&error))).await?;
            Err(Failure::of(&error))
        }
    }
}

/// Answers for every name, and waits until the authority has looked. It is called when all answers can be had, from
/// whichever node it reaches.
async fn prove(
    order: &mut Order,
    record: &OrderRecord,
    given: &mut Given,
    store: &Store,
    certificates: &Certificates,
) -> Result<(), Failure> {
    let failed = |error: Error| Failure::of(&error);
    insist!(authorizations(order)).map_err(failed)?;
    let mut asked = order.authorizations();
    while let Some(authorization) = asked.next().await {
        let mut authorization = authorization.map_err(failed)?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(challenge) = authorization.challenge(answers::challenge_type(record.way)) else {
            let words = format!("the authority does not offer {} for {name}", record.way);
            return Err(Failure::new(words, Fate::Unproven));
        };
        given.add(&name, &challenge.token, challenge.key_authorization().as_str());
    }
    let giving = given.give(store, certificates).await;
    giving.map_err(|error| Failure::new(format!("the answers could not be given: {error:#}"), Fate::Open))?;
    call(order, record).await?;
    insist!(order.poll_ready(&PATIENCE)).map(|_| ()).map_err(failed)
}

/// Tells the authority that it may look.
async fn call(order: &mut Order, record: &OrderRecord) -> Result<(), Failure> {
    let mut asked = order.authorizations();
    while let Some(authorization) = asked.next().await {
        let mut authorization = authorization.map_err(|error| Failure::of(&error))?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(answers::challenge_type(record.way)) else { continue };
        if challenge.status == ChallengeStatus::Pending {
            insist!(challenge.set_ready()).map_err(|error| unproven(&error, &name))?;
        }
    }
    Ok(())
}

/// Some authorities look at once, and say what they saw in place of the challenge.
fn unproven(error: &Error, name: &str) -> Failure {
    match error {
        Error::Api(problem) if Failure::of(error).fate == Fate::Dead => {
            Failure::new(in_words(problem, Some(name)), proof_fate(problem))
        }
        error => Failure::of(error),
    }
}

/// Fetches every authorization that is not known yet: one that failed is not skipped when it is called again.
async fn authorizations(order: &mut Order) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        authorization?;
    }
    Ok(())
}

/// What a step came to: where the order is lost, the authority says more about it elsewhere.
async fn settle(order: &mut Order, step: Result<(), Failure>) -> Result<(), Failure> {
    if let Err(failure) = &step {
        if !matches!(failure.fate, Fate::Dead | Fate::Unproven) {
            return step;
        }
        insist!(refresh(order)).map_err(|error| Failure::of(&error))?;
    }
    if order.state().status == OrderStatus::Invalid { Err(why(order).await) } else { step }
}

async fn refresh(order: &mut Order) -> Result<(), Error> {
    order.refresh().await.map(|_| ())
}

/// Why an order is lost: what the authority says about each name that was not proven, or about the whole.
async fn why(order: &mut Order) -> Failure {
    let (mut words, mut fate) = (Vec::new(), Fate::Dead);
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if insist!(async { authorization.refresh().await.map(|_| ()) }).is_err()
            || authorization.status != AuthorizationStatus::Invalid
        {
            continue;
        }
        let name = authorization.identifier().to_string();
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.clone());
        if let Some(problem) = problem {
            words.push(in_words(&problem, Some(&name)));
            fate = proof_fate(&problem);
        } else {
            words.push(format!("the authority could not prove {name} to be this host's, and does not say why"));
            fate = Fate::Unproven;
        }
    }
    if words.is_empty() {
        let said = order.state().error.as_ref().map(|problem| in_words(problem, None));
        words.push(said.unwrap_or_else(|| "the authority has given up the order, and does not say why".into()));
    }
    Failure::new(words.join("; "), fate)
}

/// The request for the certificate (RFC 2986), as DER.
fn request(key_pem: &str, names: &[String]) -> Result<Vec<u8>, Failure> {
    let make = || {
        let key = KeyPair::from_pem(key_pem)?;
        let mut wanted = CertificateParams::new(names.to_vec())?;
        wanted.distinguished_name = DistinguishedName::new();
        Ok::<_, rcgen::Error>(wanted.serialize_request(&key)?.der().to_vec())
    };
    make().map_err(|error| ours(&error))
}

fn ours(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("this server could not make what the authority wants: {error}"), Fate::Dead)
}
