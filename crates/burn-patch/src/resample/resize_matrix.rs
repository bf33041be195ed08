//! The matrix that resizes one axis.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::Error;
use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::resample::align::Align;
use crate::resample::dual::dual;
use crate::resample::filter::Filter;

/// Weights of `from` cells in each of `to` cells, `[to, from]`, computed on the host in `f64`.
///
/// Every row sums to 1. The numbers depend on the two sizes and the filter alone, so they are the same on every
/// backend, and constants in an exported graph.
///
/// # Source
///
/// PyTorch's `aten/src/ATen/native/UpSample.h` (coordinates, `a = −¾`) and `cpu/UpSampleKernel.cpp` (`antialias`), which
/// follows Pillow's `Resample.c`.
///
/// # Equation
///
/// Without smoothing, `w_ij = Σ k(p_i − t)` over the taps `t` around the place `p_i` ([`Align`]) that are `j` once clamped
/// to `0..from`. With smoothing, for `s = from/to`, `σ = max(s, 1)` and `c = (i + ½)s`,
/// `w_ij ∝ k((j + ½ − c)/σ)` for `⌊c − Rσ + ½⌋ ≤ j < ⌊c + Rσ + ½⌋` within `0..from`, `Σ_j w_ij = 1`.
///
/// # Departures
///
/// PyTorch computes places in `f32`; the difference is a few units in the last place. Its `nearest` may then round
/// down to the cell before, where `i·from/to` is whole.
///
/// ```
/// use burn_patch::resample::{Align, Filter, ResizeMatrix};
///
/// let matrix = ResizeMatrix::new(2, 4, Filter::Linear(Align::Edges));
/// assert_eq!(matrix.row(1), [0.75, 0.25]);
/// assert!(ResizeMatrix::try_new(0, 4, Filter::Nearest).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ResizeMatrix {
    from: usize,
    to: usize,
    weights: Vec<f64>,
}

impl ResizeMatrix {
    /// The matrix from `from` to `to` cells.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty side, [`Error::Range`] for an [offset](Align::Offset) that is not finite or leaves
    /// less than nothing.
    pub fn try_new(from: usize, to: usize, filter: Filter) -> Result<Self, Error> {
        nonzero("cells to resize from and to", &[from, to])?;
        if let Filter::Linear(Align::Offset(offset)) | Filter::Cubic(Align::Offset(offset)) = filter
            && !(offset.is_finite() && to as f64 + offset > 0.0)
        {
            return Err(Error::Range {
                what: "offset of a resized side",
                expected: format!("a finite number above −{to}"),
                got: offset,
            });
        }
        let mut weights = vec![0.0; from * to];
        for (cell, row) in weights.chunks_exact_mut(from).enumerate() {
            match filter {
                Filter::Nearest => row[cell * from / to] = 1.0,
                Filter::Linear(align) | Filter::Cubic(align) => {
                    let [step, start] = align.step_and_start(from, to);
                    clamped(row, cell as f64 * step + start, filter);
                }
                Filter::SmoothLinear | Filter::SmoothCubic => {
                    let step = from as f64 / to as f64;
                    smooth(row, (cell as f64 + 0.5) * step, step.max(1.0), filter);
                }
            }
        }
        Ok(Self { from, to, weights })
    }

    /// The matrix from `from` to `to` cells.
    ///
    /// # Panics
    ///
    /// With the text of [`try_new`](Self::try_new)'s error.
    #[track_caller]
    pub fn new(from: usize, to: usize, filter: Filter) -> Self {
        Self::try_new(from, to, filter).or_panic()
    }

    /// Cells of the source.
    pub fn from(&self) -> usize {
        self.from
    }

    /// Cells of the copy.
    pub fn to(&self) -> usize {
        self.to
    }

    /// Weights of the source's cells in cell `cell` of the copy.
    pub fn row(&self, cell: usize) -> &[f64] {
        &self.weights[cell * self.from..(cell + 1) * self.from]
    }

    /// The matrix of the first `to` cells alone.
    #[must_use]
    pub fn first(mut self, to: usize) -> Self {
        self.to = self.to.min(to);
        self.weights.truncate(self.to * self.from);
        self
    }

