//! Tasks that read some rows of a row group: where rows cost much, how long a query takes must not hang on how few row groups
//! there are. A table of ten thousand sequences has one, and a language model is busy with it for minutes.

use std::fmt;
use std::sync::Arc;

use datafusion::catalog::memory::DataSourceExec;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{exec_datafusion_err, internal_datafusion_err, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder};
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use serde::{Deserialize, Serialize};

use super::spread::{bare, scan};
use crate::tables::layout::ROW_GROUP_ROWS;
use crate::tables::pieces::rows;

/// With more row groups than these for each thread, whole ones share out well enough, and each is read by one node only.
const ROW_GROUPS: usize = 8;
/// A slice costs at least so many alignments of a sequence, some tens of milliseconds.
const LEAST_ALIGNMENTS: u64 = 10_000;

/// Rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    /// Rows before them.
    pub skipped: usize,
    /// How many they are.
    pub rows: usize,
    /// Rows of the file.
    pub of: usize,
}

impl Slice {
    fn selection(self) -> ParquetRowSelection {
        let selectors = vec![
            RowSelector::skip(self.skipped),
            RowSelector::select(self.rows),
            RowSelector::skip(self.of.saturating_sub(self.skipped + self.rows)),
        ];
        ParquetRowSelection::new(RowSelection::from(selectors))
    }

    fn of(file: &PartitionedFile) -> Option<Self> {
        file.extension::<Self>().copied()
    }

    /// The file, of which only these rows are read.
    fn cut(self, file: &PartitionedFile) -> PartitionedFile {
        bare(file)
            .with_extension(self.selection())
            .with_extension(self)
    }
}

/// The files of each of `tasks` and of each of its threads, with equally many rows of each file for all, where a row costs so
/// many `alignments`. `None` where there are row groups enough to share out, or where it is not known how many rows a file has.
pub(super) fn slices(
    files: &[PartitionedFile],
    tasks: usize,
    threads: usize,
    alignments: u64,
) -> Option<Vec<Vec<FileGroup>>> {
    let counts: Option<Vec<usize>> = files
        .iter()
        .map(|file| rows(file).filter(|_| file.range.is_none()))
        .collect();
    let counts = counts.filter(|_| alignments > 0 && tasks > 1)?;
    let slots = tasks * threads.max(1);
    let row_groups: usize = counts.iter().map(|it| it.div_ceil(ROW_GROUP_ROWS)).sum();
    if row_groups >= ROW_GROUPS * slots {
        return None;
    }
    let least = usize::try_from(LEAST_ALIGNMENTS / alignments).unwrap_or(usize::MAX);
    // Neighbours are of different tasks.
    let mut loads = vec![(0, Vec::new()); slots];
    for (file, count) in files.iter().zip(counts) {
        let pieces = count.div_ceil(least.max(1)).clamp(1, slots);
        let mut idlest: Vec<usize> = (0..slots).collect();
        idlest.sort_by_key(|slot| loads[*slot].0);
        let mut skipped = 0;
        for (piece, slot) in idlest.into_iter().take(pieces).enumerate() {
            let rows = (piece + 1) * count / pieces - skipped;
            let slice = Slice {
                skipped,
                rows,
                of: count,
            };
            skipped += rows;
            let (load, group) = &mut loads[slot];
            *load += rows;
            group.push(match pieces {
                1 => bare(file),
                _ => slice.cut(file),
            });
        }
    }
    let mut parts = vec![Vec::new(); tasks];
    for (slot, (_, group)) in loads.into_iter().enumerate() {
        parts[slot % tasks].push(FileGroup::new(group));
    }
    Some(parts)
}

/// A scan of slices. It travels as a scan of files and the rows of each: DataFusion's encoding of a scan has no place for them.
/// On a node it is a plain scan again.
#[derive(Debug)]
pub(super) struct SlicedScan(Arc<dyn ExecutionPlan>);

impl SlicedScan {
    /// The scan, in an envelope where it reads slices.
    pub(super) fn enveloped(config: FileScanConfig) -> Arc<dyn ExecutionPlan> {
        let files = config.file_groups.iter().flat_map(FileGroup::files);
        let has_slices = files.into_iter().any(|file| Slice::of(file).is_some());
        let scan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(config);
        match has_slices {
            true => Arc::new(Self(scan)),
            false => scan,
        }
    }
}

impl DisplayAs for SlicedScan {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlicedScan: rows=[")?;
        let groups = scan(self.0.as_ref()).map_or(&[][..], |scan| &scan.file_groups);
        for (number, group) in groups.iter().enumerate() {
            let slices = group.iter().map(|file| match Slice::of(file) {
                Some(slice) => format!("{}..{}", slice.skipped, slice.skipped + slice.rows),
                None => "..".to_string(),
            });
            let slices: Vec<String> = slices.collect();
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}[{}]", slices.join(", "))?;
        }
        write!(f, "], ")?;
        self.0.fmt_as(t, f)
    }
}

