//! The `paratope` binary: all it does stands in the library, where tests can reach it.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Queries allocate and free many small buffers on many threads: mimalloc is faster at it than
/// the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    keep_freed_pages();
    flight_server::cli::main()
}

/// Leaves freed memory with the process for a second instead of mimalloc's 10 ms: operators give
/// batches back and ask for as much again, and each time the kernel would clear the pages anew.
/// `MIMALLOC_PURGE_DELAY` still has the last word.
fn keep_freed_pages() {
    /// `mi_option_purge_delay` of `mimalloc.h` (versions 2 and 3); the bindings do not name it.
    const PURGE_DELAY: c_int = 15;
    const MILLISECONDS: c_long = 1_000;
    // SAFETY: the function writes one entry of mimalloc's table of options, whose length is
    // checked there (`_mi_option_last` is 38 or more); no other thread runs yet.
    #[allow(unsafe_code)]
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, MILLISECONDS);
    }
}
