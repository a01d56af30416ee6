//! Options as a statement gives them, taken one by one; what is left over is an error that says what there is.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Options of one `COPY`.
pub(super) struct Given {
    format: &'static str,
    pairs: BTreeMap<String, String>,
    known: Vec<&'static str>,
}

impl Given {
    /// Keys are in any case, with or without `format.` in front.
    pub fn new<'a>(
        format: &'static str,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self> {
        let mut given = Self {
            format,
            pairs: BTreeMap::new(),
            known: Vec::new(),
        };
        for (key, value) in pairs {
            let key = key.to_ascii_lowercase();
            let key = key.strip_prefix("format.").unwrap_or(&key).to_string();
            if given.pairs.insert(key.clone(), value.to_string()).is_some() {
                return Err(Error::Invalid(format!("the option {key} is given twice")));
            }
        }
        Ok(given)
    }

    /// The text of an option.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.known.push(key);
        self.pairs.remove(key)
    }

    /// A number or a flag.
    pub fn value<T: FromStr>(
        &mut self,
        key: &'static str,
        what: impl Display,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(key) else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(self.wrong(key, &text, what)),
        }
    }

    /// An option whose value is wrong.
    pub fn wrong(&self, key: &str, text: &str, what: impl Display) -> Error {
        let format = self.format;
        Error::Invalid(format!(
            "FORMAT {format}: {key} is '{text}' and must be {what}"
        ))
    }

    /// Ends the list.
    ///
    /// # Errors
    /// An option that nobody took.
    pub fn finish(self) -> Result<()> {
        match self.pairs.keys().next() {
            None => Ok(()),
            Some(key) => Err(Error::Invalid(format!(
                "FORMAT {} has no option {key}; it has {}",
                self.format,
                self.known.join(", ")
            ))),
        }
    }
}
