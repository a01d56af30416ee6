//! Table functions: files as tables, by the very readers that ingest uses.
//!
//! | function | reads |
//! |---|---|
//! | `read_fasta(path, … [, alphabet])` | FASTA; `alphabet` is `auto`, `nucleotide` or `amino_acid` |
//! | `read_airr(path, …)` | AIRR Rearrangement tables |
//! | `read_oas(path, …)` | OAS data units |
//! | `read_pdb(path, …)`, `read_mmcif(path, …)` | chains of structures, one row a chain of a model |
//! | `read_10x(path, …)` | contig annotations of Cell Ranger, with the sequences beside them |
//! | `read_sabdab(path, …)` | summaries of SAbDab: rows of `fvs` |
//! | `read_table(path, … [, 'column=field', …])` | tables of molecules: rows of `proteins` |
//!
//! A path is a file, a folder, a glob or a URL. The columns are those of the format and `source_file`; what a table has
//! beside them is in `attributes`. Records that cannot be read are counted and logged, and the rest goes on.

mod documentation;
mod exec;
mod listing;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use datafusion::catalog::TableFunctionImpl;

pub use documentation::{DOCUMENTATION, Documentation};
pub use exec::{ReadExec, SourceFile};
use read::ReadFunction;

/// Every table function with its name.
pub fn all() -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    use crate::formats::{Airr, Fasta, Mmcif, MoleculeTable, Oas, Pdb, Sabdab, TenX};
    vec![
        (
            "read_fasta",
            Arc::new(ReadFunction::new("read_fasta", &Fasta)),
        ),
        ("read_airr", Arc::new(ReadFunction::new("read_airr", &Airr))),
        ("read_oas", Arc::new(ReadFunction::new("read_oas", &Oas))),
        ("read_pdb", Arc::new(ReadFunction::new("read_pdb", &Pdb))),
        (
            "read_mmcif",
            Arc::new(ReadFunction::new("read_mmcif", &Mmcif)),
        ),
        ("read_10x", Arc::new(ReadFunction::new("read_10x", &TenX))),
        (
            "read_sabdab",
            Arc::new(ReadFunction::new("read_sabdab", &Sabdab)),
        ),
        (
            "read_table",
            Arc::new(ReadFunction::new("read_table", &MoleculeTable)),
        ),
    ]
}
