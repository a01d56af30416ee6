//! Rows of a plan as parts of one file: encoded where they are computed, by as many nodes as compute them; the process that
//! was asked puts the parts together and writes the file. Nodes reach no place but their lake.
//!
//! | module | |
//! |---|---|
//! | `encoding` | how rows become parts, and which formats have any |
//! | `node` | encoding, in a logical plan |
//! | `exec` | the operator |
//! | `codec` | the operator on its way to other nodes |
//! | `assembly` | a file of parts |

mod assembly;
mod codec;
mod encoding;
mod exec;
mod node;

pub(super) use assembly::Assembly;
pub(crate) use codec::EncodeCodec;
pub(crate) use encoding::Encoding;
pub(super) use encoding::part_of;
pub(crate) use exec::EncodeExec;
pub(crate) use node::{EncodePlanner, encode};
