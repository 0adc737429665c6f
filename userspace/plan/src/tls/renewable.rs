//! The one thing that changes under a plan: what is made of certificate files, which are replaced while it is in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// Something of which there is always one, and a newer one now and then. A connection asks once and keeps what it got.
#[derive(Debug, Default)]
pub struct Renewable<T>(ArcSwap<T>);

impl<T> Renewable<T> {
    /// The first.
    #[must_use]
    pub fn new(first: Arc<T>) -> Self {
        Self(ArcSwap::new(first))
    }

    /// The one in force.
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts another in its place.
    pub fn renew(&self, next: Arc<T>) {
        self.0.store(next);
    }
}
