//! Protein language models: tokens in, matrix out. Pure: no Arrow, no SQL; its only input is a folder of weights.
//!
//! [`Description::read`] says what a folder holds before memory is spent, [`Model::load`] loads it, and the methods of [`Model`] compute:
//! [`embed`](Model::embed) and [`embed_residues`](Model::embed_residues), [`log_probs`](Model::log_probs) and
//! [`masked_log_probs`](Model::masked_log_probs), [`pseudo_log_likelihood`](Model::pseudo_log_likelihood),
//! [`infill`](Model::infill). [`batches`] says which sequences to compute together.
//!
//! ```no_run
//! use models::{Model, Pooling, Precision};
//! let model = Model::load("models/antiberty".as_ref(), Precision::F32)?;
//! let mut embedding = Vec::new();
//! model.embed(&[b"EVQLVESGGGLVQPGGSLRLSCAAS"], Pooling::Mean, &mut embedding)?;
//! assert_eq!(embedding.len(), model.description().dimension);
//! # Ok::<(), models::ModelError>(())
//! ```

mod accelerator;
mod attention;
pub mod batches;
mod config;
mod description;
mod embedding;
mod encoder;
mod error;
mod kernels;
mod kinds;
mod likelihood;
mod matrix;
mod model;
mod scratch;
pub mod vocabulary;
mod weights;

pub use accelerator::Place;
pub use batches::Batches;
pub use description::{ALPHABET, Description, MAX_WEIGHT_BYTES};
pub use error::{ModelError, SequenceError};
pub use kinds::{Family, Pooling, Precision, Reduction, Scoring};
pub use likelihood::{column, log_likelihood};
pub use model::Model;
pub use vocabulary::Vocabulary;
