//! Tokens that a handshake gives out: signed, and nowhere stored.
//!
//! A token names its user and its end. What the user may do is looked up at each call. The signature also covers the hash
//! of the user's password, so that a changed password ends the tokens that the old one obtained. The key lives as long as
//! the process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::{Error, Result};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::header::{from_base64, to_base64};

/// How long a token is good for.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3_600);
/// Tells our tokens from others. (JWTs start with `eyJ`.)
const PREFIX: &str = "pt1.";

#[derive(Serialize, Deserialize)]
struct Payload {
    user: String,
    /// Seconds since 1970.
    expires: u64,
    /// Makes every token another one.
    nonce: [u8; 16],
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not ours, or not any more.
    Unknown,
    /// Its time is over.
    Expired,
}

/// Gives out tokens and takes them back.
pub struct SessionTokens {
    key: hmac::Key,
}

impl SessionTokens {
    /// With a new key.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn new() -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        key.map(|key| Self { key })
            .map_err(|error| Error::Internal(format!("random key: {error}")))
    }

    /// Whether it looks like one of ours.
    pub fn claims(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// A token for the user, and its end. `bound_to` is what must not change while it is good.
    ///
    /// # Errors
    /// A system without randomness.
    pub fn issue(
        &self,
        user: &str,
        bound_to: &[u8],
        now: SystemTime,
    ) -> Result<(String, SystemTime)> {
        let mut nonce = [0; 16];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|error| Error::Internal(format!("random nonce: {error}")))?;
        let expires = seconds(now) + LIFETIME.as_secs();
        let payload = Payload {
            user: user.to_owned(),
            expires,
            nonce,
        };
        let payload = serde_json::to_vec(&payload)
            .map_err(|error| Error::Internal(format!("token: {error}")))?;
        let tag = hmac::sign(&self.key, &signed(&payload, bound_to));
        let token = format!(
            "{PREFIX}{}.{}",
            to_base64(&payload),
            to_base64(tag.as_ref())
        );
        Ok((token, UNIX_EPOCH + Duration::from_secs(expires)))
    }

    /// What `find` knows about the token's user, and the token's end. `find` gives what the token must be bound to, too.
    ///
    /// # Errors
    /// A token that is not good.
    pub fn open<T>(
        &self,
        token: &str,
        now: SystemTime,
        find: impl FnOnce(&str) -> Option<(T, Vec<u8>)>,
    ) -> Result<(T, SystemTime), Refused> {
        let parts = token
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('.'));
        let (payload, tag) = parts.ok_or(Refused::Unknown)?;
        let bytes = from_base64(payload).ok_or(Refused::Unknown)?;
        let tag = from_base64(tag).ok_or(Refused::Unknown)?;
        let payload: Payload = serde_json::from_slice(&bytes).map_err(|_| Refused::Unknown)?;
        // Nothing of the payload is trusted before the signature has been checked, only looked up.
        let (user, bound_to) = find(&payload.user).ok_or(Refused::Unknown)?;
        hmac::verify(&self.key, &signed(&bytes, &bound_to), &tag).map_err(|_| Refused::Unknown)?;
        if payload.expires <= seconds(now) {
            return Err(Refused::Expired);
        }
        Ok((user, UNIX_EPOCH + Duration::from_secs(payload.expires)))
    }
}

/// What the signature covers. The length keeps the parts apart.
fn signed(payload: &[u8], bound_to: &[u8]) -> Vec<u8> {
    [&payload.len().to_le_bytes(), payload, bound_to].concat()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(user: &str) -> Option<(String, Vec<u8>)> {
        (user != "eve").then(|| (user.to_owned(), b"hash".to_vec()))
    }

    #[test]
    fn a_token_is_good_for_its_user_until_its_end() {
        let tokens = SessionTokens::new().unwrap();
        let now = SystemTime::now();
        let (token, end) = tokens.issue("ada", b"hash", now).unwrap();
        assert!(SessionTokens::claims(&token));
        let (user, expires) = tokens.open(&token, now, known).unwrap();
        assert_eq!((user.as_str(), expires), ("ada", end));
        let just_before = end - Duration::from_secs(1);
        assert!(tokens.open(&token, just_before, known).is_ok());
        assert_eq!(
            tokens.open(&token, end, known).unwrap_err(),
            Refused::Expired
        );
        assert_ne!(tokens.issue("ada", b"hash", now).unwrap().0, token);
    }

    #[test]
    fn forged_foreign_and_truncated_tokens_are_unknown() {
        let tokens = SessionTokens::new().unwrap();
        let now = SystemTime::now();
        let (token, _) = tokens.issue("ada", b"hash", now).unwrap();
        let refused = |token: &str| tokens.open(token, now, known).unwrap_err();
        for end in 0..token.len() {
            assert_eq!(refused(&token[..end]), Refused::Unknown, "{end}");
        }
        let (_, rest) = token.strip_prefix(PREFIX).unwrap().split_once('.').unwrap();
        let payload = Payload {
            user: "root".into(),
            expires: u64::MAX,
            nonce: [0; 16],
        };
        let payload = to_base64(&serde_json::to_vec(&payload).unwrap());
        assert_eq!(
            refused(&format!("{PREFIX}{payload}.{rest}")),
            Refused::Unknown
        );
        assert_eq!(refused("pt1.."), Refused::Unknown);
        let (foreign, _) = SessionTokens::new()
            .unwrap()
            .issue("ada", b"hash", now)
            .unwrap();
        assert_eq!(refused(&foreign), Refused::Unknown);
    }

    #[test]
    fn a_removed_user_and_a_changed_password_end_a_token() {
        let tokens = SessionTokens::new().unwrap();
        let now = SystemTime::now();
        let (token, _) = tokens.issue("eve", b"hash", now).unwrap();
        assert_eq!(
            tokens.open(&token, now, known).unwrap_err(),
            Refused::Unknown
        );
        let (token, _) = tokens.issue("ada", b"hash of before", now).unwrap();
        assert_eq!(
            tokens.open(&token, now, known).unwrap_err(),
            Refused::Unknown
        );
    }
}
