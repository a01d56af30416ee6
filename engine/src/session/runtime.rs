//! Memory, spilling, caches and object stores of a session.

use std::num::NonZeroUsize;
use std::sync::Arc;

use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

use super::footers::footers;
use crate::config::Config;
use crate::error::Result;
use crate::storage::{Access, Registry};

/// How many of the largest users of memory an error names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4);
/// Assumed where the machine does not tell.
const UNKNOWN_MEMORY: u64 = 4 << 30;

/// The runtime of query sessions: limited memory, spilling beyond it; stores within `access`.
pub fn build(config: &Config, access: &Access) -> Result<Arc<RuntimeEnv>> {
    with_memory(config, access, query_memory(config))
}

/// A runtime with its own memory limit.
pub fn with_memory(config: &Config, access: &Access, bytes: usize) -> Result<Arc<RuntimeEnv>> {
    let registry = Registry::new(config.storage.clone(), access.clone());
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), CONSUMERS_NAMED);
    let caches = CacheManagerConfig::default()
        .with_file_metadata_cache(Some(footers(config.query.metadata_cache_bytes)));
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_max_temp_directory_size(config.query.spill_bytes)
        .with_cache_manager(caches)
        .with_metadata_cache_limit(config.query.metadata_cache_bytes)
        // It keeps listings for ever and knows them by their path alone: files that appear later would be missing, and one
        // bucket would be listed for another.
        .with_object_list_cache_limit(0)
        .with_object_store_registry(Arc::new(registry))
        .build_arc()?;
    Ok(runtime)
}

/// Memory that queries may use, bytes: as configured, else a share of the machine's.
pub fn query_memory(config: &Config) -> usize {
    config.query.memory_bytes.unwrap_or_else(|| {
        let share = machine_memory() as f64 * config.query.memory_fraction.clamp(0.05, 1.0);
        share as usize
    })
}

/// Memory of the machine, or of the cgroup where that is less, in bytes.
fn machine_memory() -> u64 {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let memory = system
        .cgroup_limits()
        .map_or_else(|| system.total_memory(), |limits| limits.total_memory);
    if memory == 0 { UNKNOWN_MEMORY } else { memory }
}

/// Memory of this process as the system counts it, bytes; `None` where the system does not tell.
pub fn resident_memory() -> Option<u64> {
    let own = get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[own]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    system.process(own).map(|process| process.memory())
}
