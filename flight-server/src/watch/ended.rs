//! What is counted and logged when a statement ends.

use engine::queries::{Outcome, Query};
use metrics::{counter, histogram};

use super::measures::{
    BYTES, LINES_LEFT_OUT, QUERIES, QUERY_SECONDS, QUEUE_SECONDS, ROWS, SPILLED,
};

/// Counts a statement that has ended, and logs one line about it: without its literals, unless the server keeps them.
pub fn ended(query: &Query, outcome: &Outcome) {
    let (whole, queued) = (query.elapsed(), query.waited());
    let spilled = query.spilled_bytes();
    let error = outcome.reason();
    counter!(QUERIES, "status" => outcome.name()).increment(1);
    histogram!(QUERY_SECONDS).record(whole);
    histogram!(QUEUE_SECONDS).record(queued);
    counter!(ROWS).increment(query.rows());
    counter!(BYTES).increment(query.bytes());
    counter!(SPILLED).increment(spilled);
    tracing::info!(
        query_id = %query.id,
        user = query.user.as_str(),
        status = outcome.name(),
        rows = query.rows(),
        bytes = query.bytes(),
        queue_s = milliseconds(queued),
        run_s = milliseconds(whole.saturating_sub(queued)),
        peak_memory_bytes = query.peak_memory_bytes(),
        spilled_bytes = spilled,
        error = error.as_deref(),
        statement = query.statement.as_str(),
        "statement ended"
    );
}

/// Seconds to the millisecond: more digits only make lines long.
fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// Counts a line that the log lacks.
pub fn line_left_out() {
    counter!(LINES_LEFT_OUT).increment(1);
}
