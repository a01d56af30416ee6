//! What is said to those who are not let in. No message repeats what they sent.

use tonic::Status;

/// A wrong name and a wrong password sound the same, or names could be guessed one by one.
pub fn wrong_password() -> Status {
    Status::unauthenticated("the user name or the password is wrong")
}

/// A token that nobody gave out, whose user is gone, or that an earlier run of the server gave out.
pub fn unknown_token() -> Status {
    Status::unauthenticated(
        "the bearer token is not valid here, or not any more (tokens of a handshake end when the server starts anew): sign in again",
    )
}

/// A token of ours, after its time.
pub fn expired_token() -> Status {
    Status::unauthenticated("the bearer token has expired: sign in again")
}

/// A header that is neither of the two kinds.
pub fn malformed_header() -> Status {
    Status::unauthenticated(
        "the header `authorization` is neither `Basic` with base64 of `user:password` nor `Bearer` with a token",
    )
}

/// Too many passwords are being checked.
pub fn busy() -> Status {
    Status::unavailable("too many sign-ins at the same time: try again in a few seconds")
}

/// A wrong JWT; `why` is a clause.
pub fn jwt(why: impl std::fmt::Display) -> Status {
    Status::unauthenticated(format!("the JWT is refused: {why}"))
}

/// Somebody known who has no role.
pub fn no_role(who: impl std::fmt::Display, remedy: &str) -> Status {
    Status::permission_denied(format!("{who} has no role on this server: {remedy}"))
}

/// A client certificate after its time, on a connection that has outlived it.
pub fn expired_certificate() -> Status {
    Status::unauthenticated("the client certificate has expired: connect again with a new one")
}

/// A client certificate that names nobody.
pub fn nameless_certificate() -> Status {
    Status::unauthenticated(
        "the client certificate names no user: it needs a common name, or a DNS or e-mail name",
    )
}
