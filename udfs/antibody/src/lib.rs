//! Antibody sequence kernels: sequences in, numbers out.
//!
//! Pure functions over byte strings: no Arrow, no SQL, no I/O. The SQL faces are in the package `udfs`; ingest in the
//! package `engine` calls the same functions, so a stored `cdr3_aa` and a computed one cannot differ.
//!
//! | module | what it answers |
//! |---|---|
//! | [`v_domains`], [`VDomain`] | which V domains a polypeptide holds, and their regions (IMGT) |
//! | [`number_batch`], [`Domains`] | the V domains of many sequences at once, as flat columns |
//! | [`first_domains`] | the same of the first domains, remembered from question to question |
//! | [`numberer`], [`Numberer`] | positions of each residue in a [`Scheme`], one sequence at a time |
//! | [`regions`] | frameworks and CDRs under a [`Definition`] |
//! | [`residue_at`], [`index_at`], [`mutate`] | single positions: what is there, where it is, what if it were another |
//! | [`identity`], [`receptor_hash`] | how alike two V domains are; which receptor two make |
//! | [`liabilities`] | motifs that are modified, cut or bound |
//! | [`gene`] | what the name of a germline gene says |
//! | [`nucleotide`] | translation, reverse complement, the reading of six that yields a V domain |
//! | [`hash`], [`mass`] | identity and average mass of a polypeptide |
//! | [`charge`], [`composition`], [`instability`] | its other properties, as ProtParam has them |
//! | [`pairwise`] | how alike two polypeptides are |
//!
//! # What counts as a residue
//! Letters are residues, in either case; unknown ones (`X`, `B`, `Z`, `J`, …) are allowed and score as mismatches. White
//! space and the gaps `-` and `.` are skipped: they take up coordinates but no position. `*` ends a polypeptide: no domain
//! reaches across it. Any other byte makes a sequence [`NumberingError::NotAminoAcids`].
//!
//! Coordinates (`start`, `end`) are 1-based and closed, in the bytes of the given sequence.

mod aligner;
mod batch;
mod blosum;
mod borders;
pub mod charge;
mod columns;
pub mod composition;
mod convert;
mod definition;
mod error;
mod fill;
pub mod gene;
pub mod hash;
mod identity;
mod imgt;
pub mod instability;
mod kernel;
mod lanes;
mod liability;
mod locus;
pub mod mass;
mod memory;
mod mutation;
pub mod nucleotide;
mod numbering;
pub mod pairwise;
mod path;
mod position;
mod profile;
#[cfg(test)]
mod random;
mod reach;
mod reading;
mod reads;
mod recent;
mod receptor;
mod scalar;
mod scheme;
mod screen;
mod search;
mod site;
mod trace;
mod v_domain;

pub use batch::{Ask, Domains, instructions, number_batch};
#[doc(hidden)]
pub use batch::{available_instructions, number_batch_with, passes};
pub use columns::{ALIGNED_COLUMNS, aligned_columns};
pub use definition::{Definition, Regions, UnknownDefinition, regions};
pub use error::NumberingError;
pub use identity::{Compared, UnknownRegion, identity};
pub use imgt::Insertions;
pub use liability::{Liability, Severity, liabilities};
pub use locus::{Chain, Locus};
pub use memory::first_domains;
pub use mutation::{Mutation, MutationError, mutate};
pub use numbering::{Numberer, Numbering, numberer};
pub use position::{Position, UnknownPosition};
pub use receptor::receptor_hash;
pub use scheme::{Scheme, UnknownScheme};
pub use site::{index_at, residue_at};
pub use v_domain::{Aligned, Region, VDomain, first_v_domain, v_domains};

/// The most residues that numbering looks at in one sequence.
///
/// Time and memory grow with the length, some 20 seconds a hundred million residues; longer input is a mistake (a whole file
/// on one line), and is refused.
pub const MAX_RESIDUES: usize = 20_000_000;

/// The fewest residues that are called a V domain: about the span from CDR1 to the end of a framework 3.
///
/// Shorter fragments (a CDR3, a peptide) align to something with a plausible score whatever they are.
pub const MIN_RESIDUES: usize = 60;
