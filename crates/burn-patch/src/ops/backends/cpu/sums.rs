//! Gradients of weight and bias as sums of parts, the same however many threads there are.

use core::ops::Range;

use rayon::prelude::*;

use super::Real;
use super::block::{add, tasks};

/// Bytes of all partial sums together.
const BYTES: usize = 2 * 1024 * 1024;
/// A part of fewer multiplications than this is not worth a sum of its own.
const WORTH: usize = 1 << 20;

/// Gradients of weight and bias.
pub(super) struct ParameterGrads<T> {
    pub(super) weight: Vec<T>,
    pub(super) bias: Vec<T>,
}

/// How the gradients' sum over rows is divided. A small weight gets partial sums over parts of the rows, which
/// need not wait for each other; of a large one, threads compute slices. The parts follow from the shapes, so the
/// sums run in one order however many threads there are.
pub(super) struct Division {
    rows: usize,
    /// A power of two, so that threads share them evenly.
    pub(super) parts: usize,
    /// Into how many slices to divide the weight within a part.
    pub(super) slices: usize,
}

impl Division {
    /// Of a weight of `weight` values of type `T`.
    pub(super) fn new<T>(rows: usize, weight: usize) -> Self {
        let fit = BYTES / (weight * size_of::<T>()).max(1);
        let multiplications = rows * weight;
        let parts = 1 << fit.min(multiplications / WORTH).max(1).ilog2();
        let slices = tasks(multiplications).div_ceil(parts);
        Self {
            rows,
            parts,
            slices,
        }
    }

    /// Rows of a part.
    pub(super) fn share(&self) -> usize {
        self.rows.div_ceil(self.parts)
    }

    /// Sums `part` over the parts' rows; `scratch` makes what a thread reuses from part to part.
    pub(super) fn sum<T: Real, S>(
        &self,
        scratch: impl Fn() -> S + Sync + Send,
        part: impl Fn(&mut S, Range<usize>) -> ParameterGrads<T> + Sync + Send,
    ) -> ParameterGrads<T> {
        let start = |index: usize| (index * self.share()).min(self.rows);
        let partial: Vec<_> = (0..self.parts)
            .into_par_iter()
            .map_init(scratch, |scratch, index| {
                part(scratch, start(index)..start(index + 1))
            })
            .collect();
        let sum = partial.into_iter().reduce(|mut sum, part| {
            add(&mut sum.weight, &part.weight);
            add(&mut sum.bias, &part.bias);
            sum
        });
        sum.expect("at least one part")
    }
}