    /// The matrix from `from` cells to those whose centres lie at `places`, `step` cells apart: a smoothing filter is
    /// as wide as the step, the others look at the place alone. The first cell's centre is at 0.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no cells or places, [`Error::Range`] for a place that is not finite or a step that is not
    /// positive.
    pub fn at(from: usize, places: &[f64], step: f64, filter: Filter) -> Result<Self, Error> {
        nonzero("cells and places", &[from, places.len()])?;
        let odd = places.iter().find(|place| !place.is_finite());
        if let Some(&got) = odd {
            return Err(Error::Range {
                what: "place among cells",
                expected: "a finite number".into(),
                got,
            });
        }
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::Range {
                what: "step between places",
                expected: "a positive number".into(),
                got: step,
            });
        }
        let mut weights = vec![0.0; from * places.len()];
        let last = from as f64 - 1.0;
        for (row, &place) in weights.chunks_exact_mut(from).zip(places) {
            match filter {
                Filter::Nearest => row[(place + 0.5).floor().clamp(0.0, last) as usize] = 1.0,
                Filter::Linear(_) | Filter::Cubic(_) => clamped(row, place, filter),
                Filter::SmoothLinear | Filter::SmoothCubic => {
                    smooth(
                        row,
                        place.clamp(-0.5, last + 0.5) + 0.5,
                        step.max(1.0),
                        filter,
                    );
                }
            }
        }
        let to = places.len();
        Ok(Self { from, to, weights })
    }

    /// The transposed pseudo-inverse, `(B⁺)ᵀ`: what the weights of a projection are resized by where its input is
    /// resized by `B`; see [`resize_kernel`](crate::resample::resize_kernel).
    #[must_use]
    pub fn dual(&self) -> Self {
        Self {
            weights: dual(&self.weights, [self.to, self.from]),
            ..*self
        }
    }

    /// Whether it changes nothing.
    pub fn is_identity(&self) -> bool {
        let one =
            |(at, &weight): (usize, &f64)| weight == f64::from(at / self.from == at % self.from);
        self.from == self.to && self.weights.iter().enumerate().all(one)
    }

    /// As a tensor `[to, from]`.
    pub(crate) fn tensor(&self, device: &Device, dtype: DType) -> Tensor<2> {
        let data = TensorData::new(self.weights.clone(), [self.to, self.from]);
        Tensor::from_data(data.convert_dtype(dtype), (device, dtype))
    }
}

/// Adds the taps around `place`, those beyond the border to the border.
fn clamped(row: &mut [f64], place: f64, filter: Filter) {
    let last = row.len() as f64 - 1.0;
    let radius = filter.radius() as f64;
    let low = place.floor();
    let mut tap = low - radius + 1.0;
    while tap <= low + radius {
        row[tap.clamp(0.0, last) as usize] += filter.weight(place - tap);
        tap += 1.0;
    }
}

