//! Who is let in: the caller behind each call of the server, and what they may do.
//!
//! | module | |
//! |---|---|
//! | `authenticator` | from the headers of a call, or its connection, to a principal |
//! | `requirements` | which ways in are configured, and whether they suffice for the address |
//! | `header` | the header `authorization` |
//! | `users` | the file of users: roles, passwords, tokens |
//! | `password` | argon2 and SHA-256 hashes |
//! | `checker` | passwords against their hashes, a few at a time, remembered for a while |
//! | `session_token` | tokens that a handshake gives out |
//! | `jwt`, `jwks`, `key_set` | tokens that somebody else gives out, and the keys that sign them |
//! | `certificate` | the user of a client certificate |
//! | `refusal` | what is said to those who are not let in |

mod authenticator;
mod certificate;
mod checker;
mod header;
mod jwks;
mod jwt;
mod key_set;
mod password;
mod refusal;
mod requirements;
mod session_token;
mod users;

#[cfg(test)]
mod issuer;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use engine::session::Caller;

pub use authenticator::Authenticator;
pub use password::{hash_password, hash_token};

/// Who calls.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Name and roles.
    pub caller: Caller,
    /// When what they showed loses its force, where it does.
    pub expires_at: Option<SystemTime>,
}
