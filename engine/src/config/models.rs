//! Protein language models: where they are kept, and how much they may take.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::CacheConfig;

/// Protein language models of the lake on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelsConfig {
    /// Folder for the files of models of a lake on an object store; unset: `models` in the folder of caches. Of a lake on a
    /// disk they are read where they lie.
    pub folder: Option<PathBuf>,
    /// What the weights of all models may take in a process, bytes. Beyond it those that nobody asked for longest are
    /// forgotten.
    pub memory_bytes: u64,
    /// Largest model that is added, bytes of files.
    pub max_model_bytes: u64,
    /// Results that a process remembers across queries, bytes; 0: none.
    pub cache_bytes: usize,
    /// Whether results are kept in `system.inference_results` as well, for the queries, jobs and nodes that come after; what
    /// is known of where they are takes about `cache_bytes` more.
    pub share_results: bool,
    /// Whether models are computed by the CUDA devices that there are, in builds with the feature `cuda`.
    pub devices: bool,
    /// Tokens that one thread computes at a time, about: what a cancelled query still computes.
    pub batch_tokens: usize,
    /// The most tokens that one query may send through a model; unset: no limit. `EXPLAIN INFERENCE` tells how many a
    /// query would.
    pub max_inference_tokens: Option<u64>,
    /// The most tokens that the queries of one user may send through models within 24 hours, as each process counts them;
    /// unset: no limit.
    pub max_inference_tokens_per_user: Option<u64>,
    /// Where `hf:owner/name` is fetched from.
    pub hub: String,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            folder: None,
            memory_bytes: 4 << 30,
            max_model_bytes: 16 << 30,
            cache_bytes: 256 << 20,
            share_results: false,
            devices: true,
            batch_tokens: udfs::models::batches::TOKEN_BUDGET,
            max_inference_tokens: None,
            max_inference_tokens_per_user: None,
            hub: "https://huggingface.co".into(),
        }
    }
}

impl ModelsConfig {
    /// Where files of models are kept.
    pub fn folder(&self, cache: &CacheConfig) -> PathBuf {
        match &self.folder {
            Some(folder) => folder.clone(),
            None => cache.folder().join("models"),
        }
    }
}
