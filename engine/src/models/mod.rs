//! Protein language models of the lake. A model at one version is a folder of files that never change,
//! `<lake>/models/<name>/<version>/`, with a manifest that says what they are; every node finds the same bytes there.
//!
//! | module | |
//! |---|---|
//! | `name` | `name@version` |
//! | `manifest` | what a version is, down to the hash of each file |
//! | `library` | the models of a lake: names resolved, versions listed |
//! | `source` | where files come from that become a model |
//! | `addition` | a folder becomes a version |
//! | `wheel` | AntiBERTy, which comes in a Python wheel |
//! | `upkeep` | versions removed and verified |
//! | `local` | files of a version on this machine |
//! | `loaded` | models in memory |

mod addition;
mod library;
mod loaded;
mod local;
mod manifest;
mod name;
mod source;
mod upkeep;
mod wheel;

pub use addition::NewModel;
pub use library::{Library, Listed};
pub use manifest::{FileEntry, Manifest, precision};
pub use name::ModelName;
pub use source::Source;
pub use udfs::models::{Family, Precision};
pub use upkeep::Verified;
pub use wheel::{Pulled, WHEEL, pull_antiberty};

/// Folder of models in a lake.
const FOLDER: &str = "models";
/// What a version is; written last, so that a version is there whole or not at all.
const MANIFEST: &str = "manifest.json";
