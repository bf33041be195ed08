//! Loops compiled for the vector registers of the processor at hand.

use pulp::{Arch, Simd, WithSimd};

/// Runs `work` compiled for the vector registers of the processor that runs it, not for those of the oldest x86-64.
///
/// The closure must be `#[inline(always)]`, as must what it calls. It is called as an `FnMut`: the
/// compiler's adapter for `FnOnce` is a function of its own, which would not be inlined.
pub(super) fn vectorized<R>(work: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Work(work))
}

struct Work<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Work<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
