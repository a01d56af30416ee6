//! Which ways in are configured, and whether they suffice for the address that the server listens on.

use std::net::SocketAddr;

use engine::config::{AuthConfig, TlsConfig};
use engine::{Error, Result};

/// How a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Whoever reaches the address may do everything.
    Open,
    /// One has to say who one is.
    Closed,
}

/// What protects the server.
///
/// # Errors
/// Protection that is not enough for the address, or is configured by halves; with the remedy.
pub fn protection(auth: &AuthConfig, tls: &TlsConfig, listen: SocketAddr) -> Result<Protection> {
    let wrong = |message: String| Err(Error::Invalid(message));
    let local = listen.ip().to_canonical().is_loopback();
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => return wrong("server.tls.certificate needs server.tls.key".into()),
        (None, Some(_)) => return wrong("server.tls.key needs server.tls.certificate".into()),
        (None, None) if tls.client_ca.is_some() => {
            return wrong("server.tls.client_ca needs server.tls.certificate and server.tls.key: without TLS no client shows a certificate".into());
        }
        _ => {}
    }
    if auth.jwks.is_some() && (blank(auth.audience.as_ref()) || blank(auth.issuer.as_ref())) {
        return wrong("server.auth.jwks needs server.auth.audience and server.auth.issuer: without them a token for any other service of the issuer would do".into());
    }
    if auth.jwks.is_none() && (auth.audience.is_some() || auth.issuer.is_some()) {
        return wrong("server.auth.audience and server.auth.issuer mean nothing without server.auth.jwks: set it, or leave them out".into());
    }
    if tls.client_ca.is_some() && auth.users.is_none() && auth.jwks.is_none() {
        return wrong("server.tls.client_ca needs server.auth.users: the file says which roles the user of a certificate has".into());
    }
    let closed = auth.users.is_some() || auth.jwks.is_some();
    if !closed && !local {
        return wrong(format!(
            "whoever reaches {listen} could do everything: set server.auth.users (a file of users, see `paratope config hash`), or server.auth.jwks with audience and issuer; or listen on 127.0.0.1"
        ));
    }
    if tls.certificate.is_none() && !local {
        return wrong(format!(
            "passwords and data would travel to {listen} in the clear: set server.tls.certificate and server.tls.key; or listen on 127.0.0.1"
        ));
    }
    Ok(if closed {
        Protection::Closed
    } else {
        Protection::Open
    })
}

fn blank(text: Option<&String>) -> bool {
    text.is_none_or(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(listen: &str, set: &[&str]) -> Result<Protection> {
        let path = |name| set.contains(&name).then(|| name.into());
        let text = |name| set.contains(&name).then(|| name.to_string());
        let auth = AuthConfig {
            users: path("users"),
            jwks: text("jwks"),
            audience: text("audience"),
            issuer: text("issuer"),
        };
        let tls = TlsConfig {
            certificate: path("certificate"),
            key: path("key"),
            client_ca: path("client_ca"),
        };
        protection(&auth, &tls, listen.parse().unwrap())
    }

    #[test]
    fn without_anything_the_server_is_open_on_loopback_only() {
        for listen in [
            "127.0.0.1:1",
            "127.8.8.8:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert_eq!(of(listen, &[]).unwrap(), Protection::Open, "{listen}");
        }
        for listen in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            for set in [&[][..], &["certificate", "key"]] {
                let error = of(listen, set).unwrap_err().to_string();
                assert!(error.contains("set server.auth.users"), "{listen}: {error}");
            }
        }
    }

    #[test]
    fn with_users_or_keys_it_is_closed_and_encrypted_beyond_loopback() {
        let jwks = ["jwks", "audience", "issuer"];
        for set in [&["users"][..], &jwks] {
            assert_eq!(of("127.0.0.1:1", set).unwrap(), Protection::Closed);
            let error = of("0.0.0.0:1", set).unwrap_err().to_string();
            assert!(error.contains("set server.tls.certificate"), "{error}");
            let set = [set, &["certificate", "key"]].concat();
            assert_eq!(of("0.0.0.0:1", &set).unwrap(), Protection::Closed);
        }
    }

    #[test]
    fn what_is_set_by_halves_is_an_error_even_on_loopback() {
        for (set, named) in [
            (&["certificate"][..], "server.tls.key"),
            (&["key"], "server.tls.certificate"),
            (&["users", "client_ca"], "server.tls.certificate"),
            (&["certificate", "key", "client_ca"], "server.auth.users"),
            (&["jwks", "audience"], "server.auth.issuer"),
            (&["jwks", "issuer"], "server.auth.audience"),
            (&["audience"], "server.auth.jwks"),
        ] {
            let error = of("127.0.0.1:1", set).unwrap_err().to_string();
            assert!(error.contains(named), "{set:?}: {error}");
        }
    }
}
