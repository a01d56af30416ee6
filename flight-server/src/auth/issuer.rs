//! An issuer of JWTs, for tests.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// Whom its tokens are for.
pub const AUDIENCE: &str = "paratope";
/// What it calls itself.
pub const ISSUER: &str = "https://issuer.example.org";

/// Signs with one P-256 key.
pub struct Issuer {
    id: String,
    key: EncodingKey,
}

impl Issuer {
    /// With a new key of that id.
    pub fn new(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        Self {
            id: id.into(),
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(),
        }
    }

    /// Its public key.
    pub fn jwks(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        json!({ "keys": [jwk] })
    }

    /// A token.
    pub fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// Seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
