//! The `paratope` binary: all it does stands in the library, where tests can reach it.

use std::process::ExitCode;

/// Queries allocate and free many small buffers on many threads: mimalloc is faster at it than
/// the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flight_server::cli::main()
}
