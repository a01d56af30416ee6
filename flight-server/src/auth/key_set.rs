//! A JWKS: the public keys of whoever issues JWTs.

use engine::{Error, Result};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;

/// Signatures that are taken. Those with a shared secret (HS*) are not: who can check them can forge them, and a public key
/// taken for a secret is the oldest of tricks.
pub const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The keys of one issuer.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    /// The one algorithm that the key is for, where the set says so.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads the JSON of a JWKS. Keys that are for something else, or of a kind that is not known here, are left out.
    ///
    /// # Errors
    /// No JWKS, or none with a key that signs.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::Invalid(format!("JWKS: {what}"));
        let set: Value = serde_json::from_slice(json).map_err(|_| wrong("this is not JSON"))?;
        let Some(keys) = set.get("keys").and_then(Value::as_array) else {
            return Err(wrong("there is no list `keys`"));
        };
        let keys: Vec<_> = keys.iter().filter_map(Key::parse).collect();
        if keys.is_empty() {
            return Err(wrong(
                "there is no public key for signatures (RSA, P-256, P-384 or Ed25519)",
            ));
        }
        Ok(Self { keys })
    }

    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have made a signature: of that id (a key without one may be any), for that algorithm.
    pub fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| {
            let same_id = id.is_none() || key.id.is_none() || key.id.as_deref() == id;
            let same_algorithm = key.algorithm.is_none_or(|only| only == algorithm);
            same_id && same_algorithm && key.key.family() == algorithm.family()
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    fn parse(json: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
        let signs = jwk.common.public_key_use.as_ref();
        if signs.is_some_and(|used_for| *used_for != PublicKeyUse::Signature)
            || matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_))
        {
            return None;
        }
        let algorithm = match jwk.common.key_algorithm {
            Some(named) => Some(known(named)?),
            None => None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (key.family() != AlgorithmFamily::Hmac).then_some(Self {
            id: jwk.common.key_id,
            algorithm,
            key,
        })
    }
}

fn known(named: KeyAlgorithm) -> Option<Algorithm> {
    let algorithm: Algorithm = named.to_string().parse().ok()?;
    ALGORITHMS.contains(&algorithm).then_some(algorithm)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed(more: Value) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let fields = key.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        key
    }

    fn parse(keys: Vec<Value>) -> Result<KeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_are_chosen_by_id_and_algorithm() {
        let keys = vec![
            ed(json!({"kid": "a"})),
            ed(json!({"kid": "b", "alg": "EdDSA"})),
        ];
        let set = parse(keys).unwrap();
        let count = |id, algorithm| set.candidates(id, algorithm).count();
        assert_eq!(count(Some("a"), Algorithm::EdDSA), 1);
        assert_eq!(count(Some("c"), Algorithm::EdDSA), 0);
        assert_eq!(count(None, Algorithm::EdDSA), 2);
        assert_eq!(count(Some("a"), Algorithm::ES256), 0);
        assert_eq!(count(None, Algorithm::HS256), 0);
    }

    #[test]
    fn keys_that_are_not_for_signatures_are_left_out() {
        let secret = json!({"kty": "oct", "k": "aHVzaA", "kid": "s"});
        let set = parse(vec![
            secret.clone(),
            ed(json!({"use": "enc"})),
            ed(json!({"alg": "HS256"})),
            ed(json!({"alg": "ECDH-ES"})),
            json!({"kty": "new", "kid": "n"}),
            ed(json!({"use": "sig"})),
        ]);
        assert_eq!(set.unwrap().keys.len(), 1);
        assert!(parse(vec![secret]).is_err());
    }

    #[test]
    fn what_is_no_key_set_is_an_error_that_does_not_repeat_it() {
        for text in [
            "hush",
            "{\"hush\": 1}",
            "[]",
            "{\"keys\": \"hush\"}",
            "{\"keys\": []}",
        ] {
            let error = KeySet::parse(text.as_bytes()).err().unwrap().to_string();
            assert!(
                error.starts_with("JWKS: ") && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
