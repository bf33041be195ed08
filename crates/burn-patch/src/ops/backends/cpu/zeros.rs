//! Memory for what a kernel writes.

use rayon::prelude::*;

use super::Real;
use super::block::LANES;

/// Fewer bytes than this are not worth dividing.
const SHARED_FROM: usize = 128 * 1024;

/// `len` zeros, a part written by each thread.
///
/// `vec![0.0; len]` clears memory that was used before on one thread, while the others wait, and leaves new memory to be
/// cleared by the system where a thread first writes, one page at a time.
pub(super) fn zeros<T: Real>(len: usize) -> Vec<T> {
    let threads = rayon::current_num_threads();
    if threads == 1 || len * size_of::<T>() < SHARED_FROM {
        return vec![T::default(); len];
    }
    // Whole lines are written by vector instructions.
    let count = len.div_ceil(LANES);
    let lines = rayon::iter::repeat_n([T::default(); LANES], count);
    let lines: Vec<_> = lines.with_min_len(count.div_ceil(threads)).collect();
    let mut values = lines.into_flattened();
    values.truncate(len);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    fn they_are_as_many_zeros_as_asked_for(#[values(0, 1, 40_000, 40_001, 40_015)] len: usize) {
        assert_eq!(zeros::<f32>(len), vec![0.0; len]);
        assert_eq!(zeros::<f64>(len), vec![0.0; len]);
    }
}
