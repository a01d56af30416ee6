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
//! | `estimate` | what a query would send through language models, and limits on that |
//! | `part` | a batch, computed by all threads |
//! | `progress` | what an operator has counted of language models, and its stop |
//! | `shares` | which rows one thread computes at a time |
//! | `models` | language models, and what is known of their results |
//! | `remembered` | a call that computes equal inputs once |
//! | `memo` | results of calls, within a limit |
//! | `stored` | results of language models as a table of the lake |
//! | `whose` | whose results a query may know |
//! | `codec` | the operator on its way to other nodes |

mod calls;
mod codec;
mod columns;
mod estimate;
mod exec;
mod lift;
mod memo;
mod models;
mod part;
mod planner;
mod progress;
mod remembered;
mod shares;
mod spent;
mod stored;
mod whose;

pub(crate) use calls::{cost, is_expensive};
pub(crate) use codec::InferenceCodec;
pub(crate) use estimate::{Counted, Estimate, admit, estimate};
pub(crate) use exec::{InferenceExec, UseInference};
pub(crate) use models::Models;
pub(crate) use planner::{InferencePlanner, physical_plan, planned};
pub(crate) use whose::Whose;
