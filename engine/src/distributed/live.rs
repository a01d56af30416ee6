//! `system.nodes`: the nodes of the cluster, as a table.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{
    ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::channels::Load;
use super::cluster::{Cluster, Node, NodeState};
use crate::catalog::Live;
use crate::error::Result;

/// The table.
#[derive(Debug)]
pub struct LiveNodes {
    cluster: Arc<Cluster>,
    schema: SchemaRef,
}

impl LiveNodes {
    /// The nodes of `cluster`.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("address", DataType::Utf8, false),
            Field::new("state", DataType::Utf8, false),
            Field::new("version", DataType::Utf8, true),
            Field::new("seen_at", time, true),
            Field::new("tasks", DataType::UInt64, true),
            Field::new("cached_bytes", DataType::UInt64, true),
            Field::new("devices", DataType::UInt64, true),
            Field::new("reason", DataType::Utf8, true),
        ]);
        Self {
            cluster,
            schema: Arc::new(schema),
        }
    }
}

#[async_trait]
impl Live for LiveNodes {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let nodes = self.cluster.nodes();
        let texts = |of: fn(&Node) -> Option<String>| -> ArrayRef {
            Arc::new(nodes.values().map(of).collect::<StringArray>())
        };
        let numbers = |of: fn(&Load) -> u64| -> ArrayRef {
            let numbers = nodes.values().map(|node| node.load.as_ref().map(of));
            Arc::new(numbers.collect::<UInt64Array>())
        };
        let addresses = StringArray::from_iter_values(nodes.keys().map(|url| url.as_str()));
        let seen: TimestampMicrosecondArray = nodes
            .values()
            .map(|node| node.seen_at.map(|at| at.timestamp_micros()))
            .collect();
        Ok(RecordBatch::try_new(
            Arc::clone(&self.schema),
            vec![
                Arc::new(addresses),
                texts(|node| Some(node.state.to_string())),
                texts(|node| node.version.clone()),
                Arc::new(seen.with_timezone("UTC")),
                numbers(|load| load.tasks),
                numbers(|load| load.cached_bytes),
                numbers(|load| load.devices),
                texts(|node| match &node.state {
                    NodeState::Lost(reason) => Some(reason.clone()),
                    _ => None,
                }),
            ],
        )?)
    }
}
