//! Working memory of a thread, kept for its next call.

use std::cell::RefCell;

/// Buffers of a forward pass. They grow to what the largest part needed.
#[derive(Default)]
pub(crate) struct Scratch {
    pub hidden: Vec<f32>,
}

thread_local! {
    static KEPT: RefCell<Scratch> = RefCell::default();
}

/// Lends the thread's buffers; a call within a call gets new ones.
pub(crate) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    KEPT.with(|kept| match kept.try_borrow_mut() {
        Ok(mut scratch) => work(&mut scratch),
        Err(_) => work(&mut Scratch::default()),
    })
}
