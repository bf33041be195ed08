//! Whether products are tuned.

use std::sync::atomic::{AtomicBool, Ordering};

static PRODUCTS: AtomicBool = AtomicBool::new(true);

/// Whether CubeCL tunes matrix products: it compiles several kernels for each kind of shape, measures them and keeps the
/// fastest. That is Burn's way, and the default; without it the first step comes sooner, and the kernel is the one that
/// suits a device in general. Where products are tuned, attention in `f32` without bias or mask is measured too: composed,
/// and by a kernel that never writes the scores. It counts for the operations of this crate, from then on.
pub fn tune_products(tuned: bool) {
    PRODUCTS.store(tuned, Ordering::Relaxed);
}

#[cfg(feature = "cubecl")]
pub(super) fn products_are_tuned() -> bool {
    PRODUCTS.load(Ordering::Relaxed)
}
