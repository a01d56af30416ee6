//! How a scan of the lake is split over tasks: by bytes, and by rows where a plan holds functions that cost much for each.

use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::Statistics;
use datafusion::common::extensions::Extensions;
use datafusion::common::stats::Precision;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileGroupPartitioner, FileScanConfig, FileScanConfigBuilder,
};
use datafusion::error::Result;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties as _};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedLeafExec,
    ScaleUpLeafNodeEvent, ScaleUpLeafNodeEventResponse,
};
use url::Url;

use super::affinity::{Work, assign, whole};
use super::slices::{SlicedScan, slices};
use crate::config::ClusterConfig;
use crate::storage::LAKE_SCHEME;

tokio::task_local! {
    /// What a row costs in the functions of the plan that is being distributed, in alignments of a sequence.
    pub(super) static COST: u64;
}

/// [`COST`], where a plan is being distributed.
fn cost() -> u64 {
    COST.try_with(|it| *it).unwrap_or(0)
}

/// Bytes of a file that are read, with all columns, in about the time of an alignment: 2 µs with AVX-512.
const ALIGNMENT: u64 = 500;

/// The Parquet scan that a node of a plan is.
pub(super) fn scan(node: &dyn ExecutionPlan) -> Option<&FileScanConfig> {
    let source = node.downcast_ref::<DataSourceExec>()?;
    source.data_source().downcast_ref::<FileScanConfig>()
}

/// Whether every node reads the same from it: files of the lake, without columns that the reader makes up.
pub(super) fn is_shared(scan: &FileScanConfig) -> bool {
    let made_up = scan.file_source.table_schema().virtual_columns();
    scan.object_store_url.as_str().starts_with(LAKE_SCHEME) && made_up.is_empty()
}

/// Bytes that a scan may read.
pub(super) fn bytes(scan: &FileScanConfig) -> u64 {
    let files = scan.file_groups.iter().flat_map(FileGroup::files);
    files.map(|file| file.effective_size()).sum()
}

/// Rows that a scan may give, as far as is known.
pub(super) fn rows(scan: &FileScanConfig) -> Option<usize> {
    match scan.statistics().num_rows {
        Precision::Exact(rows) | Precision::Inexact(rows) => Some(rows),
        Precision::Absent => None,
    }
}

/// Over how many tasks a scan is worth being spread.
pub(super) fn tasks(scan: &FileScanConfig, config: &ClusterConfig, cost: u64) -> usize {
    let by_bytes = bytes(scan).div_ceil(config.task_bytes.max(1));
    let by_rows = match rows(scan) {
        Some(rows) => cost
            .saturating_mul(rows as u64)
            .div_ceil(config.task_expensive_rows.max(1) as u64),
        None => 0,
    };
    usize::try_from(by_bytes.max(by_rows)).unwrap_or(usize::MAX)
}

/// What the planner asks of each leaf.
pub(super) fn desired(
    event: DesiredTaskCountEvent<'_>,
    config: &ClusterConfig,
) -> Option<Result<DesiredTaskCountEventResponse>> {
    let scan = scan(event.plan.as_ref())?;
    let tasks = tasks(scan, config, cost());
    Some(Ok(DesiredTaskCountEventResponse::desired(tasks.max(1))))
}

/// The scan in as many parts as there are tasks, the first of which runs on the first of `nodes`. What is known of each file
/// stays here: nodes have no use for it, and it is most of a plan.
pub(super) fn spread(
    event: ScaleUpLeafNodeEvent<'_>,
    nodes: &[Url],
) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let scan = scan(event.plan.as_ref())?;
    let partitions = event.plan.output_partitioning().partition_count();
    let parts = match scan.output_ordering.is_empty() && !nodes.is_empty() {
        true => {
            let nodes = nodes.iter().cycle().take(event.task_count);
            let nodes: Vec<String> = nodes.map(Url::to_string).collect();
            let files = || scan.file_groups.iter().flat_map(FileGroup::files).cloned();
            let sliced = match cost() {
                0 => None,
                cost => slices(&whole(files()), nodes.len(), partitions, cost),
            };
            sliced.unwrap_or_else(|| assign(files(), &nodes, partitions, work(scan)))
        }
        false => in_order(scan, partitions, event.task_count),
    };
    let most = parts.iter().map(Vec::len).max().unwrap_or(0);
    let schema = scan.file_source.table_schema().table_schema();
    // Each task has a clone of what is left: with all files in it, they took most of the time of planning.
    let without_files = FileScanConfigBuilder::from(scan.clone())
        .with_file_groups(Vec::new())
        .with_statistics(Statistics::new_unknown(schema))
        .build();
    let variants = parts.into_iter().map(|mut groups| {
        // Every task has equally many partitions, of which some may be empty.
        groups.resize_with(most, || FileGroup::new(Vec::new()));
        let part = FileScanConfigBuilder::from(without_files.clone())
            .with_file_groups(groups)
            .build();
        SlicedScan::enveloped(part)
    });
    let leaf = DistributedLeafExec::try_new(Arc::clone(event.plan), variants);
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
}

/// What reading costs.
fn work(scan: &FileScanConfig) -> Work {
    let all = scan
        .file_source
        .table_schema()
        .table_schema()
        .fields()
        .len();
    let read = scan
        .projected_schema()
        .map_or(all, |read| read.fields().len());
    Work {
        columns: read as f64 / all.max(1) as f64,
        row: cost().saturating_mul(ALIGNMENT),
    }
}

/// The files of each task and thread, where their order counts.
fn in_order(scan: &FileScanConfig, partitions: usize, tasks: usize) -> Vec<Vec<FileGroup>> {
    let groups = FileGroupPartitioner::new()
        .with_target_partitions(partitions * tasks)
        .with_repartition_file_min_size(0)
        .with_preserve_order_within_groups(true)
        .repartition_file_groups(&scan.file_groups)
        .unwrap_or_else(|| scan.file_groups.clone());
    let mut parts = vec![Vec::new(); tasks];
    for (index, group) in groups.into_iter().enumerate() {
        let files = group.iter().map(bare);
        parts[index % tasks].push(files.collect());
    }
    parts
}

/// A file without what is known of it: nodes have no use for that.
pub(super) fn bare(file: &PartitionedFile) -> PartitionedFile {
    PartitionedFile {
        statistics: None,
        extensions: Extensions::default(),
        ..file.clone()
    }
}
