//! The operator on its way to other nodes: as the projection that it is, over nothing.

use std::sync::Arc;

use datafusion::common::internal_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion_proto::bytes::{
    physical_plan_from_bytes_with_proto_converter, physical_plan_to_bytes_with_proto_converter,
};
use datafusion_proto::physical_plan::{
    DefaultPhysicalExtensionCodec, PhysicalExtensionCodec, PhysicalProtoConverterExtension,
};

use super::exec::{InferenceExec, RECOMPUTE};

/// Reads and writes [`InferenceExec`].
#[derive(Debug)]
pub(crate) struct InferenceCodec;

impl PhysicalExtensionCodec for InferenceCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let codec = DefaultPhysicalExtensionCodec {};
        let plan =
            physical_plan_from_bytes_with_proto_converter(buf, ctx, &codec, proto_converter)?;
        let plan = plan.replace_children(inputs.to_vec(), RECOMPUTE)?;
        Ok(Arc::new(InferenceExec::of(plan.as_ref())?))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let inference = node
            .downcast_ref::<InferenceExec>()
            .ok_or_else(|| internal_datafusion_err!("{} is no InferenceExec", node.name()))?;
        let projection = inference.projection();
        let nothing = Arc::new(EmptyExec::new(projection.input().schema()));
        let plan = Arc::new(projection.clone()).replace_children(vec![nothing], RECOMPUTE)?;
        let codec = DefaultPhysicalExtensionCodec {};
        let bytes = physical_plan_to_bytes_with_proto_converter(plan, &codec, proto_converter)?;
        buf.extend_from_slice(&bytes);
        Ok(())
    }
}
