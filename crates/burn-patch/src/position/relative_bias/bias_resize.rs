//! Tables of offsets brought to another grid.

use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::position::relative_bias::offset_table::span;
use crate::resample::{Align, Filter, Profile, resize, sample};

/// How a table of offsets is brought to another grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BiasResize {
    /// As a picture of offsets, bicubic without antialias: Swin's checkpoints, timm's
    /// `resize_rel_pos_bias_table_simple`.
    Bicubic,
    /// The old offsets laid over the new ones in geometric progression, so that near ones keep their distance and far ones
    /// are pulled apart, and linearly between them: BEiT's fine-tuning, in the form of timm's `resize_rel_pos_bias_table`.
    /// BEiT itself interpolates with cubic splines.
    Geometric,
}

impl BiasResize {
    /// `table` (`[offsets of from, heads]`) for the grid `to` (`[rows, cols]`). Half precision is resized in `f32`.
    pub(crate) fn resize(self, table: Tensor<2>, from: [usize; 2], to: [usize; 2]) -> Tensor<2> {
        let ([rows, cols], [_, heads]) = (from.map(span), table.dims());
        let ([new_rows, new_cols], dtype) = (to.map(span), table.dtype());
        match self {
            Self::Bicubic => {
                let table = table.reshape([1, rows, cols, heads]);
                let resized = resize(table, [new_rows, new_cols], Profile::HuggingFace);
                resized.reshape([new_rows * new_cols, heads])
            }
            Self::Geometric => {
                let [ys, xs] = [0, 1].map(|axis| geometric_places(from[axis], to[axis]));
                let pairs = ys
                    .iter()
                    .flat_map(|y| xs.iter().flat_map(move |x| [*y, *x]));
                let places = TensorData::new(pairs.collect(), [1, new_rows * new_cols, 2]);
                let places = Tensor::from_data(places, (&table.device(), DType::F32));
                let table = table.cast(DType::F32).reshape([1, rows, cols, heads]);
                let resized = sample(table, places, None, Filter::Linear(Align::Edges));
                resized.squeeze_dim::<2>(0).cast(dtype)
            }
        }
    }
}

/// Where each offset within `to` cells lies among those within `from`, which stand at `±(1 + q + … )`, the progression
/// that reaches as far as `to`: as the fractional index of a row of the table.
fn geometric_places(from: usize, to: usize) -> Vec<f32> {
    if from == to {
        return (0..span(from)).map(|offset| offset as f32).collect();
    }
    let steps = from - 1;
    let stands = progression(steps, ratio(steps, to - 1));
    let place = |offset: f64| {
        let after = stands.iter().position(|stand| *stand >= offset);
        match after {
            Some(0) => 0.0,
            Some(after) => {
                let [low, high] = [stands[after - 1], stands[after]];
                (after - 1) as f64 + (offset - low) / (high - low)
            }
            None => (stands.len() - 1) as f64,
        }
    };
    let offsets = (0..span(to)).map(|index| index as f64 - (to - 1) as f64);
    offsets.map(|offset| place(offset) as f32).collect()
}

/// Where the offsets from `−steps` to `steps` stand: 1 from 0, then each `ratio` times as far from the last as that from
/// the one before.
fn progression(steps: usize, ratio: f64) -> Vec<f64> {
    let mut stands = vec![0.0];
    let (mut stand, mut step) = (0.0, 1.0);
    for _ in 0..steps {
        stand += step;
        step *= ratio;
        stands.insert(0, -stand);
        stands.push(stand);
    }
    stands
}

/// The ratio between 1.01 and 1.5 at which the progression of so many steps ends at `reach`, to 10⁻⁶.
fn ratio(steps: usize, reach: usize) -> f64 {
    let (mut low, mut high) = (1.01, 1.5);
    let mut middle = low;
    while high - low > 1e-6 {
        middle = f64::midpoint(low, high);
        let end = (1.0 - f64::powi(middle, steps as i32)) / (1.0 - middle);
        if end > reach as f64 {
            high = middle;
        } else {
            low = middle;
        }
    }
    middle
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};
    use rstest::rstest;

    #[test]
    fn the_progression_of_more_cells_starts_at_one_and_ends_at_the_last() {
        let stands = progression(6, ratio(6, 11));
        assert_eq!(stands.len(), 13);
        assert_eq!(stands[6..8], [0.0, 1.0]);
        assert!((stands[12] - 11.0).abs() < 1e-4, "{stands:?}");
        let places = geometric_places(7, 12);
        assert_eq!(places.len(), 23);
        assert_eq!(places[10..13], [5.0, 6.0, 7.0]);
        assert!(places[22] <= 12.0 && places[22] > 11.99);
    }

    #[rstest]
    fn no_offset_keeps_its_bias_and_the_same_grid_all(
        #[values(BiasResize::Bicubic, BiasResize::Geometric)] how: BiasResize,
    ) {
        let device = Device::flex();
        let table = Tensor::<2>::random([5 * 7, 2], Distribution::Default, &device);
        let close = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        let same = how.resize(table.clone(), [3, 4], [3, 4]).into_data();
        same.assert_approx_eq(&table.to_data(), close);
        let other = how.resize(table.clone(), [3, 4], [6, 2]);
        assert_eq!(other.dims(), [11 * 3, 2]);
        let center = other.slice_dim(0, 16..17).into_data();
        center.assert_approx_eq(&table.slice_dim(0, 17..18).into_data(), close);
    }
}
