//! From what a call shows to who calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use engine::config::{AuthConfig, TlsConfig};
use engine::policy::Grants;
use engine::session::Caller;
use engine::{Error, Result};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::Principal;
use super::certificate::Holder;
use super::checker::Checker;
use super::header::Credentials;
use super::jwks::KeySource;
use super::jwt::Jwt;
use super::password::digest_token;
use super::refusal;
use super::requirements::{Protection, protection};
use super::session_token::{Refused, SessionTokens};
use super::users::{User, Users};
use crate::watched::Watched;

/// Everybody's name where the server is open.
const ANYBODY: &str = "anonymous";

/// Says who calls.
pub struct Authenticator {
    protection: Protection,
    users: Option<Watched<Users>>,
    jwt: Option<Arc<Jwt>>,
    certificates: bool,
    checker: Checker,
    tokens: SessionTokens,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// As configured. Within a runtime, it starts to read the keys of JWTs.
    ///
    /// # Errors
    /// What is missing, half, or wrong in the configuration and its files; too little protection for the address.
    pub fn new(config: &AuthConfig, tls: &TlsConfig, listen: SocketAddr) -> Result<Self> {
        let protection = protection(config, tls, listen)?;
        let users = match &config.users {
            Some(path) => Some(Users::watch(path, None)?),
            None => None,
        };
        let others = config.jwks.is_some() || tls.client_ca.is_some();
        if let (Some(path), Some(users), false) = (&config.users, &users, others)
            && !users.last().have_secrets()
        {
            return Err(Error::Invalid(format!(
                "nobody could sign in: no user of {} has a password or a token; make one with `paratope config hash`",
                path.display()
            )));
        }
        let jwt = match (&config.jwks, &config.audience, &config.issuer) {
            (Some(jwks), Some(audience), Some(issuer)) => {
                let keys = KeySource::open(jwks)?;
                Some(Jwt::new(keys, audience.clone(), issuer.clone()))
            }
            _ => None,
        };
        let jwt = jwt.map(Arc::new);
        if let (Some(jwt), Ok(runtime)) = (&jwt, tokio::runtime::Handle::try_current()) {
            let jwt = Arc::clone(jwt);
            runtime.spawn(async move { jwt.prepare().await });
        }
        Self::with(protection, users, jwt, tls.client_ca.is_some())
    }

    /// From its parts.
    pub(super) fn with(
        protection: Protection,
        users: Option<Watched<Users>>,
        jwt: Option<Arc<Jwt>>,
        certificates: bool,
    ) -> Result<Self> {
        Ok(Self {
            protection,
            users,
            jwt,
            certificates,
            checker: Checker::new()?,
            tokens: SessionTokens::new()?,
        })
    }

    /// Whether everybody is let in, as admin.
    pub fn is_open(&self) -> bool {
        self.protection == Protection::Open
    }

    /// Whether a client certificate is the only way in, so that a connection without one is of no use.
    pub fn takes_certificates_only(&self) -> bool {
        let users = self.users.as_ref().map(Watched::last);
        let secrets = users.is_some_and(|users| users.have_secrets());
        self.certificates && self.jwt.is_none() && !secrets
    }

    /// Who calls: by the header `authorization`, else by the client certificate of the connection.
    ///
    /// # Errors
    /// `Unauthenticated` where nothing is shown, or it is wrong; `PermissionDenied` for somebody known without a role;
    /// `Unavailable` where it cannot be found out now.
    pub async fn authenticate(
        &self,
        metadata: &MetadataMap,
        certificates: Option<&[CertificateDer<'_>]>,
    ) -> Result<Principal, Status> {
        if self.is_open() {
            return Ok(anybody(None));
        }
        match Credentials::of(metadata)? {
            Some(Credentials::Bearer(token)) => self.bearer(&token).await,
            Some(Credentials::Basic { user, password }) => {
                let user = self.sign_in(&user, password).await?;
                Ok(principal(&user.caller, None))
            }
            None => match certificates.and_then(|shown| shown.first()) {
                Some(leaf) if self.certificates => self.certificate(leaf).await,
                _ => Err(self.nothing_shown()),
            },
        }
    }

    /// The handshake: user and password in the header `authorization` get a bearer token for the calls that follow. A
    /// bearer token that is good already is given back.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn handshake(&self, metadata: &MetadataMap) -> Result<(Principal, String), Status> {
        if self.is_open() {
            return self.token(&anybody(None).caller, b"");
        }
        match Credentials::of(metadata)? {
            Some(Credentials::Basic { user, password }) => self.handshake_as(&user, password).await,
            Some(Credentials::Bearer(token)) => Ok((self.bearer(&token).await?, token)),
            None => Err(self.nothing_shown()),
        }
    }

