//! Joins and the like give many batches for one that they take. An operator above them then computes for minutes without a
//! pause, and on the same threads nothing else is planned, no cancellation is heard and nobody's `KILL QUERY` is carried out.
//! DataFusion lets only the leaves of a plan pause; this rule lets those operators do so too.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult as _, TreeNode as _};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;

use super::stoppable;
use crate::queries;

/// Puts a pause above operators that give many batches for one.
#[derive(Debug)]
pub struct Yielding;

impl PhysicalOptimizerRule for Yielding {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let stop = queries::current().map(|query| query.stop().clone());
        plan.transform_up(|node| {
            if !multiplies(node.as_ref()) {
                return Ok(Transformed::no(node));
            }
            let stoppable = match &stop {
                Some(stop) => stoppable::join(node.as_ref(), stop)?,
                None => None,
            };
            let node = stoppable.unwrap_or(node);
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(node)) as _))
        })
        .data()
    }

    fn name(&self) -> &str {
        "paratope_yielding"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn multiplies(node: &dyn ExecutionPlan) -> bool {
    node.is::<CrossJoinExec>()
        || node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<UnnestExec>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
    use std::time::Duration;

    use futures::TryStreamExt as _;

    use crate::config::Config;
    use crate::session::Session;
    use crate::storage::Access;

    #[tokio::test]
    async fn a_join_that_would_take_hours_gives_way_to_others_on_its_only_thread() {
        let mut config = Config::default();
        config.query.threads = 1;
        let access = Access::everything(&config).unwrap();
        let session = Session::new(None, &config, access).unwrap();
        let sql = "SELECT count(*) FROM (SELECT a.value + b.value AS n \
            FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b) WHERE n % 2 = 0";
        let statement = session.parse(sql).unwrap().remove(0);
        let answer = session.execute(statement).await.unwrap();
        let endless = tokio::spawn(answer.stream.try_collect::<Vec<_>>());
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // This test has one thread: that it came here is the proof.
        assert!(!endless.is_finished());
        endless.abort();
    }
}
