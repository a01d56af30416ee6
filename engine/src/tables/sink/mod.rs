//! Rows of a plan as new files of a table: written where they are computed, by as many nodes as compute them; the process
//! that was asked commits the files once.
//!
//! | module | |
//! |---|---|
//! | `target` | the table that is written, as far as a writer must know it |
//! | `node` | writing, in a logical plan |
//! | `exec` | the operator |
//! | `files` | which files were written, on their way to who commits them |
//! | `codec` | the operator on its way to other nodes |

mod codec;
mod exec;
mod files;
mod node;
mod target;

pub(crate) use codec::SinkCodec;
pub(crate) use exec::DeltaWriteExec;
pub(crate) use files::collect;
pub(crate) use node::{SinkPlanner, is_sink, write};
pub(crate) use target::SinkTarget;
