//! Every metric of a server: those of the engine, and those of statements, sessions and the process.

use engine::measures::{Kind, Measure};

/// Statements that ended.
pub const QUERIES: &str = "paratope_queries_total";
/// From a statement's place in the line to its end.
pub const QUERY_SECONDS: &str = "paratope_query_duration_seconds";
/// Of that, until its turn came.
pub const QUEUE_SECONDS: &str = "paratope_query_queue_seconds";
/// Rows given.
pub const ROWS: &str = "paratope_query_rows_total";
/// Bytes of these rows.
pub const BYTES: &str = "paratope_query_bytes_total";
/// Bytes written to disk for want of memory.
pub const SPILLED: &str = "paratope_query_spilled_bytes_total";
/// Statements that run.
pub const RUNNING: &str = "paratope_queries_running";
/// Statements that wait.
pub const QUEUED: &str = "paratope_queries_queued";
/// Parts of the queries of others that a node computes.
pub const TASKS: &str = "paratope_node_tasks_running";
/// Memory that statements hold.
pub const MEMORY: &str = "paratope_memory_reserved_bytes";
/// Memory that they may hold.
pub const MEMORY_LIMIT: &str = "paratope_memory_limit_bytes";
/// Sessions.
pub const SESSIONS: &str = "paratope_sessions";
/// Prepared statements.
pub const PREPARED: &str = "paratope_prepared_statements";
/// Memory of the process.
pub const RESIDENT: &str = "paratope_process_resident_memory_bytes";
/// When the server started.
pub const START: &str = "paratope_process_start_time_seconds";
/// The version.
pub const BUILD: &str = "paratope_build_info";

/// Lines that the log lacks.
pub const LINES_LEFT_OUT: &str = "paratope_log_lines_dropped_total";

const SERVER: &[Measure] = &[
    Measure {
        name: QUERIES,
        kind: Kind::Counter,
        labels: &[("status", &["succeeded", "failed", "cancelled", "timed_out"])],
        help: "Statements that ended, by status as in system.query_log",
    },
    Measure {
        name: QUERY_SECONDS,
        kind: Kind::Histogram,
        labels: &[],
        help: "Time of statements from their place in the line to their last row",
    },
    Measure {
        name: QUEUE_SECONDS,
        kind: Kind::Histogram,
        labels: &[],
        help: "Of that, the time until their turn came",
    },
    Measure {
        name: ROWS,
        kind: Kind::Counter,
        labels: &[],
        help: "Rows given to clients",
    },
    Measure {
        name: BYTES,
        kind: Kind::Counter,
        labels: &[],
        help: "Bytes of the rows given to clients, in memory",
    },
    Measure {
        name: SPILLED,
        kind: Kind::Counter,
        labels: &[],
        help: "Bytes that statements wrote to disk for want of memory, noted when they end",
    },
    Measure {
        name: TASKS,
        kind: Kind::Gauge,
        labels: &[],
        help: "Parts of the queries of others that this node computes",
    },
    Measure {
        name: RUNNING,
        kind: Kind::Gauge,
        labels: &[],
        help: "Statements that run",
    },
    Measure {
        name: QUEUED,
        kind: Kind::Gauge,
        labels: &[],
        help: "Statements that wait for their turn",
    },
    Measure {
        name: MEMORY,
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory that statements hold together",
    },
    Measure {
        name: MEMORY_LIMIT,
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory that statements may hold together",
    },
    Measure {
        name: SESSIONS,
        kind: Kind::Gauge,
        labels: &[],
        help: "Open sessions",
    },
    Measure {
        name: PREPARED,
        kind: Kind::Gauge,
        labels: &[],
        help: "Prepared statements that are kept",
    },
    Measure {
        name: LINES_LEFT_OUT,
        kind: Kind::Counter,
        labels: &[],
        help: "Lines that the log lacks because nobody read it as fast as they came",
    },
    Measure {
        name: RESIDENT,
        kind: Kind::Gauge,
        labels: &[],
        help: "Memory of the process as the system counts it",
    },
    Measure {
        name: START,
        kind: Kind::Gauge,
        labels: &[],
        help: "When the server started, seconds since 1970",
    },
    Measure {
        name: BUILD,
        kind: Kind::Gauge,
        labels: &[("version", &[env!("CARGO_PKG_VERSION")])],
        help: "1, with the version as label",
    },
];

/// Every metric that `/metrics` tells.
pub fn all() -> impl Iterator<Item = &'static Measure> {
    SERVER.iter().chain(engine::measures::ALL)
}
