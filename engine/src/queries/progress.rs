//! How far a plan is: the part of what its leaves hold that they have read.

use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

/// Rows that the leaves of a plan have read, and rows that they hold as far as statistics tell.
#[derive(Debug, Default, Clone, Copy)]
struct Rows {
    read: usize,
    held: usize,
}

/// The part of its input that a plan has read, from 0 to 1: an estimate, for leaves skip what filters need not see. `None`
/// where nobody knows how much there is.
pub fn progress(plan: &dyn ExecutionPlan) -> Option<f64> {
    let mut rows = Rows::default();
    count(plan, &mut rows);
    match rows.held {
        0 => None,
        held => Some((rows.read as f64 / held as f64).min(1.0)),
    }
}

fn count(plan: &dyn ExecutionPlan, rows: &mut Rows) {
    let children = plan.children();
    if children.is_empty() {
        let held = StatisticsContext::new().compute(plan, &StatisticsArgs::new());
        if let Ok(statistics) = held
            && let Precision::Exact(held) | Precision::Inexact(held) = statistics.num_rows
        {
            rows.held += held;
            let read = plan.metrics().map_or(0, |metrics| looked_at(&metrics));
            rows.read += read.min(held);
        }
    }
    for child in children {
        count(child.as_ref(), rows);
    }
}

/// Rows that a leaf gave, and those that it dropped within a file.
fn looked_at(metrics: &MetricsSet) -> usize {
    let dropped: usize = metrics
        .iter()
        .map(|metric| match metric.value() {
            MetricValue::Count { name, count } if name == "pushdown_rows_pruned" => count.value(),
            MetricValue::PruningMetrics {
                name,
                pruning_metrics,
            } if name == "page_index_rows_pruned" => pruning_metrics.pruned(),
            _ => 0,
        })
        .sum();
    metrics.output_rows().unwrap_or(0) + dropped
}
