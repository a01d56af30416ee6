//! How long freed memory stays with the process.

use std::ffi::{c_int, c_long};

use engine::config::Config;

/// With less for queries, what is kept beside it would count.
const PLENTY: usize = 2 << 30;

/// Leaves freed memory with the process for a second where queries have plenty: operators give batches back and ask for as
/// much again, and each time the kernel would clear the pages anew. Half a gigabyte may be kept so; under a small limit it
/// goes back after 10 ms. `MIMALLOC_PURGE_DELAY` still has the last word.
///
/// To be called before there are other threads.
pub fn keep_freed_pages(config: &Config) {
    /// `mi_option_purge_delay` of `mimalloc.h` (versions 2 and 3); the bindings do not name it.
    const PURGE_DELAY: c_int = 15;
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_some() {
        return;
    }
    let is_small = config.query.memory_bytes.is_some_and(|it| it < PLENTY);
    let milliseconds: c_long = if is_small { 10 } else { 1_000 };
    // SAFETY: the function writes one entry of mimalloc's table of options, whose length is
    // checked there (`_mi_option_last` is 38 or more); no other thread runs yet.
    #[allow(unsafe_code)]
    unsafe {
        // Not the function that sets a default: by now the option has been read.
        libmimalloc_sys::mi_option_set(PURGE_DELAY, milliseconds);
    }
}
