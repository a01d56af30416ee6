//! The file of users.
//!
//! ```toml
//! [[users]]
//! name = "ada"
//! password = "$argon2id$v=19$…"          # `paratope config hash`
//! token = "sha256:…"                     # `paratope config hash --token`
//! role = "reader"                        # reader, writer or admin
//! schemas = { main = "writer" }          # roles for single schemas
//! ```
//!
//! A user with neither password nor token comes in by a client certificate or a JWT of that name. A changed file counts
//! within seconds: who was taken out is out, whatever token they hold.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::catalog::SCHEMAS;
use engine::policy::{Grants, Role};
use engine::session::Caller;
use engine::{Error, Result};
use serde::Deserialize;

use super::password::{PasswordHash, TokenHash, parse_token_hash};
use crate::watched::Watched;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Longest name, bytes.
const LONGEST_NAME: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    users: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    password: Option<String>,
    token: Option<String>,
    role: Option<Role>,
    #[serde(default)]
    schemas: BTreeMap<String, Role>,
}

/// One user.
#[derive(Debug)]
pub struct User {
    /// Name and roles.
    pub caller: Caller,
    /// Hash of the password, where there is one.
    pub password: Option<Arc<PasswordHash>>,
}

/// The users of one state of the file.
#[derive(Default)]
pub struct Users {
    by_name: HashMap<String, Arc<User>>,
    by_token: HashMap<TokenHash, Arc<User>>,
    costliest: Option<Arc<PasswordHash>>,
}

impl Users {
    /// Reads the file now, and again when it changes.
    ///
    /// # Errors
    /// See [`Users::read`]; a file without users.
    pub fn watch(path: &Path, every: Option<Duration>) -> Result<Watched<Self>> {
        let file = path.to_path_buf();
        let read = move || Self::read(&file);
        let watched = Watched::open(vec![path.to_path_buf()], every.unwrap_or(LOOK), read)?;
        if watched.last().by_name.is_empty() {
            return Err(Error::Invalid(format!(
                "{} lists no [[users]]: nobody could sign in",
                path.display()
            )));
        }
        Ok(watched)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read or says what it may not. Messages name the place and never show a value: a password may
    /// stand there by mistake.
    pub fn read(path: &Path) -> Result<Self> {
        let place = format!("file of users {}", path.display());
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::from(error).context(&place))?;
        warn_if_public(path);
        Self::parse(&text).map_err(|error| error.context(&place))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| reason(text, &error))?;
        let mut users = Self::default();
        for entry in file.users {
            users.add(entry)?;
        }
        Ok(users)
    }

    fn add(&mut self, entry: Entry) -> Result<()> {
        let name = entry.name;
        if name.is_empty()
            || name.len() > LONGEST_NAME
            || name.contains(|c: char| c.is_control() || c == ':')
        {
            return Err(Error::Invalid(format!(
                "the name of a user has 1 to {LONGEST_NAME} characters, without colons and control characters; {name:?} is none"
            )));
        }
        let wrong = |what: &str| Error::Invalid(format!("user {name}: {what}"));
        if entry.role.is_none() && entry.schemas.is_empty() {
            return Err(wrong("neither `role` nor `schemas` says what they may do"));
        }
        if let Some(schema) = entry
            .schemas
            .keys()
            .find(|s| !SCHEMAS.contains(&s.as_str()))
        {
            let known = SCHEMAS.join(" and ");
            return Err(wrong(&format!("there is no schema {schema}, only {known}")));
        }
        let no_hash = "`password` is no argon2 hash: make one with `paratope config hash`";
        let password = match entry.password {
            Some(text) => Some(Arc::new(
                PasswordHash::parse(&text).ok_or_else(|| wrong(no_hash))?,
            )),
            None => None,
        };
        let no_hash = "`token` is no SHA-256 hash: make one with `paratope config hash --token`";
        let token = match entry.token {
            Some(text) => Some(parse_token_hash(&text).ok_or_else(|| wrong(no_hash))?),
            None => None,
        };
        if let Some(hash) = &password
            && self
                .costliest
                .as_ref()
                .is_none_or(|most| most.cost() < hash.cost())
        {
            self.costliest = Some(Arc::clone(hash));
        }
        let grants = Grants {
            role: entry.role,
            schemas: entry.schemas,
        };
        let caller = Caller {
            user: name.clone(),
            grants,
        };
        let user = Arc::new(User { caller, password });
        if let Some(token) = token
            && self.by_token.insert(token, Arc::clone(&user)).is_some()
        {
            return Err(wrong("somebody else has the same token"));
        }
        match self.by_name.insert(name.clone(), user) {
            Some(_) => Err(wrong("is listed twice")),
            None => Ok(()),
        }
    }

    /// By name.
    pub fn named(&self, name: &str) -> Option<&Arc<User>> {
        self.by_name.get(name)
    }

    /// By the hash of a token.
    pub fn with_token(&self, hash: &TokenHash) -> Option<&Arc<User>> {
        self.by_token.get(hash)
    }

    /// The hash that takes longest to check: an unknown name is held against it, so that it takes no less time.
    pub fn costliest(&self) -> Option<&Arc<PasswordHash>> {
        self.costliest.as_ref()
    }

    /// Whether somebody has a password or a token.
    pub fn have_secrets(&self) -> bool {
        self.have_passwords() || self.have_tokens()
    }

    /// Whether somebody has a password.
    pub fn have_passwords(&self) -> bool {
        self.costliest.is_some()
    }

    /// Whether somebody has a token.
    pub fn have_tokens(&self) -> bool {
        !self.by_token.is_empty()
    }
}