impl ExecutionPlan for SlicedScan {
    fn name(&self) -> &'static str {
        "SlicedScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.is_empty() {
            true => Ok(self),
            false => internal_err!("SlicedScan has no children"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

/// Writes [`SlicedScan`], and reads the scan that it is.
#[derive(Debug)]
pub(super) struct SliceCodec;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    /// By group and file.
    slices: Vec<Vec<Option<Slice>>>,
    scan: Vec<u8>,
}

impl PhysicalExtensionCodec for SliceCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wrong = |what: &str| exec_datafusion_err!("SlicedScan: {what}");
        let encoded: Encoded =
            serde_json::from_slice(buf).map_err(|error| wrong(&error.to_string()))?;
        let codec = DefaultPhysicalExtensionCodec {};
        let plan = physical_plan_from_bytes_with_proto_converter(
            &encoded.scan,
            ctx,
            &codec,
            proto_converter,
        )?;
        let scan = scan(plan.as_ref()).ok_or_else(|| wrong("no scan of files"))?;
        if scan.file_groups.len() != encoded.slices.len() {
            return Err(wrong("another number of groups"));
        }
        let groups = scan.file_groups.iter().zip(&encoded.slices);
        let groups = groups.map(|(group, slices)| {
            if group.len() != slices.len() {
                return Err(wrong("another number of files"));
            }
            let files = group.iter().zip(slices);
            Ok(files
                .map(|(file, slice)| match slice {
                    Some(slice) => slice.cut(file),
                    None => file.clone(),
                })
                .collect())
        });
        let groups: Vec<FileGroup> = groups.collect::<Result<_>>()?;
        let scan = FileScanConfigBuilder::from(scan.clone()).with_file_groups(groups);
        Ok(DataSourceExec::from_data_source(scan.build()))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let wrong = || internal_datafusion_err!("{} is no SlicedScan", node.name());
        let SlicedScan(plan) = node.downcast_ref::<SlicedScan>().ok_or_else(wrong)?;
        let groups = &scan(plan.as_ref()).ok_or_else(wrong)?.file_groups;
        let codec = DefaultPhysicalExtensionCodec {};
        let encoded = Encoded {
            slices: groups
                .iter()
                .map(|group| group.iter().map(Slice::of).collect())
                .collect(),
            scan: physical_plan_to_bytes_with_proto_converter(
                Arc::clone(plan),
                &codec,
                proto_converter,
            )?
            .to_vec(),
        };
        serde_json::to_writer(buf, &encoded)
            .map_err(|error| exec_datafusion_err!("SlicedScan: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::Rows;

    fn file(name: &str, rows: usize) -> PartitionedFile {
        PartitionedFile::new(name, 100 * rows as u64).with_extension(Rows(rows))
    }

    /// Rows of each file by task: name, first row, number of rows.
    fn found(
        files: &[PartitionedFile],
        tasks: usize,
        alignments: u64,
    ) -> Vec<Vec<(String, usize, usize)>> {
        let parts = slices(files, tasks, 2, alignments).unwrap();
        let described = |file: &PartitionedFile| {
            let name = file.object_meta.location.to_string();
            let slice = Slice::of(file);
            slice.map_or((name.clone(), 0, usize::MAX), |slice| {
                (name, slice.skipped, slice.rows)
            })
        };
        let task = |groups: Vec<FileGroup>| {
            assert_eq!(groups.len(), 2);
            groups
                .iter()
                .flat_map(FileGroup::files)
                .map(described)
                .collect()
        };
        parts.into_iter().map(task).collect()
    }

    #[test]
    fn each_task_has_its_share_of_each_file_and_every_row_is_read_once() {
        let files = [file("heavy", 99_783), file("light", 90_235)];
        let tasks = found(&files, 3, 1);
        for (name, rows) in [("heavy", 99_783), ("light", 90_235)] {
            let mut read: Vec<_> = tasks.concat();
            read.retain(|(file, ..)| file == name);
            read.sort();
            let mut next = 0;
            for (_, skipped, rows) in read {
                assert_eq!(skipped, next);
                next += rows;
            }
            assert_eq!(next, rows);
            for task in &tasks {
                let of_task = task.iter().filter(|(file, ..)| file == name);
                let of_task: usize = of_task.map(|(.., rows)| rows).sum();
                assert!(of_task.abs_diff(rows / 3) <= 2, "{of_task} of {rows}");
            }
        }
    }

    #[test]
    fn a_few_rows_are_shared_out_where_each_costs_much_and_stay_together_where_not() {
        let tasks = found(&[file("a", 100)], 2, 5_000);
        assert_eq!(tasks.concat().len(), 4);
        let tasks = found(&[file("a", 100), file("b", 90)], 2, 1);
        let whole = |name: &str| (name.to_string(), 0, usize::MAX);
        assert_eq!(tasks, [vec![whole("a")], vec![whole("b")]]);
    }

    #[test]
    fn whole_row_groups_where_they_are_many_or_unknown_or_cheap() {
        let many = [file("a", 100 * ROW_GROUP_ROWS)];
        assert!(slices(&many, 2, 2, 1).is_none());
        let few = [file("a", 1_000)];
        assert!(slices(&few, 2, 2, 0).is_none());
        assert!(slices(&few, 1, 2, 1).is_none());
        let unknown = [file("a", 1_000), PartitionedFile::new("b", 5)];
        assert!(slices(&unknown, 2, 2, 1).is_none());
    }
}
