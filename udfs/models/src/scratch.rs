//! Working memory of a thread, kept for its next call.

use std::cell::RefCell;

use crate::{attention, kernels::pack::Panels};

/// Buffers of a forward pass. They grow to what the largest part needed.
#[derive(Default)]
pub(crate) struct Scratch {
    /// What flows through the layers: a row a token.
    pub hidden: Vec<f32>,
    /// Normalised rows, or rows that are gathered.
    pub other: Vec<f32>,
    /// Queries, keys and values.
    pub parts: Vec<f32>,
    /// Results of the attention.
    pub context: Vec<f32>,
    /// The wide layer of the feed-forward block.
    pub wide: Vec<f32>,
    /// Rows packed for a linear layer.
    pub panels: Panels,
    /// Packed heads.
    pub attention: attention::Buffers,
    /// Tokens whose last layer is wanted.
    pub wanted: Vec<usize>,
    pub wanted_ends: Vec<usize>,
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
