//! What the store keeps about certificates. No key: they are left where they are.

use serde_json::Value;

use crate::store::{Store, StoreError};

/// What the store keeps about certificates.
#[derive(Default)]
pub(super) struct Kept {
    /// How the authority was asked last, and when it is asked again.
    pub(super) plan: Option<Value>,
    /// The certificate that an authority gave, as PEM.
    pub(super) issued: Option<String>,
    /// The certificate of one's own making, as PEM.
    pub(super) own: Option<String>,
}

impl Kept {
    pub(super) async fn read(store: &Store) -> Result<Self, StoreError> {
        let kept = async |name: &str| -> Result<Option<Vec<u8>>, StoreError> {
            Ok(store.kept(name).await?.map(|kept| kept.expose().to_vec()))
        };
        let json = |kept: Option<Vec<u8>>| kept.and_then(|kept| serde_json::from_slice::<Value>(&kept).ok());
        let issued = json(kept("acme/certificate").await?);
        let own = kept("tls/self-signed").await?.and_then(|pem| String::from_utf8(pem).ok());
        Ok(Self {
            plan: json(kept("acme/plan").await?),
            issued: issued.and_then(|issued| Some(issued.get("chain_pem")?.as_str()?.to_owned())),
            own: own.map(|pem| certificates_of(&pem)),
        })
    }
}

/// The certificates of a PEM text, without the key that may stand beside them.
fn certificates_of(pem: &str) -> String {
    let parts = pem.split("-----BEGIN ").filter(|part| part.starts_with("CERTIFICATE-----"));
    parts.map(|part| format!("-----BEGIN {part}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_left_where_it_is() {
        let pem = "-----BEGIN CERTIFICATE-----\na\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nb\n-----END PRIVATE KEY-----\n";
        assert_eq!(certificates_of(pem), "-----BEGIN CERTIFICATE-----\na\n-----END CERTIFICATE-----\n");
    }
}
