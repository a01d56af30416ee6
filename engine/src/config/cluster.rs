//! What other nodes do, and who they are.

use datafusion::arrow::ipc::CompressionType;
use serde::{Deserialize, Serialize};

/// Other machines that compute parts of queries.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Nodes: `http://host:port`, or `dns://name:port` for all machines of a name, looked up again and again. Nodes may also
    /// join a server by themselves (`paratope worker --join`).
    pub workers: Vec<String>,
    /// What every call between nodes carries, the same on all of them. Without it nodes listen on loopback addresses only.
    pub token: Option<String>,
    /// Scans of fewer bytes of files are computed where they are planned; each task reads about so many.
    pub task_bytes: u64,
    /// The same in rows, for queries with functions that number sequences.
    pub task_expensive_rows: usize,
    /// How rows that nodes give to one another are compressed.
    pub compression: NodeCompression,
}

/// How rows that nodes give to one another are compressed. A core compresses half a gigabyte a second with LZ4, which is less
/// than the networks of data centres carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeCompression {
    /// Not at all.
    #[default]
    None,
    /// Where the network carries less than a gigabit a second for each core.
    Lz4,
    /// Where it carries much less.
    Zstd,
}

impl From<NodeCompression> for Option<CompressionType> {
    fn from(compression: NodeCompression) -> Self {
        match compression {
            NodeCompression::None => None,
            NodeCompression::Lz4 => Some(CompressionType::LZ4_FRAME),
            NodeCompression::Zstd => Some(CompressionType::ZSTD),
        }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            workers: Vec::new(),
            token: None,
            task_bytes: 64 << 20,
            task_expensive_rows: 500_000,
            compression: NodeCompression::default(),
        }
    }
}

impl ClusterConfig {
    /// Without what must not be shown.
    pub(super) fn masked(&self) -> Self {
        Self {
            token: self.token.as_ref().map(|_| "***".to_string()),
            ..self.clone()
        }
    }
}

impl std::fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let masked = self.masked();
        f.debug_struct("ClusterConfig")
            .field("workers", &masked.workers)
            .field("token", &masked.token)
            .finish_non_exhaustive()
    }
}
