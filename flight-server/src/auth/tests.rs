//! Who is let in and who is not, with every kind of credentials.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::config::{AuthConfig, TlsConfig};
use engine::policy::{Grants, Role};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::authenticator::Authenticator;
use super::header::to_base64;
use super::issuer::{AUDIENCE, ISSUER, Issuer, now};
use super::jwks::KeySource;
use super::jwt::Jwt;
use super::password::{hash_token, hash_within, quick_hash};
use super::requirements::Protection;
use super::users::Users;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn no_headers() -> MetadataMap {
    MetadataMap::new()
}

fn header(value: &str) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", value.parse().unwrap());
    metadata
}

fn basic(user: &str, password: &str) -> MetadataMap {
    let pair = to_base64(format!("{user}:{password}").as_bytes());
    header(&format!("Basic {pair}"))
}

fn bearer(token: &str) -> MetadataMap {
    header(&format!("Bearer {token}"))
}

fn user(name: &str, rest: &str) -> String {
    format!("[[users]]\nname = '{name}'\n{rest}\n")
}

fn password(text: &str) -> String {
    format!("password = '{}'", quick_hash(text.as_bytes()))
}

/// A server with users and JWTs, whose files are looked at with every call.
struct Server {
    dir: tempfile::TempDir,
    authenticator: Authenticator,
    issuer: Issuer,
}

impl Server {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let issuer = Issuer::new("k1");
        let file = users_file(dir.path());
        let token = hash_token(TOKEN.as_bytes()).unwrap();
        let ada = format!(
            "{}\ntoken = '{token}'\nrole = 'writer'",
            password("correct")
        );
        std::fs::write(
            &file,
            [user("ada", &ada), user("robot", "role = 'reader'")].concat(),
        )
        .unwrap();
        let users = Users::watch(&file, Some(Duration::ZERO)).unwrap();
        let keys = dir.path().join("jwks.json");
        std::fs::write(&keys, issuer.jwks().to_string()).unwrap();
        let keys = KeySource::file(&keys, Duration::ZERO).unwrap();
        let jwt = Arc::new(Jwt::new(keys, AUDIENCE.into(), ISSUER.into()));
        let authenticator =
            Authenticator::with(Protection::Closed, Some(users), Some(jwt), true).unwrap();
        Self {
            dir,
            authenticator,
            issuer,
        }
    }

    fn set_users(&self, text: &str) {
        // As editors do it, so that the file is another one each time.
        let new = self.dir.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, users_file(self.dir.path())).unwrap();
    }

    async fn name(&self, metadata: &MetadataMap) -> Result<String, Status> {
        let principal = self.authenticator.authenticate(metadata, None).await?;
        Ok(principal.caller.user)
    }

    async fn jwt(&self, claims: Value) -> Result<super::Principal, Status> {
        let token = self.issuer.sign(&claims);
        self.authenticator.authenticate(&bearer(&token), None).await
    }
}

fn users_file(dir: &Path) -> PathBuf {
    dir.join("users.toml")
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"sub": "eve", "aud": AUDIENCE, "iss": ISSUER, "exp": now() + 600});
    let fields = claims.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
    claims
}

#[track_caller]
fn refused<T>(answer: Result<T, Status>, code: Code, message: &str) {
    let status = answer.err().unwrap();
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(message), "{status}");
}

#[tokio::test]
async fn an_open_server_takes_everybody_for_an_admin_and_gives_out_tokens() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let open = Authenticator::new(&AuthConfig::default(), &TlsConfig::default(), listen).unwrap();
    assert!(open.is_open());
    for metadata in [
        no_headers(),
        basic("x", "y"),
        bearer("z"),
        header("nonsense"),
    ] {
        let principal = open.authenticate(&metadata, None).await.unwrap();
        assert_eq!(principal.caller.user, "anonymous");
        assert!(principal.caller.grants.is_admin());
        let (principal, token) = open.handshake(&metadata).await.unwrap();
        assert_eq!(principal.caller.user, "anonymous");
        let again = open.authenticate(&bearer(&token), None).await.unwrap();
        assert_eq!(again.caller.user, "anonymous");
    }
}

#[test]
fn a_server_that_others_reach_is_not_open() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let refused = Authenticator::new(&AuthConfig::default(), &TlsConfig::default(), listen);
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("server.auth.users"), "{message}");
}

