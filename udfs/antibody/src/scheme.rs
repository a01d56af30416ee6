//! Numbering schemes and how people name them.

use std::fmt;
use std::str::FromStr;

/// A numbering scheme for V domains.
///
/// | scheme | source |
/// |---|---|
/// | IMGT | Lefranc et al. 2003, Dev Comp Immunol 27:55 |
/// | Kabat | Kabat et al. 1991, Sequences of Proteins of Immunological Interest, 5th edition |
/// | Chothia | Chothia & Lesk 1987, J Mol Biol 196:901; Al-Lazikani et al. 1997, J Mol Biol 273:927 |
/// | Martin | Abhinandan & Martin 2008, Mol Immunol 45:3832 (enhanced Chothia) |
/// | AHo | Honegger & Plückthun 2001, J Mol Biol 309:657 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// IMGT unique numbering, 1–128; the only scheme here for T cell receptors.
    Imgt,
    /// Kabat.
    Kabat,
    /// Chothia.
    Chothia,
    /// Martin, also called enhanced Chothia.
    Martin,
    /// AHo, 1–149.
    Aho,
}

impl Scheme {
    /// All schemes.
    pub const ALL: [Scheme; 5] = [
        Scheme::Imgt,
        Scheme::Kabat,
        Scheme::Chothia,
        Scheme::Martin,
        Scheme::Aho,
    ];

    /// The name in lower case: `imgt`, `kabat`, `chothia`, `martin`, `aho`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Imgt => "imgt",
            Scheme::Kabat => "kabat",
            Scheme::Chothia => "chothia",
            Scheme::Martin => "martin",
            Scheme::Aho => "aho",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no scheme; its message lists the known ones and the nearest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown numbering scheme '{name}'{}; known: imgt, kabat, chothia, martin, aho", suggestion(.nearest))]
pub struct UnknownScheme {
    /// What was given.
    pub name: String,
    /// The known name that is nearest in spelling, if one is near.
    pub nearest: Option<&'static str>,
}

impl FromStr for Scheme {
    type Err = UnknownScheme;

    /// Case-insensitive; white space around the name is ignored.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let wanted = name.trim();
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(wanted))
            .ok_or_else(|| UnknownScheme {
                name: name.to_owned(),
                nearest: nearest(wanted, Self::ALL.iter().map(|scheme| scheme.as_str())),
            })
    }
}

/// `" (did you mean 'kabat'?)"`, or nothing.
pub(crate) fn suggestion(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean '{name}'?)"))
}

/// The known name within two edits of what was written, if any.
pub(crate) fn nearest(
    wanted: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let wanted = wanted.to_ascii_lowercase();
    known
        .map(|name| (edits(wanted.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, name)| *distance <= 2.min(name.len() / 2))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance; long input is cut, since only small distances matter.
fn edits(a: &[u8], b: &[u8]) -> usize {
    let a = &a[..a.len().min(32)];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("IMGT".parse(), Ok(Scheme::Imgt));
        assert_eq!(" AHo ".parse(), Ok(Scheme::Aho));
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones_and_the_nearest() {
        let message = "kabbat"
            .parse::<Scheme>()
            .map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("unknown numbering scheme 'kabbat' (did you mean 'kabat'?); known: imgt, kabat, chothia, martin, aho".into())
        );
        let message = "zebra".parse::<Scheme>().map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err(
                "unknown numbering scheme 'zebra'; known: imgt, kabat, chothia, martin, aho".into()
            )
        );
    }
}
