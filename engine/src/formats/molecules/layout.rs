//! Which column of a table says what of a molecule.

use crate::error::{Error, Result};

/// What a column says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    ProteinId,
    Name,
    /// Several, between semicolons.
    Names,
    Kind,
    Description,
    Target,
    Format,
    Stage,
    Organism,
    StudyId,
    Sequence,
    /// A chain with the VH (or VHH) of this arm, from 1.
    Heavy(usize),
    /// A chain with the VL of this arm, from 1.
    Light(usize),
    /// Chains in one cell, between commas or semicolons, in any order.
    Chains,
    /// Entries of the PDB, with chains behind a colon.
    Pdb,
    /// Accession in another database.
    Reference(String),
}

/// Names of fields, as `--map` takes them.
const FIELDS: [(&str, Field); 17] = [
    ("protein_id", Field::ProteinId),
    ("name", Field::Name),
    ("names", Field::Names),
    ("kind", Field::Kind),
    ("description", Field::Description),
    ("target", Field::Target),
    ("format", Field::Format),
    ("stage", Field::Stage),
    ("organism", Field::Organism),
    ("study_id", Field::StudyId),
    ("sequence_aa", Field::Sequence),
    ("heavy", Field::Heavy(1)),
    ("light", Field::Light(1)),
    ("heavy_2", Field::Heavy(2)),
    ("light_2", Field::Light(2)),
    ("chains", Field::Chains),
    ("pdb", Field::Pdb),
];

/// Before the name of another database.
const REFERENCE: &str = "cross_references.";

/// Columns of Thera-SAbDab, by their letters and digits only: the spaces, underscores and dates in their names have changed
/// over the years.
const THERAPEUTICS: [(&str, Field); 6] = [
    ("therapeutic", Field::Name),
    ("heavysequence", Field::Heavy(1)),
    ("lightsequence", Field::Light(1)),
    ("heavysequenceifbispec", Field::Heavy(2)),
    ("lightsequenceifbispec", Field::Light(2)),
    ("100sistructure", Field::Pdb),
];

/// `Highest_Clin_Trial (Jan '20)`.
const STAGE: &str = "highestclintrial";

impl Field {
    /// The field of this name.
    ///
    /// # Errors
    /// A name that no field has.
    pub(super) fn named(name: &str) -> Result<Self> {
        if let Some(database) = name.strip_prefix(REFERENCE).filter(|rest| !rest.is_empty()) {
            return Ok(Self::Reference(database.to_ascii_lowercase()));
        }
        FIELDS
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, field)| field)
            .ok_or_else(|| {
                Error::Invalid(format!(
                    "a molecule has no field '{name}': name one of {}, {REFERENCE}DATABASE",
                    FIELDS.map(|(name, _)| name).join(", ")
                ))
            })
    }

    /// The field that a column's name tells.
    fn of_column(name: &str) -> Option<Self> {
        let letters = letters(name);
        if letters.starts_with(STAGE) {
            return Some(Self::Stage);
        }
        THERAPEUTICS
            .into_iter()
            .find(|(known, _)| *known == letters)
            .map(|(_, field)| field)
            .or_else(|| Self::named(&name.to_ascii_lowercase()).ok())
    }

    /// Whether it can tell a molecule from another.
    fn identifies(&self) -> bool {
        matches!(
            self,
            Self::ProteinId
                | Self::Name
                | Self::Sequence
                | Self::Heavy(_)
                | Self::Light(_)
                | Self::Chains
        )
    }
}

fn letters(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

/// Whether a header is that of a table of therapeutics.
pub(super) fn is_of_therapeutics(names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|name| letters(name) == wanted);
    has("therapeutic") && has("heavysequence")
}

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<(String, Option<Field>)>,
}

impl Layout {
    /// The layout of a header: `mapping` (column, field) comes before what names tell. A field has one column: the mapped one,
    /// or the first.
    ///
    /// # Errors
    /// A mapped column that the header lacks, an unknown field, a header that identifies no molecule.
    pub(super) fn new(names: Vec<String>, mapping: &[(String, String)]) -> Result<Self> {
        let mut columns: Vec<(String, Option<Field>)> =
            names.into_iter().map(|name| (name, None)).collect();
        let mut taken: Vec<Field> = Vec::new();
        for (column, field) in mapping {
            let field = Field::named(field)?;
            let Some((_, slot)) = columns.iter_mut().find(|(name, _)| name == column) else {
                return Err(Error::Invalid(format!(
                    "line 1: there is no column {column} to be mapped; the header has {}",
                    shown(&columns)
                )));
            };
            if taken.contains(&field) || slot.is_some() {
                return Err(Error::Invalid(format!(
                    "the mapping of column {column} says what another one says: map each column and each field once"
                )));
            }
            *slot = Some(field.clone());
            taken.push(field);
        }
        for (name, slot) in columns.iter_mut().filter(|(_, slot)| slot.is_none()) {
            let told = Field::of_column(name).filter(|field| !taken.contains(field));
            taken.extend(told.clone());
            *slot = told;
        }
        if taken.iter().any(Field::identifies) {
            return Ok(Self { columns });
        }
        Err(Error::Invalid(format!(
            "line 1: no column gives a molecule's name or sequence: say which ones do (--map COLUMN=name, COLUMN=heavy, \
             COLUMN=light, COLUMN=chains, COLUMN=sequence_aa); the header has {}",
            shown(&columns)
        )))
    }

    /// Name and field of each column.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, Option<&Field>)> {
        self.columns
            .iter()
            .map(|(name, field)| (name.as_str(), field.as_ref()))
    }
}

/// The names of a header, as far as they fit into a message.
fn shown(columns: &[(String, Option<Field>)]) -> String {
    const MOST: usize = 30;
    let mut names: Vec<&str> = columns
        .iter()
        .take(MOST)
        .map(|(name, _)| name.as_str())
        .collect();
    if columns.len() > MOST {
        names.push("…");
    }
    names.join(", ")
}
