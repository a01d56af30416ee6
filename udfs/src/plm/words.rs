//! Options that are words, known when a query is planned: what they are called, and which there are.

use datafusion_common::{Result, ScalarValue, plan_err};

/// An option: its name in messages, and its words, the first of which is meant where a call leaves it out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// What it is called.
    pub name: &'static str,
    /// What it may be.
    pub known: &'static [&'static str],
}

/// How the likelihood of a residue is found: each position masked by itself, or all in one pass, unmasked.
pub(super) const METHOD: Words = Words {
    name: "method",
    known: &["exact", SINGLE_PASS],
};

/// The word for one pass.
pub(super) const SINGLE_PASS: &str = "single_pass";

impl Words {
    /// The word that is meant, in either case.
    ///
    /// # Errors
    /// Another word, with those that there are.
    pub fn find(&self, word: Option<&str>) -> Result<&'static str> {
        let Some(word) = word else {
            return Ok(self.known[0]);
        };
        let found = self.known.iter().find(|it| it.eq_ignore_ascii_case(word));
        match found {
            Some(found) => Ok(found),
            None => plan_err!(
                "unknown {} '{word}'; known: {}",
                self.name,
                self.known.join(", ")
            ),
        }
    }
}

/// The text of a constant, whatever its encoding.
pub(super) fn text(scalar: &ScalarValue) -> Option<&str> {
    match scalar {
        ScalarValue::Dictionary(_, value) => text(value),
        ScalarValue::Utf8(text) | ScalarValue::LargeUtf8(text) | ScalarValue::Utf8View(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use super::*;

    #[test]
    fn the_first_word_is_meant_where_none_is_said() {
        assert_eq!(METHOD.find(None).unwrap(), "exact");
        assert_eq!(METHOD.find(Some("Single_Pass")).unwrap(), SINGLE_PASS);
        let error = METHOD.find(Some("fast")).unwrap_err().to_string();
        assert!(error.contains("known: exact, single_pass"), "{error}");
    }
}