#[tokio::test]
async fn who_shows_nothing_is_told_what_to_show() {
    let server = Server::new();
    let answer = server.authenticator.authenticate(&no_headers(), None).await;
    let message = answer.unwrap_err();
    assert_eq!(message.code(), Code::Unauthenticated);
    for way in ["Basic", "Bearer", "JWT", "certificate"] {
        assert!(message.message().contains(way), "{message}");
    }
    refused(
        server.authenticator.handshake(&no_headers()).await,
        Code::Unauthenticated,
        "user and password",
    );
}

#[tokio::test]
async fn a_password_is_good_for_calls_and_for_a_handshake() {
    let server = Server::new();
    assert_eq!(server.name(&basic("ada", "correct")).await.unwrap(), "ada");
    let (principal, token) = server
        .authenticator
        .handshake(&basic("ada", "correct"))
        .await
        .unwrap();
    assert_eq!(principal.caller.grants, Grants::of(Role::Writer));
    assert!(principal.expires_at.unwrap() > std::time::SystemTime::now());
    assert_eq!(server.name(&bearer(&token)).await.unwrap(), "ada");
    let (_, same) = server
        .authenticator
        .handshake(&bearer(&token))
        .await
        .unwrap();
    assert_eq!(same, token);
    let sent_otherwise = server
        .authenticator
        .handshake_as("ada", b"correct".to_vec())
        .await;
    assert_eq!(sent_otherwise.unwrap().0.caller.user, "ada");
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_sound_the_same_and_are_not_repeated() {
    let server = Server::new();
    let mut messages = Vec::new();
    for (name, password) in [
        ("ada", "hush"),
        ("nobody", "hush"),
        ("robot", "hush"),
        ("nobody", "correct"),
        ("", ""),
    ] {
        let status = server.name(&basic(name, password)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        messages.push(format!("{status:?}"));
        let status = server
            .authenticator
            .handshake(&basic(name, password))
            .await
            .unwrap_err();
        messages.push(format!("{status:?}"));
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(!messages[0].contains("hush"));
}

#[tokio::test]
async fn an_unknown_name_takes_the_time_of_a_known_one() {
    let dir = tempfile::tempdir().unwrap();
    let slow = hash_within(b"correct", 2_048);
    let entry = user("ada", &format!("password = '{slow}'\nrole = 'reader'"));
    std::fs::write(users_file(dir.path()), entry).unwrap();
    let config = AuthConfig {
        users: Some(users_file(dir.path())),
        ..AuthConfig::default()
    };
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Authenticator::new(&config, &TlsConfig::default(), listen).unwrap();
    let time = async |name: &str| {
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = std::time::Instant::now();
            let answer = server.authenticate(&basic(name, "wrong"), None).await;
            refused(answer, Code::Unauthenticated, "wrong");
            times.push(started.elapsed());
        }
        times.sort();
        times[2]
    };
    let (known, unknown) = (time("ada").await, time("nobody").await);
    assert!(
        unknown > known / 3 && known > unknown / 3,
        "{known:?}, {unknown:?}"
    );
}

#[tokio::test]
async fn a_token_of_the_file_is_good_and_any_other_is_not() {
    let server = Server::new();
    assert_eq!(server.name(&bearer(TOKEN)).await.unwrap(), "ada");
    for token in ["hush", "pt1.hush.hush", "pt1.", "a.b.c", &TOKEN[1..]] {
        let status = server.name(&bearer(token)).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{token}");
        assert!(!format!("{status:?}").contains("hush"), "{status:?}");
    }
}

#[tokio::test]
async fn a_token_of_another_run_of_the_server_is_refused_with_the_remedy() {
    let (server, other) = (Server::new(), Server::new());
    let (_, token) = other
        .authenticator
        .handshake(&basic("ada", "correct"))
        .await
        .unwrap();
    refused(
        server.name(&bearer(&token)).await,
        Code::Unauthenticated,
        "sign in again",
    );
}

#[tokio::test]
async fn who_is_taken_out_of_the_file_is_out_at_once_and_new_roles_count() {
    let server = Server::new();
    let (_, token) = server
        .authenticator
        .handshake(&basic("ada", "correct"))
        .await
        .unwrap();
    let entry = format!("{}\nrole = 'admin'", password("correct"));
    server.set_users(&user("ada", &entry));
    let now = server
        .authenticator
        .authenticate(&bearer(&token), None)
        .await
        .unwrap();
    assert!(now.caller.grants.is_admin());
    refused(
        server.name(&bearer(TOKEN)).await,
        Code::Unauthenticated,
        "sign in",
    );

    server.set_users("this is no TOML");
    assert_eq!(server.name(&bearer(&token)).await.unwrap(), "ada", "kept");

    server.set_users(&user("bob", "role = 'admin'"));
    for shown in [bearer(&token), basic("ada", "correct")] {
        refused(server.name(&shown).await, Code::Unauthenticated, "");
    }
}

#[tokio::test]
async fn a_changed_password_ends_sessions_and_the_old_one() {
    let server = Server::new();
    let (_, token) = server
        .authenticator
        .handshake(&basic("ada", "correct"))
        .await
        .unwrap();
    let entry = format!("{}\nrole = 'writer'", password("another"));
    server.set_users(&user("ada", &entry));
    refused(
        server.name(&bearer(&token)).await,
        Code::Unauthenticated,
        "sign in again",
    );
    refused(
        server.name(&basic("ada", "correct")).await,
        Code::Unauthenticated,
        "wrong",
    );
    assert_eq!(server.name(&basic("ada", "another")).await.unwrap(), "ada");
}

#[tokio::test]
async fn a_jwt_brings_its_roles_or_those_of_the_file() {
    let server = Server::new();
    let roles = json!({"paratope_role": "reader", "paratope_schemas": {"main": "writer"}});
    let eve = server.jwt(claims(roles)).await.unwrap();
    assert_eq!(eve.caller.user, "eve");
    assert_eq!(eve.caller.grants.role, Some(Role::Reader));
    assert_eq!(eve.caller.grants.schemas["main"], Role::Writer);
    assert!(eve.expires_at.unwrap() > std::time::SystemTime::now());
    let robot = server.jwt(claims(json!({"sub": "robot"}))).await.unwrap();
    assert_eq!(robot.caller.grants, Grants::of(Role::Reader));
    let nobody = server.jwt(claims(json!({}))).await;
    refused(nobody, Code::PermissionDenied, "paratope_role");
    let several =
        claims(json!({"aud": ["other", AUDIENCE], "sub": "robot", "exp": now() as f64 + 60.5}));
    server.jwt(several).await.unwrap();
}

#[tokio::test]
async fn a_jwt_that_is_wrong_in_any_way_is_refused_with_the_reason() {
    let server = Server::new();
    for (more, reason) in [
        (json!({"exp": now() - 600}), "expired"),
        (json!({"exp": null}), "`exp`"),
        (json!({"exp": "hush"}), "`exp`"),
        (json!({"nbf": now() + 600}), "`nbf`"),
        (json!({"aud": "hush"}), "another audience"),
        (json!({"aud": null}), "`aud`"),
        (json!({"iss": "hush"}), "another issuer"),
        (json!({"iss": null}), "`iss`"),
        (json!({"sub": null}), ""),
        (json!({"sub": ""}), "`sub`"),
        (json!({"sub": "a\nb"}), "`sub`"),
        (json!({"paratope_role": "hush"}), "`paratope_role`"),
        (json!({"paratope_schemas": "hush"}), "`paratope_schemas`"),
        (
            json!({"paratope_schemas": {"hush": "admin"}}),
            "`paratope_schemas`",
        ),
    ] {
        let answer = server.jwt(claims(more.clone())).await;
        let status = answer.as_ref().err().unwrap();
        assert!(!status.message().contains("hush"), "{more}: {status}");
        refused(answer, Code::Unauthenticated, reason);
    }
}

#[tokio::test]
async fn a_jwt_that_the_issuer_did_not_sign_is_refused() {
    let server = Server::new();
    let claims = claims(json!({"paratope_role": "admin"}));
    let refuse = async |token: String, reason: &str| {
        refused(
            server.name(&bearer(&token)).await,
            Code::Unauthenticated,
            reason,
        );
    };
    refuse(Issuer::new("k1").sign(&claims), "signature").await;
    refuse(Issuer::new("k2").sign(&claims), "not signed by a key").await;

    // With the public key as a shared secret.
    let header = Header {
        kid: Some("k1".into()),
        ..Header::new(Algorithm::HS256)
    };
    let public =
        jsonwebtoken::EncodingKey::from_secret(server.issuer.jwks().to_string().as_bytes());
    refuse(
        jsonwebtoken::encode(&header, &claims, &public).unwrap(),
        "algorithm",
    )
    .await;

    // Without any signature, and with that of another payload.
    let good = server.issuer.sign(&claims);
    let part = |value: &Value| {
        to_base64(value.to_string().as_bytes())
            .replace('+', "-")
            .replace('/', "_")
    };
    let unsigned = format!(
        "{}.{}.",
        part(&json!({"alg": "none", "typ": "JWT"})),
        part(&claims)
    );
    refuse(unsigned, "refused").await;
    let parts: Vec<_> = good.split('.').collect();
    refuse(
        format!(
            "{}.{}.{}",
            parts[0],
            part(&claims).replace('e', "f"),
            parts[2]
        ),
        "",
    )
    .await;
    refuse(format!("{}.{}.", parts[0], parts[1]), "signature").await;
    let critical = json!({"alg": "ES256", "kid": "k1", "crit": ["b64"], "b64": "false"});
    refuse(
        format!("{}.{}.{}", part(&critical), parts[1], parts[2]),
        "critical",
    )
    .await;
    assert_eq!(server.name(&bearer(&good)).await.unwrap(), "eve");
}

#[tokio::test]
async fn new_keys_of_the_issuer_are_found_in_the_changed_file() {
    let server = Server::new();
    let next = Issuer::new("k2");
    let token = next.sign(&claims(json!({"paratope_role": "reader"})));
    refused(
        server.name(&bearer(&token)).await,
        Code::Unauthenticated,
        "key",
    );
    std::fs::write(server.dir.path().join("jwks.json"), next.jwks().to_string()).unwrap();
    assert_eq!(server.name(&bearer(&token)).await.unwrap(), "eve");
}

/// A certificate of that name. Whether it is genuine is the connection's business.
fn certificate(name: &str, last_year: i32) -> CertificateDer<'static> {
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().into()
}

#[tokio::test]
async fn the_name_of_a_client_certificate_has_the_roles_of_the_file() {
    let server = Server::new();
    let shown = |name, year| [certificate(name, year)];
    let call = async |shown: &[CertificateDer<'_>]| {
        server
            .authenticator
            .authenticate(&no_headers(), Some(shown))
            .await
    };
    let robot = call(&shown("robot", 2100)).await.unwrap();
    assert_eq!(robot.caller.user, "robot");
    assert!(robot.expires_at.is_some());
    refused(
        call(&shown("mallory", 2100)).await,
        Code::PermissionDenied,
        "mallory",
    );
    refused(
        call(&shown("robot", 2020)).await,
        Code::Unauthenticated,
        "expired",
    );
    refused(
        call(&shown("", 2100)).await,
        Code::Unauthenticated,
        "names no user",
    );
    refused(call(&[]).await, Code::Unauthenticated, "asks who calls");
    // A header goes before it.
    let with_header = server
        .authenticator
        .authenticate(&basic("ada", "correct"), Some(&shown("robot", 2100)))
        .await;
    assert_eq!(with_header.unwrap().caller.user, "ada");
    let wrong = server
        .authenticator
        .authenticate(&basic("ada", "x"), Some(&shown("robot", 2100)))
        .await;
    refused(wrong, Code::Unauthenticated, "wrong");
}

#[test]
fn certificates_are_the_only_way_in_where_nobody_has_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = users_file(dir.path());
    let only = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let users = Users::watch(&file, None).unwrap();
        let server = Authenticator::with(Protection::Closed, Some(users), None, true).unwrap();
        server.takes_certificates_only()
    };
    assert!(only(&user("robot", "role = 'reader'")));
    assert!(!only(&user(
        "ada",
        &format!("role = 'reader'\n{}", password("p"))
    )));
}

#[test]
fn a_file_whose_users_have_no_secret_needs_another_way_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(users_file(dir.path()), user("robot", "role = 'reader'")).unwrap();
    let config = AuthConfig {
        users: Some(users_file(dir.path())),
        ..AuthConfig::default()
    };
    let listen = "127.0.0.1:0".parse().unwrap();
    let tls = |set: &[&str]| TlsConfig {
        certificate: set.first().map(PathBuf::from),
        key: set.first().map(PathBuf::from),
        client_ca: set.first().map(PathBuf::from),
    };
    let error = Authenticator::new(&config, &tls(&[]), listen).unwrap_err();
    assert!(error.to_string().contains("no user of"), "{error}");
    Authenticator::new(&config, &tls(&["x"]), listen).unwrap();
}

#[test]
fn debug_output_shows_no_user_and_no_key() {
    let server = Server::new();
    let shown = format!("{:?}", server.authenticator);
    assert_eq!(shown, "Authenticator { protection: Closed, .. }");
}
