//! Expensive functions in plans: those that align sequences, and language models. They are computed by one operator, on as
//! few rows as the logic of the plan allows.
//!
//! | module | |
//! |---|---|
//! | `calls` | expressions that hold expensive calls, and which of them are computed for every row |
//! | `lift` | where in a logical plan they are computed |
//! | `columns` | what a plan that was lifted gives |
//! | `planner` | plans with both |
//! | `exec` | the operator |
//! | `remembered` | a call that computes equal inputs once |
//! | `memo` | results of calls, within a limit |
//! | `codec` | the operator on its way to other nodes |

mod calls;
mod codec;
mod columns;
mod exec;
mod lift;
mod memo;
mod planner;
mod remembered;

pub(crate) use calls::{is_expensive, is_expensive_physical};
pub(crate) use codec::InferenceCodec;
pub(crate) use exec::{InferenceExec, UseInference};
pub(crate) use planner::{InferencePlanner, physical_plan};
