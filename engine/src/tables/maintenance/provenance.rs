//! What maintenance writes of itself into a commit: its operation and what came of it.

use deltalake::kernel::CommitInfo;
use deltalake::protocol::DeltaOperation;
use serde_json::{Map, Value, json};

/// The `commitInfo` of an operation, with its metrics as other writers name them. It has to be the
/// first action of a commit; the committer fills in the time.
pub fn commit_info(operation: &DeltaOperation, base: u64, metrics: Value) -> CommitInfo {
    let mut info = operation.get_commit_info();
    info.read_version = Some(base);
    info.is_blind_append = Some(false);
    // Readers expect texts, as in the operation's parameters.
    let texts: Map<String, Value> = match metrics {
        Value::Object(metrics) => metrics
            .into_iter()
            .map(|(name, value)| (name, json!(text(&value))))
            .collect(),
        _ => Map::new(),
    };
    info.info.insert("operationMetrics".into(), texts.into());
    info
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
