//! The operator on its way to other nodes.

use std::sync::Arc;

use datafusion::common::{exec_datafusion_err, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use super::exec::EncodeExec;

/// Reads and writes [`EncodeExec`].
#[derive(Debug)]
pub(crate) struct EncodeCodec;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Travelling {
    encoding: Encoding,
    encoded_apart: bool,
}

impl PhysicalExtensionCodec for EncodeCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let travelling: Travelling = serde_json::from_slice(buf)
            .map_err(|error| exec_datafusion_err!("EncodeExec: {error}"))?;
        let [input] = inputs else {
            return Err(internal_datafusion_err!("EncodeExec has one child"));
        };
        Ok(Arc::new(EncodeExec::with(
            travelling.encoding,
            Arc::clone(input),
            travelling.encoded_apart,
        )))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let encode = node
            .downcast_ref::<EncodeExec>()
            .ok_or_else(|| internal_datafusion_err!("{} is no EncodeExec", node.name()))?;
        let travelling = Travelling {
            encoding: encode.encoding().clone(),
            encoded_apart: encode.is_apart(),
        };
        serde_json::to_writer(buf, &travelling)
            .map_err(|error| exec_datafusion_err!("EncodeExec: {error}"))
    }
}
