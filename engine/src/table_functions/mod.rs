//! Table functions.
use datafusion::catalog::TableFunctionImpl;
use std::sync::Arc;
/// All.
pub fn all() -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    Vec::new()
}
