//! The tables that files feed.

use arrow::array::RecordBatch;

/// A table that ingest writes. The order is the order of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `system.rejects`
    Rejects,
    /// `main.repertoires`
    Repertoires,
    /// `main.proteins`
    Proteins,
    /// `main.protein_chains`
    ProteinChains,
    /// `main.structures`
    Structures,
    /// `main.fvs`
    Fvs,
    /// `main.chains`: committed last, and only then is an input done.
    Chains,
}

impl Target {
    /// All, in the order of commits.
    pub const ALL: [Self; 7] = [
        Self::Rejects,
        Self::Repertoires,
        Self::Proteins,
        Self::ProteinChains,
        Self::Structures,
        Self::Fvs,
        Self::Chains,
    ];

    /// `schema.name`.
    pub fn table(self) -> &'static str {
        match self {
            Self::Rejects => "system.rejects",
            Self::Repertoires => "main.repertoires",
            Self::Proteins => "main.proteins",
            Self::ProteinChains => "main.protein_chains",
            Self::Structures => "main.structures",
            Self::Fvs => "main.fvs",
            Self::Chains => "main.chains",
        }
    }
}

/// Rows of another table than the one that a format feeds first.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The table; for [`Target::Chains`] the rows are chain records, in which V domains have yet to be found.
    pub target: Target,
    /// Columns of that table, those absent being unknown; where a row came from and when, ingest adds.
    pub rows: RecordBatch,
}
