//! Hashes of secrets: argon2 for passwords, SHA-256 for tokens.
//!
//! A password is short and must be slow to guess. A token is long and random, so nobody guesses it; and it comes without a
//! user's name, so that its hash must be a key to look up and not one of many to try.

use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params};
use engine::{Error, Result};
use ring::digest;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Most memory that one check of a password may take, KiB.
const MOST_MEMORY: u32 = 1 << 20;
/// Shortest token: 32 random letters are beyond guessing, a word is not.
const SHORTEST_TOKEN: usize = 32;
/// Starts the hash of a token.
const SHA256: &str = "sha256:";

/// The hash of a token.
pub type TokenHash = [u8; 32];

/// The argon2 hash of a password.
pub struct PasswordHash {
    text: String,
    cost: u64,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

impl PasswordHash {
    /// Checks that it is a hash that passwords can be held against.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = password_hash::PasswordHash::new(text).ok()?;
        Algorithm::try_from(hash.algorithm).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let complete = hash.salt.is_some() && hash.hash.is_some();
        (complete && params.m_cost() <= MOST_MEMORY).then(|| Self {
            cost: u64::from(params.m_cost()) * u64::from(params.t_cost()),
            text: text.to_owned(),
        })
    }

    /// Whether it is the hash of this password. Takes tens of milliseconds.
    pub fn verify(&self, password: &[u8]) -> bool {
        password_hash::PasswordHash::new(&self.text)
            .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
    }

    /// How much work a check is, to compare hashes by.
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The text, as it stands in the file.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// What stands in the file of users for this password: a PHC string of argon2id.
///
/// # Errors
/// An empty password.
pub fn hash_password(password: &[u8]) -> Result<String> {
    if password.is_empty() {
        return Err(Error::Invalid("the password is empty".into()));
    }
    let mut salt = [0; 16];
    let internal = |error: &dyn std::fmt::Display| Error::Internal(format!("hashing: {error}"));
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|error| internal(&error))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| internal(&error))?;
    let hash = Argon2::default().hash_password(password, &salt);
    Ok(hash.map_err(|error| internal(&error))?.to_string())
}

/// What stands in the file of users for this token: `sha256:` and hexadecimal digits.
///
/// # Errors
/// A token that is short enough to be guessed, or that no header can carry.
pub fn hash_token(token: &[u8]) -> Result<String> {
    if token.len() < SHORTEST_TOKEN || !token.iter().all(u8::is_ascii_graphic) {
        return Err(Error::Invalid(format!(
            "a token has {SHORTEST_TOKEN} or more random letters and digits: make one with `openssl rand -hex 32`"
        )));
    }
    let digits = digest_token(token).map(|byte| format!("{byte:02x}"));
    Ok(format!("{SHA256}{}", digits.concat()))
}

/// The hash of a token.
pub fn digest_token(token: &[u8]) -> TokenHash {
    let mut hash = TokenHash::default();
    hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
    hash
}

/// Reads what [`hash_token`] writes.
pub fn parse_token_hash(text: &str) -> Option<TokenHash> {
    let digits = text.strip_prefix(SHA256)?;
    let mut hash = TokenHash::default();
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

/// A hash that takes so much memory, KiB, and time in proportion: for tests.
#[cfg(test)]
pub fn hash_within(password: &[u8], memory: u32) -> String {
    let hasher = Argon2::new(
        Algorithm::Argon2id,
        argon2::Version::V0x13,
        Params::new(memory, 1, 1, None).unwrap(),
    );
    let salt = SaltString::encode_b64(b"saltsaltsalt").unwrap();
    hasher.hash_password(password, &salt).unwrap().to_string()
}

/// A hash that takes no time, for tests.
#[cfg(test)]
pub fn quick_hash(password: &[u8]) -> String {
    hash_within(password, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_and_no_other_does() {
        let text = hash_password(b"correct horse").unwrap();
        assert!(
            text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{text}"
        );
        let hash = PasswordHash::parse(&text).unwrap();
        assert!(hash.verify(b"correct horse"));
        assert!(!hash.verify(b"correct horsf"));
        assert_ne!(hash_password(b"correct horse").unwrap(), text, "salted");
    }

    #[test]
    fn hashes_of_other_programs_are_read() {
        // argon2-cffi of Python, and the command `argon2`.
        for text in [
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$SPOzNq5Sbpg6HYAOvAR+q+Xm9ngCVzFlGAGqUrk5y2E",
            "$argon2i$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$SPOzNq5Sbpg6HYAOvAR+q+Xm9ngCVzFlGAGqUrk5y2E",
        ] {
            assert!(PasswordHash::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_complete_argon2_hash_is_none() {
        for text in [
            "",
            "hunter2",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0",
            "$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0$SPOzNq5Sbpg6HYAOvAR+q+Xm9ngCVzFlGAGqUrk5y2E",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        ] {
            assert!(PasswordHash::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_is_found_again_by_its_hash() {
        let token = [b'k'; 43];
        let text = hash_token(&token).unwrap();
        assert_eq!(parse_token_hash(&text).unwrap(), digest_token(&token));
        for text in [
            "sha256:00",
            "sha1:00",
            "",
            &text[..70],
            &"sha256:ß".repeat(9),
        ] {
            assert!(parse_token_hash(text).is_none(), "{text}");
        }
    }

    #[test]
    fn tokens_that_can_be_guessed_are_refused() {
        assert!(hash_token(b"hunter2").is_err());
        assert!(hash_token(&[b' '; 64]).is_err());
        assert!(hash_password(b"").is_err());
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        let hash = PasswordHash::parse(&quick_hash(b"x")).unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash(***)");
    }
}
