//! Which rows of an image's tokens.

use std::ops::Range;

use crate::ops::backends::cpu::real::Real;

/// Rows of an image: all of a range, which are read and written where they lie, or those of a list, which are
/// gathered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rows {
    Range(Range<usize>),
    List(Vec<usize>),
}

impl Rows {
    /// Of ascending ranges; none if there is no row.
    pub(super) fn of(ranges: &[Range<usize>]) -> Option<Self> {
        match ranges {
            [] => None,
            [range] => Some(Self::Range(range.clone())),
            ranges => Some(Self::List(ranges.iter().cloned().flatten().collect())),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    /// Which row of the image is the one at `index`.
    #[inline(always)]
    pub(super) fn at(&self, index: usize) -> usize {
        match self {
            Self::Range(range) => range.start + index,
            Self::List(list) => list[index],
        }
    }

    /// Adds each of `values`, one per row, to that row's place.
    #[inline(always)]
    pub(super) fn scatter<T: Real>(&self, values: &[T], sums: &mut [T]) {
        match self {
            Self::Range(range) => {
                for (sum, value) in sums[range.clone()].iter_mut().zip(values) {
                    *sum += *value;
                }
            }
            Self::List(list) => {
                for (&row, value) in list.iter().zip(values) {
                    sums[row] += *value;
                }
            }
        }
    }

    /// Adds each row's value to that of `sums`, one per row.
    #[inline(always)]
    pub(super) fn gather<T: Real>(&self, values: &[T], sums: &mut [T]) {
        match self {
            Self::Range(range) => {
                for (sum, value) in sums.iter_mut().zip(&values[range.clone()]) {
                    *sum += *value;
                }
            }
            Self::List(list) => {
                for (sum, &row) in sums.iter_mut().zip(list) {
                    *sum += values[row];
                }
            }
        }
    }
}
