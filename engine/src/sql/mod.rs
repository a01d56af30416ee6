//! Statements: what DataFusion plans, and what the lake adds to it.
//!
//! The way of a statement: text to syntax ([`statement`]), clauses that nobody would carry out
//! refused and time travel turned into names ([`resolve`]), one version of each table pinned
//! ([`scope`]), then planned and run by DataFusion or by one of the files below. What changes rows
//! finds them by a query of its own and rewrites their files ([`rewrite`]), never through hooks of
//! a table provider, which see a subquery as no condition at all.

mod alter;
pub(crate) mod bind;
mod calls;
mod change_data;
mod changes;
mod clauses;
mod copy_into;
mod create_table;
mod delete;
mod depth;
mod dialect;
mod execute;
mod explain;
mod insert;
mod jobs;
mod kept;
mod masked;
mod merge;
mod models;
mod planned;
pub(crate) mod resolve;
mod rewrite;
mod scope;
mod statement;
mod target;
mod template;
mod update;
mod upkeep;
mod values;
mod views;

pub use depth::STACK_BYTES;
pub use execute::execute;
pub(crate) use execute::row_changes;
pub(crate) use jobs::{add as add_job, drop_job};
pub use masked::Masked;
pub use planned::{Planned, parameters, plan};
pub(crate) use rewrite::rewrite;
pub use scope::{Scope, plan_hash};
pub use statement::{Statement, parse};
pub(crate) use template::{Parts, quoted};
