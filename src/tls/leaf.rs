//! What a server's own certificate says of itself, without its key.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::PairError;
use super::pair::name;

/// The first certificate of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The names and addresses that it is for, in lower case.
    pub names: Vec<String>,
    /// Who signed it, in a word or two.
    pub issuer: String,
    /// From when it is valid, in milliseconds since the Unix epoch.
    pub not_before: i64,
    /// Until when it is valid, in milliseconds since the Unix epoch.
    pub not_after: i64,
    /// Whether nobody else signed it.
    pub is_self_signed: bool,
}

impl Leaf {
    /// Reads it from a chain, the server's certificate first.
    ///
    /// # Errors
    /// [`PairError::NoCertificate`] or [`PairError::BadCertificate`].
    pub fn read(chain: &[CertificateDer<'_>]) -> Result<Self, PairError> {
        let first = chain.first().ok_or(PairError::NoCertificate)?;
        let (_, read) =
            X509Certificate::from_der(first).map_err(|error| PairError::BadCertificate(error.to_string()))?;
        let names = match read.subject_alternative_name() {
            Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
            _ => Vec::new(),
        };
        let issuer = read.issuer();
        let word = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(str::to_owned);
        let organization = word(issuer.iter_organization().next().and_then(|part| part.as_str().ok()));
        let common = word(issuer.iter_common_name().next().and_then(|part| part.as_str().ok()));
        Ok(Self {
            names,
            issuer: match (organization, common) {
                (Some(organization), Some(common)) => format!("{organization} {common}"),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => "somebody without a name".into(),
            },
            not_before: read.validity().not_before.timestamp().saturating_mul(1_000),
            not_after: read.validity().not_after.timestamp().saturating_mul(1_000),
            is_self_signed: read.issuer() == read.subject(),
        })
    }

    /// The same from PEM, whatever else stands there.
    ///
    /// # Errors
    /// [`PairError::NoCertificate`] or [`PairError::BadCertificate`].
    pub fn parse(pem: &[u8]) -> Result<Self, PairError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::read(&chain.map_err(|_| PairError::NoCertificate)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    #[test]
    fn a_certificate_says_who_signed_it_and_for_whom() {
        let (chain, key) = self_signed::pem(&["a.example".into()]).unwrap();
        let leaf = Leaf::parse(format!("{key}{chain}").as_bytes()).unwrap();
        assert_eq!((leaf.names[0].as_str(), leaf.issuer.as_str()), ("a.example", "Sarangbang self-signed"));
        assert!(leaf.is_self_signed && leaf.not_before < leaf.not_after);
        assert!(Leaf::parse(key.as_bytes()).is_err());
    }
}
