//! Names of tables and views: a schema of the lake and a name in it.

use std::fmt;

use uuid::Uuid;

use super::SCHEMAS;
use crate::error::{Error, Result};
use crate::tables::{TableDefinition, definitions};

/// Longest name, in bytes of UTF-8.
const LONGEST: usize = 255;
/// Letters of a name that its folder repeats, for those who look into the store.
const IN_FOLDER: usize = 48;

/// `schema.name`, in the case in which the catalog keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// `main` or `system`.
    pub schema_name: String,
    /// Name within the schema.
    pub name: String,
}

impl Name {
    /// A name in a schema. Nothing is checked: it may be one to look for.
    pub fn new(schema_name: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema_name: schema_name.into(),
            name: name.into(),
        }
    }

    /// A name in the schema of users' tables.
    pub fn main(name: impl Into<String>) -> Self {
        Self::new(SCHEMAS[0], name)
    }

    /// The name a definition gives its table.
    pub fn of(definition: &TableDefinition) -> Self {
        Self::new(&definition.schema_name, &definition.name)
    }

    /// Whether users may give this name to a table or view.
    ///
    /// # Errors
    /// A name that is empty, too long, or holds characters with a meaning of their own; a schema
    /// that is not the users'; the name of a table that every lake has.
    pub fn check_new(&self) -> Result<()> {
        let refuse = |why: &str| {
            Err(Error::Invalid(format!(
                "\"{}\" cannot be the name of a table or view: {why}",
                self.name
            )))
        };
        if self.name.is_empty() {
            return refuse("it is empty");
        }
        if self.name.len() > LONGEST {
            return refuse(&format!(
                "it has {} bytes, and {LONGEST} is the most",
                self.name.len()
            ));
        }
        if self.name.contains('/') {
            return refuse("it contains \"/\"");
        }
        if self.name.contains('@') {
            return refuse("it contains \"@\", which stands before a version");
        }
        if self.name.chars().any(char::is_control) {
            return refuse("it contains a control character");
        }
        if self.name.starts_with("__") {
            return refuse("names that start with \"__\" are kept for paratope");
        }
        if !SCHEMAS.contains(&self.schema_name.as_str()) {
            return Err(Error::NotFound(format!(
                "there is no schema {}; tables and views are created in main",
                self.schema_name
            )));
        }
        self.check_free("created")
    }

    /// Whether users may do away with what has this name.
    ///
    /// # Errors
    /// A name in `system`, or of a table that every lake has; `done` is what cannot be done to it.
    pub fn check_free(&self, done: &str) -> Result<()> {
        if self.schema_name == SCHEMAS[1] {
            return Err(Error::Denied(format!(
                "{self} cannot be {done}: what is in schema system belongs to paratope; use a name in main"
            )));
        }
        if definitions::definition(&self.to_string()).is_ok() {
            return Err(Error::Denied(format!(
                "{self} cannot be {done}: it is a table that every lake has; use another name"
            )));
        }
        Ok(())
    }

    /// A folder for a new table of this name, unlike any other. Only letters that mean the same in
    /// paths and URLs are taken over.
    pub fn new_folder(&self) -> String {
        let spelled: String = self
            .name
            .chars()
            .take(IN_FOLDER)
            .map(|letter| match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => letter,
                _ => '_',
            })
            .collect();
        let id = Uuid::new_v4().simple().to_string();
        format!("{}/{spelled}-{}", self.schema_name, &id[..12])
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema_name, self.name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        for (name, why) in [
            ("", "empty"),
            ("a/b", "/"),
            ("t@3", "version"),
            ("a\nb", "control"),
            ("__hidden", "__"),
            (&"é".repeat(128), "256 bytes"),
        ] {
            let error = Name::main(name).check_new().unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn unusual_names_that_mean_nothing_else_are_names() {
        for name in ["a", "Mixed Case", "p.q", "_a", "日本", &"x".repeat(255)] {
            Name::main(name).check_new().unwrap();
        }
    }

    #[test]
    fn tables_of_every_lake_and_the_schema_system_are_not_the_users() {
        for name in [
            Name::main("chains"),
            Name::new("system", "catalog"),
            Name::new("system", "anything"),
        ] {
            let error = name.check_new().unwrap_err();
            assert!(matches!(error, Error::Denied(_)), "{error}");
        }
        let error = Name::new("elsewhere", "t").check_new().unwrap_err();
        assert!(matches!(error, Error::NotFound(_)), "{error}");
    }

    #[test]
    fn folders_of_one_name_differ_and_hold_only_plain_letters() {
        let name = Name::main("Größe? #1");
        let folders = [name.new_folder(), name.new_folder()];
        assert_ne!(folders[0], folders[1]);
        for folder in &folders {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-/".contains(letter);
            assert!(folder.starts_with("main/Gr__e___1-"), "{folder}");
            assert!(folder.chars().all(plain), "{folder}");
        }
    }
}
