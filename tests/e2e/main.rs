//! End-to-end tests: the real binary, real files, real stores. One binary, so one link.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed step is a failed test
#![allow(clippy::print_stderr)] // a test says when it was skipped

mod access;
mod archive;
mod azure;
mod bad;
mod caches;
mod catalog;
mod cells;
mod cluster;
mod cluster_copies;
mod cluster_endpoints;
mod cluster_faults;
mod cluster_writes;
mod complete;
mod corpora;
mod damage;
mod flight_control;
mod flight_hostile;
mod flight_ingest;
mod flight_load;
mod flight_metadata;
mod flight_polled;
mod flight_prepared;
mod flight_results;
mod flight_streaming;
mod gone;
mod guards;
mod identity;
mod inference;
mod jobs;
mod kill;
mod kill_statements;
mod lost;
mod maintenance;
mod model_queries;
mod model_results;
mod models;
mod molecules;
mod plans;
mod race;
mod round_trips;
mod s3_server;
#[cfg(unix)]
mod shell;
mod statements;
