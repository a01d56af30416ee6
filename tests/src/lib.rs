//! What the tests stand on: a real S3 server with faults on demand, the `paratope` binary as a
//! child process, and small inputs made from public antibody sequences.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed step is a failed test
#![allow(clippy::print_stderr)] // a test says when it was skipped

pub mod binary;
pub mod bounds;
pub mod data;
pub mod faults;
pub mod flight;
pub mod formats;
pub mod lake;
pub mod model;
pub mod node;
pub mod s3;
pub mod server;