/// What is wrong with the file's form, and in which line. The library's own message quotes the line.
fn reason(text: &str, error: &toml::de::Error) -> Error {
    const HARMLESS: [&str; 4] = [
        "unknown field",
        "missing field",
        "unknown variant",
        "duplicate key",
    ];
    let line = error.span().and_then(|span| text.get(..span.start));
    let line = line.map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message();
    let message = if HARMLESS.iter().any(|start| message.starts_with(start)) {
        message
    } else {
        "is not TOML, or a value is of the wrong type"
    };
    Error::Invalid(format!("line {line}: {message}"))
}

#[cfg(unix)]
fn warn_if_public(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS: u32 = 0o007;
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS != 0) {
        let path = path.display();
        tracing::warn!(
            "everybody on this machine can open {path}, which holds hashes of secrets: `chmod o= {path}`"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_public(_: &Path) {}

#[cfg(test)]
mod tests {
    use engine::policy::Deed;

    use super::super::password::{digest_token, hash_token, quick_hash};
    use super::*;

    const TOKEN: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn fails(text: &str) -> String {
        let error = Users::parse(text).err().unwrap();
        error.to_string()
    }

    #[test]
    fn users_are_found_by_name_and_by_token_with_their_roles() {
        let text = format!(
            "[[users]]\nname = 'ada'\npassword = '{}'\ntoken = '{}'\nrole = 'reader'\nschemas = {{ main = 'writer' }}\n\
             [[users]]\nname = 'bob@example.org'\nrole = 'admin'",
            quick_hash(b"p"),
            hash_token(TOKEN).unwrap(),
        );
        let users = Users::parse(&text).unwrap();
        let ada = users.named("ada").unwrap();
        assert!(ada.password.as_ref().unwrap().verify(b"p"));
        ada.caller.grants.check(Deed::Write, "main", "t").unwrap();
        assert!(
            ada.caller
                .grants
                .check(Deed::Read, "system", "files")
                .is_err()
        );
        let found = users.with_token(&digest_token(TOKEN)).unwrap();
        assert_eq!(found.caller.user, "ada");
        assert!(
            users
                .named("bob@example.org")
                .unwrap()
                .caller
                .grants
                .is_admin()
        );
        assert!(users.named("eve").is_none());
        assert!(users.have_passwords() && users.have_tokens());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let user = |rest: &str| fails(&format!("[[users]]\nname = 'ada'\n{rest}"));
        assert!(user("").contains("user ada: neither `role`"));
        assert!(user("rôle = 'x'").contains("line 3"));
        assert!(user("passwd = 'x'").contains("line 3: unknown field `passwd`"));
        assert!(user("role = 'root'").contains("line 3: unknown variant `root`"));
        assert!(
            user("schemas = { mian = 'reader' }").contains("no schema mian, only main and system")
        );
        let twice = user("role = 'reader'\n[[users]]\nname = 'ada'\nrole = 'reader'");
        assert!(twice.contains("user ada: is listed twice"));
        assert!(fails("[[users]]\nname = 'a:b'\nrole = 'reader'").contains("colons"));
        let token = hash_token(TOKEN).unwrap();
        let shared = user(&format!(
            "role = 'reader'\ntoken = '{token}'\n[[users]]\nname = 'bob'\nrole = 'reader'\ntoken = '{token}'"
        ));
        assert!(shared.contains("user bob: somebody else has the same token"));
    }

    #[test]
    fn no_message_shows_a_secret_that_stands_there_by_mistake() {
        for rest in [
            "password = 'hush'\nrole = 'reader'",
            "token = 'hush'\nrole = 'reader'",
            "password = hush",
            "password = 'hush",
            "password = ['hush']",
            "schemas = 'hush'",
            "password = 'x' 'hush'",
        ] {
            let message = fails(&format!("[[users]]\nname = 'ada'\n{rest}"));
            assert!(!message.contains("hush"), "{rest}: {message}");
        }
        assert!(!fails("users = 'hush'").contains("hush"));
    }

    #[test]
    fn a_file_without_users_lets_nobody_in_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users.toml");
        std::fs::write(&file, "").unwrap();
        let error = Users::watch(&file, None).unwrap_err().to_string();
        assert!(error.contains("users.toml lists no [[users]]"), "{error}");
        let missing = dir.path().join("none.toml");
        let error = Users::watch(&missing, None).unwrap_err().to_string();
        assert!(error.contains("none.toml"), "{error}");
    }
}
