//! The operator on its way to other nodes: its target, the columns apart as Arrow writes them.

use std::sync::Arc;

use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::common::{exec_datafusion_err, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use super::exec::DeltaWriteExec;
use super::target::{Place, SinkTarget};

/// Reads and writes [`DeltaWriteExec`].
#[derive(Debug)]
pub(crate) struct SinkCodec;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    place: Place,
    apart: bool,
    /// The schema as an Arrow stream without batches.
    schema: Vec<u8>,
}

impl PhysicalExtensionCodec for SinkCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let encoded: Encoded = serde_json::from_slice(buf)
            .map_err(|error| exec_datafusion_err!("DeltaWriteExec: {error}"))?;
        encoded.place.is_in_lake()?;
        let [input] = inputs else {
            return Err(internal_datafusion_err!("DeltaWriteExec has one child"));
        };
        let schema = StreamReader::try_new(encoded.schema.as_slice(), None)?.schema();
        let target = SinkTarget {
            schema,
            place: encoded.place,
        };
        let input = Arc::clone(input);
        Ok(Arc::new(DeltaWriteExec::with(
            Arc::new(target),
            input,
            encoded.apart,
        )))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let write = node
            .downcast_ref::<DeltaWriteExec>()
            .ok_or_else(|| internal_datafusion_err!("{} is no DeltaWriteExec", node.name()))?;
        let target = write.target();
        let mut schema = Vec::new();
        StreamWriter::try_new(&mut schema, &target.schema)?.finish()?;
        let encoded = Encoded {
            place: target.place.clone(),
            apart: write.is_apart(),
            schema,
        };
        serde_json::to_writer(buf, &encoded)
            .map_err(|error| exec_datafusion_err!("DeltaWriteExec: {error}"))
    }
}