    /// The handshake of clients that send name and password in its message and not in a header.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn handshake_as(
        &self,
        user: &str,
        password: Vec<u8>,
    ) -> Result<(Principal, String), Status> {
        if self.is_open() {
            return self.token(&anybody(None).caller, b"");
        }
        let user = self.sign_in(user, password).await?;
        self.token(&user.caller, bound_to(&user))
    }

    fn token(&self, caller: &Caller, bound_to: &[u8]) -> Result<(Principal, String), Status> {
        let issued = self.tokens.issue(&caller.user, bound_to, SystemTime::now());
        let (token, end) = issued.map_err(|error| internal(&error))?;
        Ok((principal(caller, Some(end)), token))
    }

    async fn bearer(&self, token: &str) -> Result<Principal, Status> {
        let users = self.users().await;
        let users = users.as_deref();
        if SessionTokens::claims(token) {
            let find = |name: &str| {
                let user = Arc::clone(users?.named(name)?);
                let bound_to = bound_to(&user).to_vec();
                Some((user, bound_to))
            };
            match self.tokens.open(token, SystemTime::now(), find) {
                Ok((user, end)) => return Ok(principal(&user.caller, Some(end))),
                Err(Refused::Expired) => return Err(refusal::expired_token()),
                Err(Refused::Unknown) => {}
            }
        }
        let digest = digest_token(token.as_bytes());
        if let Some(user) = users.and_then(|users| users.with_token(&digest)) {
            return Ok(principal(&user.caller, None));
        }
        match &self.jwt {
            Some(jwt) if Jwt::claims(token) => {
                let claimed = jwt.verify(token).await?;
                let listed = users.and_then(|users| users.named(&claimed.user));
                let grants = claimed
                    .grants
                    .or_else(|| listed.map(|user| user.caller.grants.clone()));
                let user = claimed.user;
                let Some(grants) = grants else {
                    return Err(refusal::no_role(
                        format_args!("the subject {user} of the JWT"),
                        "its issuer names one in the claim `paratope_role`, or an operator of the server lists the name in the file of users",
                    ));
                };
                Ok(principal(&Caller { user, grants }, claimed.expires_at))
            }
            _ => Err(refusal::unknown_token()),
        }
    }

    async fn sign_in(&self, name: &str, password: Vec<u8>) -> Result<Arc<User>, Status> {
        let users = self.users().await;
        let users = users.as_ref().ok_or_else(|| self.nothing_shown())?;
        let known = users.named(name).filter(|user| user.password.is_some());
        // Without a user, the slowest hash is computed in vain: time shall not tell who exists.
        let hash = known.and_then(|user| user.password.as_ref());
        let hash = hash.or(users.costliest());
        let hash = hash.ok_or_else(|| self.nothing_shown())?;
        let fits = self.checker.fits(name, password, hash).await?;
        match known {
            Some(user) if fits => Ok(Arc::clone(user)),
            Some(user) => {
                tracing::info!(user = user.caller.user, "a wrong password was refused");
                Err(refusal::wrong_password())
            }
            None => Err(refusal::wrong_password()),
        }
    }

    async fn certificate(&self, leaf: &CertificateDer<'_>) -> Result<Principal, Status> {
        let holder = Holder::of(leaf).ok_or_else(refusal::nameless_certificate)?;
        if holder.expires_at <= SystemTime::now() {
            return Err(refusal::expired_certificate());
        }
        let users = self.users().await;
        let user = users.as_deref().and_then(|users| users.named(&holder.user));
        let user = user.ok_or_else(|| {
            refusal::no_role(
                format_args!("the user {} of the client certificate", holder.user),
                "an operator of the server lists the name in the file of users",
            )
        })?;
        Ok(principal(&user.caller, Some(holder.expires_at)))
    }

    async fn users(&self) -> Option<Arc<Users>> {
        match &self.users {
            Some(users) => Some(users.current().await),
            None => None,
        }
    }

    /// What this server takes.
    fn nothing_shown(&self) -> Status {
        let users = self.users.as_ref().map(Watched::last).unwrap_or_default();
        let mut ways = Vec::new();
        if users.have_passwords() {
            ways.push("user and password (a handshake, or the header `authorization: Basic …`)");
        }
        if users.have_tokens() {
            ways.push("a bearer token (the header `authorization: Bearer …`)");
        }
        if self.jwt.is_some() {
            ways.push("a JWT (the header `authorization: Bearer …`)");
        }
        if self.certificates {
            ways.push("a client certificate");
        }
        Status::unauthenticated(format!(
            "this server asks who calls. It takes {}",
            ways.join(", or ")
        ))
    }
}

/// What a token of the user is bound to: with another password it is void.
fn bound_to(user: &User) -> &[u8] {
    user.password.as_ref().map_or(&[], |hash| hash.as_bytes())
}

fn principal(caller: &Caller, expires_at: Option<SystemTime>) -> Principal {
    Principal {
        caller: caller.clone(),
        expires_at,
    }
}

fn anybody(expires_at: Option<SystemTime>) -> Principal {
    let caller = Caller {
        user: ANYBODY.into(),
        grants: Grants::everything(),
    };
    Principal { caller, expires_at }
}

fn internal(error: &Error) -> Status {
    tracing::error!(%error, "a token could not be issued");
    Status::internal("a token could not be issued: the log of the server says why")
}
