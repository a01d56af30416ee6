//! JWTs: tokens that an identity provider gives out and signs.
//!
//! The user is the claim `sub`. Roles are the claims `paratope_role` (`reader`, `writer`, `admin`) and `paratope_schemas`
//! (`{"main": "writer"}`), or those that the file of users gives to that name.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::catalog::SCHEMAS;
use engine::policy::Grants;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use tonic::Status;

use super::jwks::KeySource;
use super::key_set::{ALGORITHMS, KeySet};
use super::refusal;

const ROLE: &str = "paratope_role";
const SCHEMA_ROLES: &str = "paratope_schemas";
/// Longest name of a user, bytes.
const LONGEST_NAME: usize = 256;

/// Takes JWTs of one issuer for one audience.
pub struct Jwt {
    keys: KeySource,
    audience: String,
    issuer: String,
}

/// What a good JWT says.
#[derive(Debug)]
pub struct Claimed {
    /// Its subject.
    pub user: String,
    /// Its roles, where it names some.
    pub grants: Option<Grants>,
    /// Its end.
    pub expires_at: Option<SystemTime>,
}

/// Whatever stands there: the library says which of the claims that must be there is missing or wrong.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: Value,
    #[serde(default)]
    exp: Value,
    #[serde(rename = "paratope_role")]
    role: Option<Value>,
    #[serde(rename = "paratope_schemas")]
    schemas: Option<Value>,
}

impl Jwt {
    /// For tokens of this issuer and audience, signed with one of the keys.
    pub fn new(keys: KeySource, audience: String, issuer: String) -> Self {
        Self {
            keys,
            audience,
            issuer,
        }
    }

    /// Whether a token is a JWT at all.
    pub fn claims(token: &str) -> bool {
        token.matches('.').count() == 2 && token.starts_with("eyJ")
    }

    /// Reads the keys ahead of the first token.
    pub async fn prepare(&self) {
        self.keys.current().await;
    }

    /// What the token says, after every check.
    ///
    /// # Errors
    /// The first check that it does not pass.
    pub async fn verify(&self, token: &str) -> Result<Claimed, Status> {
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(reason(&ErrorKind::InvalidAlgorithm));
        }
        if header.crit.is_some() {
            return Err(refusal::jwt(
                "it has critical extensions that are not known here",
            ));
        }
        let mut keys = self.keys.current().await;
        let id = header.kid.as_deref();
        if keys.candidates(id, header.alg).next().is_none() {
            keys = self.keys.renewed().await;
        }
        let claims = self.check(token, &header, &keys)?;
        let name = claims.sub.as_str().filter(|name| {
            (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control)
        });
        let user = name.ok_or_else(|| refusal::jwt("its claim `sub` is no name of a user"))?;
        Ok(Claimed {
            user: user.to_owned(),
            grants: grants(&claims)?,
            expires_at: time(&claims.exp),
        })
    }

    fn check(&self, token: &str, header: &Header, keys: &KeySet) -> Result<Claims, Status> {
        if keys.is_empty() {
            return Err(Status::unavailable(
                "the keys of the issuer of JWTs could not be read: try again in a minute, and tell an operator of the server",
            ));
        }
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.validate_nbf = true;
        let mut refused = refusal::jwt(
            "it is not signed by a key that this server knows (`server.auth.jwks`) for its algorithm",
        );
        for key in keys.candidates(header.kid.as_deref(), header.alg) {
            match decode::<Claims>(token, key, &validation) {
                Ok(token) => return Ok(token.claims),
                // With the wrong key the signature does not fit. All else is wrong with any key.
                Err(error) if *error.kind() == ErrorKind::InvalidSignature => {
                    refused = reason(error.kind());
                }
                Err(error) => return Err(self.explain(error.kind())),
            }
        }
        Err(refused)
    }

    fn explain(&self, kind: &ErrorKind) -> Status {
        match kind {
            ErrorKind::InvalidAudience => refusal::jwt(format_args!(
                "it is for another audience; this server is {}",
                self.audience
            )),
            ErrorKind::InvalidIssuer => refusal::jwt(format_args!(
                "it comes from another issuer than {}",
                self.issuer
            )),
            other => reason(other),
        }
    }
}

/// The reason, without anything of the token.
fn reason(kind: &ErrorKind) -> Status {
    match kind {
        ErrorKind::ExpiredSignature => refusal::jwt("it has expired; get a new one"),
        ErrorKind::ImmatureSignature => refusal::jwt("it is not good yet (`nbf`)"),
        ErrorKind::InvalidSignature => refusal::jwt("its signature is wrong"),
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => refusal::jwt(
            "its algorithm is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA",
        ),
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
            refusal::jwt(format_args!("its claim `{claim}` is missing or wrong"))
        }
        _ => refusal::jwt("it is malformed"),
    }
}

/// The roles that a token names.
fn grants(claims: &Claims) -> Result<Option<Grants>, Status> {
    if claims.role.is_none() && claims.schemas.is_none() {
        return Ok(None);
    }
    let wrong = |claim: &str, what: &str| refusal::jwt(format_args!("its claim `{claim}` {what}"));
    let mut grants = Grants::default();
    if let Some(role) = &claims.role {
        let role = Deserialize::deserialize(role);
        grants.role = Some(role.map_err(|_| wrong(ROLE, "is none of reader, writer and admin"))?);
    }
    if let Some(schemas) = &claims.schemas {
        let what = "is no map of schemas (main, system) to reader, writer or admin";
        grants.schemas =
            Deserialize::deserialize(schemas).map_err(|_| wrong(SCHEMA_ROLES, what))?;
        if grants
            .schemas
            .keys()
            .any(|s| !SCHEMAS.contains(&s.as_str()))
        {
            return Err(wrong(SCHEMA_ROLES, what));
        }
    }
    Ok(Some(grants))
}

/// Seconds since 1970, of which some issuers send fractions.
fn time(seconds: &Value) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    UNIX_EPOCH.checked_add(since)
}
