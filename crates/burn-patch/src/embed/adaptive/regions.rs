//! Regions of an image and the patches in them: integers and host tables.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::Error;
use crate::grid::{PatchGrid, Remainder, Window};

/// Regions over an image that is padded with zeros at the right and bottom until they fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Regions {
    /// Rows and columns of regions.
    pub(crate) shape: [usize; 2],
    /// The grid of each patch size over the padded image.
    pub(crate) grids: Vec<PatchGrid>,
}

impl Regions {
    /// The patch sizes divide the region.
    pub(crate) fn layout(
        size: [usize; 2],
        region: [usize; 2],
        patches: &[[usize; 2]],
    ) -> Result<Self, Error> {
        let cover = Window::patch(region, Remainder::Pad).layout(size)?;
        let grids = patches.iter().map(|patch| {
            let window = Window {
                pad_after: cover.window.pad_after,
                ..Window::patch(*patch, Remainder::Floor)
            };
            window.layout(size)
        });
        Ok(Self {
            shape: [cover.rows, cover.cols],
            grids: grids.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    /// Patches of a size in one region.
    pub(crate) fn per_region(&self, size: usize) -> usize {
        self.grids[size].tokens() / self.count()
    }

    /// Cells of a size's grid per region, row-major in both, `[regions, patches]`.
    pub(crate) fn cells(&self, size: usize, device: &Device) -> Tensor<2, Int> {
        let grid = &self.grids[size];
        let [rows, cols] = [grid.rows / self.shape[0], grid.cols / self.shape[1]];
        let cells = (0..self.count()).flat_map(|region| {
            let (top, left) = (region / self.shape[1] * rows, region % self.shape[1] * cols);
            (0..rows * cols)
                .map(move |cell| ((top + cell / cols) * grid.cols + left + cell % cols) as i32)
        });
        let cells: Vec<i32> = cells.collect();
        Tensor::from_data(TensorData::new(cells, [self.count(), rows * cols]), device)
    }

    /// Box of each cell of a size's grid, `[1, cells, 4]`: `[center y, center x, height, width]` in pixels.
    pub(crate) fn boxes_px(&self, size: usize, device: &Device) -> Tensor<3> {
        let grid = &self.grids[size];
        let [height, width] = grid.window.kernel.map(|side| side as f32);
        let boxes = (0..grid.tokens()).flat_map(|cell| {
            let [y, x] = grid.center_px(cell / grid.cols, cell % grid.cols);
            [y, x, height, width]
        });
        let boxes: Vec<f32> = boxes.collect();
        let data = TensorData::new(boxes, [1, grid.tokens(), 4]);
        Tensor::from_data(data, (device, DType::F32))
    }
}

/// How many of `regions` regions get each size, so that their patches are about `budget` of those that the finest
/// size would give. `patches` are patches per region, finest size first.
///
/// Among all shares with that mean the most even, `shareₛ ∝ exp(λ·patchesₛ)`; whole numbers by largest remainder.
pub(crate) fn quotas(budget: f64, patches: &[usize], regions: usize) -> Vec<usize> {
    let finest = patches[0] as f64;
    let shares = |tilt: f64| {
        // The largest exponent is 0 on the side to which it tilts.
        let edge = if tilt > 0.0 {
            patches[0]
        } else {
            patches[patches.len() - 1]
        } as f64;
        let weights = patches
            .iter()
            .map(|count| (tilt * (*count as f64 - edge)).exp());
        let weights: Vec<f64> = weights.collect();
        let sum: f64 = weights.iter().sum();
        weights
            .into_iter()
            .map(|weight| weight / sum)
            .collect::<Vec<f64>>()
    };
    let mean = |shares: &[f64]| -> f64 {
        let terms = shares.iter().zip(patches);
        terms.map(|(share, count)| share * *count as f64).sum()
    };
    let (mut low, mut high) = (-100.0, 100.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if mean(&shares(middle)) < budget * finest {
            low = middle;
        } else {
            high = middle;
        }
    }
    let exact: Vec<f64> = shares(high)
        .iter()
        .map(|share| share * regions as f64)
        .collect();
    let mut counts: Vec<usize> = exact.iter().map(|share| *share as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let left = regions - counts.iter().sum::<usize>();
    order.iter().take(left).for_each(|size| counts[*size] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(1.0, &[4, 1], 9, &[9, 0])]
    #[case(0.25, &[4, 1], 9, &[0, 9])]
    #[case(0.5, &[4, 1], 9, &[3, 6])]
    #[case(0.5, &[4, 1], 16, &[5, 11])]
    #[case::even(7.0 / 16.0, &[16, 4, 1], 30, &[10, 10, 10])]
    #[case(1.0, &[4], 9, &[9])]
    fn quotas_meet_the_budget(
        #[case] budget: f64,
        #[case] patches: &[usize],
        #[case] regions: usize,
        #[case] want: &[usize],
    ) {
        assert_eq!(quotas(budget, patches, regions), want);
    }

    #[test]
    fn cells_lie_in_their_region() {
        let regions = Regions::layout([8, 12], [8, 4], &[[4, 2], [8, 4]]).unwrap();
        assert_eq!(regions.shape, [1, 3]);
        let cells = regions.cells(0, &Device::flex()).into_data();
        let want = [[0i64, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]];
        cells.convert::<i64>().assert_eq(&want.into(), true);
        assert_eq!(regions.per_region(1), 1);
    }

    #[test]
    fn regions_that_stick_out_are_padded() {
        let regions = Regions::layout([28, 20], [8, 8], &[[4, 4], [8, 8]]).unwrap();
        assert_eq!(regions.shape, [4, 3]);
        assert_eq!([regions.grids[0].rows, regions.grids[0].cols], [8, 6]);
        assert_eq!(regions.grids[0].size, [28, 20]);
    }
}
