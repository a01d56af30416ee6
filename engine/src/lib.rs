//! Paratope's engine: a lake of Delta tables on an object store, and DataFusion sessions over it.
//!
//! The engine opens no port and prints nothing; servers and command lines stand on it.

pub mod catalog;
pub mod config;
pub mod distributed;
pub mod error;
pub mod export;
pub mod formats;
mod inference;
pub mod ingest;
pub mod jobs;
mod lake;
pub mod lifecycle;
pub mod measures;
pub mod models;
pub mod policy;
pub mod queries;
pub mod session;
mod sql;
pub mod storage;
pub mod table_functions;
pub mod tables;

pub use error::{Error, Result};
pub use lake::{Creation, Lake};
