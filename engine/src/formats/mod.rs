//! File formats: one file each behind one trait, and one list.
//!
//! A format turns a stream of bytes into batches of source records. The columns of a batch are
//! those of `main.chains` that the source itself can give (same names, same types; what is absent
//! is unknown), so one annotator (`ingest::annotate`) serves all formats and `read_*` shows
//! exactly what ingest sees. Rows of other tables come beside them ([`Beside`]).
//!
//! Reading is blocking and streams: memory stays bounded by [`ReadOptions`], however long the file
//! or a line of it. A record that cannot be read becomes a [`Reject`]; the rest goes on.
//!
//! To add a format, write one file with a [`Format`] and name it in [`all`].

mod airr;
mod airr_repertoire;
mod columns;
mod csv;
mod delimited;
mod detect;
mod fasta;
mod format;
mod input;
mod letters;
mod lines;
mod molecules;
mod nested;
mod oas;
mod sabdab;
mod source;
mod structure;
mod table;
mod target;
mod tenx;

pub use airr::Airr;
pub(crate) use airr::{OURS, REQUIRED as AIRR_REQUIRED, SUBSTANCE as AIRR_SUBSTANCE};
pub use airr_repertoire::AirrRepertoire;
pub(crate) use columns::map_builder;
pub use detect::{DETECT_BYTES, by_name, detect};
pub use fasta::Fasta;
pub use format::{
    Alphabet, Companion, Format, Molecules, ReadOptions, Records, Reject, SourceBatch,
};
pub use input::decompress;
pub use molecules::{Molecules as MoleculeTable, check_columns, column_mapping};
pub(crate) use nested::lists;
pub use oas::Oas;
pub use sabdab::Sabdab;
pub use source::{open_blocking, open_file};
pub use structure::{Mmcif, Pdb};
pub use target::{Beside, Target};
pub use tenx::TenX;

/// Every format.
pub fn all() -> &'static [&'static dyn Format] {
    &[
        &Fasta,
        &Airr,
        &Oas,
        &TenX,
        &Pdb,
        &Mmcif,
        &Sabdab,
        &MoleculeTable,
        &AirrRepertoire,
    ]
}
