//! Per-file statistics, as far as they can be trusted.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};

/// The log keeps times in whole milliseconds, cut off (Delta protocol, per-file statistics): a maximum may be this
/// much too small.
const CUT_OFF_MICROS: i64 = 999;

/// Statistics of a log whose maxima of times are raised by what was cut off.
pub struct Widened<S>(pub S);

impl<S: PruningStatistics> PruningStatistics for Widened<S> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.0.min_values(column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        let values = self.0.max_values(column)?;
        let DataType::Timestamp(TimeUnit::Microsecond, zone) = values.data_type() else {
            return Some(values);
        };
        let raised = values
            .as_primitive::<TimestampMicrosecondType>()
            .unary::<_, TimestampMicrosecondType>(|micros| micros.saturating_add(CUT_OFF_MICROS))
            .with_timezone_opt(zone.clone());
        Some(Arc::new(raised))
    }

    fn num_containers(&self) -> usize {
        self.0.num_containers()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.0.null_counts(column)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        self.0.row_counts()
    }

    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        self.0.contained(column, values)
    }
}
