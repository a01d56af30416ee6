//! The same plans on many machines: which nodes there are, what travels to them, and how a node carries it out. The engine
//! below is `datafusion-distributed`.
//!
//! | module | |
//! |---|---|
//! | `cluster` | the nodes, and whether each can be given work |
//! | `channels` | connections to nodes |
//! | `planner` | which plans are distributed |
//! | `spread` | how a scan is split over tasks |
//! | `affinity` | which task reads what: what its node has read before |
//! | `slices` | tasks that read some rows of a row group, where rows cost much |
//! | `retry` | queries that outlive a node |
//! | `parts` | results that nodes give to clients themselves |
//! | `live` | `system.nodes` |
//! | `node` | a node's side |

mod affinity;
mod channels;
mod cluster;
mod live;
mod node;
mod parts;
mod planner;
mod retry;
mod slices;
mod spread;

pub use cluster::{Cluster, Node, NodeState};
pub(crate) use live::LiveNodes;
pub use node::{VERSION, worker};
pub(crate) use parts::parts;
pub use parts::{Part, compute};
pub(crate) use planner::{distributed, has_nodes};
pub(crate) use retry::{is_distributed, run};

/// Name of the table of nodes in the schema `system`.
pub const TABLE: &str = "nodes";
/// Header that carries the token of the cluster.
pub const TOKEN_HEADER: &str = "x-paratope-cluster";
/// What a node that is stopping says to whoever asks for its version.
pub const DRAINING: &str = "draining";
/// Header of a node's answer with the number of tasks that it computes.
pub const TASKS_HEADER: &str = "x-paratope-tasks";
/// Header of a node's answer with the bytes of data files that it keeps in memory.
pub const CACHED_HEADER: &str = "x-paratope-cached-bytes";
/// Header of a node's answer with the number of devices on which it computes language models.
pub const DEVICES_HEADER: &str = "x-paratope-devices";
/// Header of a node's answer with the name of its lake in plans.
pub const LAKE_HEADER: &str = "x-paratope-lake";