/// Fills the taps of a kernel of `width` times its radius around `center`, counted from the first cell's edge.
fn smooth(row: &mut [f64], center: f64, width: f64, filter: Filter) {
    let reach = filter.radius() as f64 * width;
    let first = (center - reach + 0.5).max(0.0) as usize;
    let end = ((center + reach + 0.5) as usize).min(row.len());
    for (cell, weight) in row[first..end].iter_mut().enumerate() {
        *weight = filter.weight(((first + cell) as f64 + 0.5 - center) / width);
    }
    let sum: f64 = row.iter().sum();
    for weight in &mut row[first..end] {
        *weight /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const FILTERS: [Filter; 9] = [
        Filter::Nearest,
        Filter::Linear(Align::Edges),
        Filter::Linear(Align::Corners),
        Filter::Linear(Align::Offset(0.1)),
        Filter::Cubic(Align::Edges),
        Filter::Cubic(Align::Corners),
        Filter::Cubic(Align::Offset(0.1)),
        Filter::SmoothLinear,
        Filter::SmoothCubic,
    ];

    #[rstest]
    fn weights_of_every_cell_sum_to_one(#[values(1, 2, 3, 5, 14, 37)] from: usize) {
        for filter in FILTERS {
            for to in 1..40 {
                let matrix = ResizeMatrix::new(from, to, filter);
                for cell in 0..to {
                    let sum: f64 = matrix.row(cell).iter().sum();
                    assert!(
                        (sum - 1.0).abs() < 1e-12,
                        "{filter:?} {from} to {to}: {sum}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_same_size_changes_nothing_but_for_an_offset() {
        for filter in FILTERS {
            let offset = matches!(
                filter,
                Filter::Linear(Align::Offset(_)) | Filter::Cubic(Align::Offset(_))
            );
            for side in 2..20 {
                let matrix = ResizeMatrix::new(side, side, filter);
                assert_eq!(
                    matrix.is_identity(),
                    !offset || side == 1,
                    "{filter:?} {side}"
                );
            }
        }
    }

    /// Inside, where no border is repeated and no tap is dropped. Keys' cubic with `a = −½` keeps parabolas too.
    #[rstest]
    #[case(Filter::Linear(Align::Edges), 1)]
    #[case(Filter::SmoothLinear, 1)]
    #[case(Filter::SmoothCubic, 1)]
    #[case(Filter::SmoothCubic, 2)]
    fn enlarging_keeps_polynomials(#[case] filter: Filter, #[case] degree: i32) {
        let matrix = ResizeMatrix::new(12, 30, filter);
        for cell in 8..22 {
            let row = matrix.row(cell).iter().enumerate();
            let got: f64 = row
                .map(|(at, weight)| weight * (at as f64).powi(degree))
                .sum();
            let want = ((cell as f64 + 0.5) * 0.4 - 0.5).powi(degree);
            assert!((got - want).abs() < 1e-9, "{cell}: {got}, not {want}");
        }
    }

    #[test]
    fn corners_coincide() {
        let matrix = ResizeMatrix::new(3, 5, Filter::Linear(Align::Corners));
        let rows: Vec<&[f64]> = (0..5).map(|cell| matrix.row(cell)).collect();
        let want: [&[f64]; 5] = [
            &[1.0, 0.0, 0.0],
            &[0.5, 0.5, 0.0],
            &[0.0, 1.0, 0.0],
            &[0.0, 0.5, 0.5],
            &[0.0, 0.0, 1.0],
        ];
        assert_eq!(rows, want);
    }

    #[test]
    fn places_of_a_resized_axis_give_its_matrix() {
        for filter in [
            Filter::Linear(Align::Edges),
            Filter::Cubic(Align::Edges),
            Filter::SmoothLinear,
            Filter::SmoothCubic,
        ] {
            for (from, to) in [(14, 24), (14, 9), (5, 1), (1, 4)] {
                let want = ResizeMatrix::new(from, to, filter);
                let [step, start] = filter.align().step_and_start(from, to);
                let places: Vec<f64> = (0..to).map(|cell| cell as f64 * step + start).collect();
                let got = ResizeMatrix::at(from, &places, step, filter).unwrap();
                for (got, want) in got.weights.iter().zip(&want.weights) {
                    assert!((got - want).abs() < 1e-12, "{filter:?} {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn places_and_steps_that_are_no_numbers_are_errors() {
        let at = |place, step| ResizeMatrix::at(3, &[place], step, Filter::SmoothLinear);
        assert!(matches!(at(f64::NAN, 1.0), Err(Error::Range { .. })));
        assert!(matches!(at(f64::INFINITY, 1.0), Err(Error::Range { .. })));
        assert!(matches!(at(1.0, 0.0), Err(Error::Range { .. })));
        assert!(matches!(at(1.0, f64::NAN), Err(Error::Range { .. })));
        let none = ResizeMatrix::at(3, &[], 1.0, Filter::Nearest);
        assert!(matches!(none, Err(Error::Zero { .. })));
    }

    #[test]
    fn empty_sides_and_senseless_offsets_are_errors() {
        assert!(matches!(
            ResizeMatrix::try_new(3, 0, Filter::SmoothCubic),
            Err(Error::Zero { .. })
        ));
        for offset in [f64::NAN, f64::INFINITY, -3.0] {
            let filter = Filter::Cubic(Align::Offset(offset));
            assert!(matches!(
                ResizeMatrix::try_new(3, 3, filter),
                Err(Error::Range { .. })
            ));
        }
    }
}
