//! A table brought to another grid.

use burn::tensor::Tensor;

use crate::Error;
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::resample::profile::Profile;
use crate::resample::resize_matrix::ResizeMatrix;

/// From one grid to another: a matrix for the rows and one for the columns.
///
/// The matrices are computed here, once; whoever resizes often keeps this value, which depends on both grids and the
/// profile.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::resample::{Profile, Resize};
///
/// let table = Tensor::<4>::ones([1, 14, 14, 8], &Device::flex());
/// let resize = Resize::try_new([14, 14], [10, 20], Profile::Timm).unwrap();
/// assert_eq!(resize.apply(table).dims(), [1, 10, 20, 8]);
/// assert!(Resize::try_new([14, 14], [0, 20], Profile::Timm).is_err());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Resize {
    rows: ResizeMatrix,
    cols: ResizeMatrix,
}

impl Resize {
    /// From a grid of `from` to one of `to` (`[rows, cols]`).
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, [`Error::Range`] for a senseless [offset](crate::resample::Align::Offset).
    pub fn try_new(from: [usize; 2], to: [usize; 2], profile: Profile) -> Result<Self, Error> {
        let [rows, cols] = profile.matrices(from, to)?;
        Ok(Self { rows, cols })
    }

    /// By a matrix for the rows and one for the columns.
    pub fn by(rows: ResizeMatrix, cols: ResizeMatrix) -> Self {
        Self { rows, cols }
    }

    /// The grid that it takes, `[rows, cols]`.
    pub fn from(&self) -> [usize; 2] {
        [self.rows.from(), self.cols.from()]
    }

    /// The grid that it gives, `[rows, cols]`.
    pub fn to(&self) -> [usize; 2] {
        [self.rows.to(), self.cols.to()]
    }

    /// The one that weights are resized by where their input is resized by this; see
    /// [`resize_kernel`](crate::resample::resize_kernel).
    #[must_use]
    pub fn dual(&self) -> Self {
        Self {
            rows: self.rows.dual(),
            cols: self.cols.dual(),
        }
    }

    /// The resized maps: `[batch, channels, height, width]` to `[batch, channels, height', width']`, as
    /// [`apply`](Self::apply) with channels in front.
    ///
    /// # Panics
    ///
    /// If the maps have another size.
    #[track_caller]
    pub fn apply_map(&self, map: Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = map.dims();
        assert_eq!(
            [height, width],
            self.from(),
            "the map's size and the resize's"
        );
        let (device, dtype) = (map.device(), map.dtype());
        let precise = at_least_single(dtype);
        let matrix = |axis: &ResizeMatrix| axis.tensor(&device, precise);
        let mut map = map.cast(precise);
        if !self.rows.is_identity() {
            map = matrix(&self.rows).unsqueeze::<4>().matmul(map);
        }
        if !self.cols.is_identity() {
            map = map.matmul(matrix(&self.cols).transpose().unsqueeze::<4>());
        }
        map.cast(dtype)
    }

    /// The resized table: `[batch, rows, cols, dim]` to `[batch, rows', cols', dim]`, `T' = R·T·Cᵀ` for each of `dim`.
    ///
    /// Half precision is resized in `f32`. Gradients reach the table.
    ///
    /// # Panics
    ///
    /// If the table has another grid.
    #[track_caller]
    pub fn apply(&self, table: Tensor<4>) -> Tensor<4> {
        let [batch, rows, cols, dim] = table.dims();
        assert_eq!(
            [rows, cols],
            self.from(),
            "the table's grid and the resize's"
        );
        let (device, dtype) = (table.device(), table.dtype());
        let precise = at_least_single(dtype);
        let [to_rows, to_cols] = self.to();
        let mut table = table.cast(precise);
        if !self.rows.is_identity() {
            let matrix = self.rows.tensor(&device, precise).unsqueeze_dim::<3>(0);
            let flat = table.reshape([batch, rows, cols * dim]);
            table = matrix.matmul(flat).reshape([batch, to_rows, cols, dim]);
        }
        if !self.cols.is_identity() {
            let matrix = self.cols.tensor(&device, precise).unsqueeze_dim::<3>(0);
            let flat = table.reshape([batch * to_rows, cols, dim]);
            table = matrix.matmul(flat).reshape([batch, to_rows, to_cols, dim]);
        }
        table.cast(dtype)
    }
}

/// Brings `table` (`[1 or batch, rows, cols, dim]`) to the grid `to` as `profile` does; see [`Resize`].
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::resample::{Profile, resize};
///
/// let table = Tensor::<4>::from_floats([[[[0.0], [1.0], [2.0]]]], &Device::flex());
/// let got = resize(table, [1, 5], Profile::BigVision);
/// got.into_data().assert_eq(&[[[[0.0f32], [0.5], [1.0], [1.5], [2.0]]]].into(), true);
/// ```
///
/// # Panics
///
/// With the text of [`Resize::try_new`]'s error.
#[track_caller]
pub fn resize(table: Tensor<4>, to: [usize; 2], profile: Profile) -> Tensor<4> {
    let [_, rows, cols, _] = table.dims();
    Resize::try_new([rows, cols], to, profile)
        .or_panic()
        .apply(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Distribution, TensorData, Tolerance};

    #[test]
    fn every_cell_is_the_weighted_sum_of_all() {
        let device = Device::flex();
        let table = Tensor::<4>::random([2, 3, 4, 2], Distribution::Default, &device);
        let plan = Resize::try_new([3, 4], [5, 2], Profile::HuggingFace).unwrap();
        let values: Vec<f32> = table.to_data().try_to_vec_as().unwrap();
        let at = |b: usize, r: usize, c: usize, d: usize| {
            f64::from(values[((b * 3 + r) * 4 + c) * 2 + d])
        };
        let mut want = Vec::new();
        for (b, r) in (0..2).flat_map(|b| (0..5).map(move |r| (b, r))) {
            for (c, d) in (0..2).flat_map(|c| (0..2).map(move |d| (c, d))) {
                let cells = (0..3).flat_map(|i| (0..4).map(move |j| (i, j)));
                let terms =
                    cells.map(|(i, j)| plan.rows.row(r)[i] * plan.cols.row(c)[j] * at(b, i, j, d));
                want.push(terms.sum::<f64>() as f32);
            }
        }
        let want = TensorData::new(want, [2, 5, 2, 2]);
        plan.apply(table)
            .into_data()
            .assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn maps_are_tables_with_channels_in_front() {
        let device = Device::flex();
        let table = Tensor::<4>::random([2, 5, 4, 3], Distribution::Default, &device);
        let plan = Resize::try_new([5, 4], [3, 7], Profile::Timm).unwrap();
        let map = plan.apply_map(table.clone().permute([0, 3, 1, 2]));
        map.permute([0, 2, 3, 1]).into_data().assert_approx_eq(
            &plan.apply(table).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    fn half_precision_is_resized_in_single() {
        let device = Device::flex();
        let table = Tensor::<4>::random([1, 7, 7, 4], Distribution::Default, &device);
        let half = table.clone().cast(DType::F16);
        let want = resize(half.clone().cast(DType::F32), [5, 9], Profile::Timm).cast(DType::F16);
        let got = resize(half, [5, 9], Profile::Timm);
        got.into_data().assert_eq(&want.into_data(), true);
    }

    #[cfg(feature = "autodiff")]
    #[test]
    fn a_cells_gradient_is_the_sum_of_its_weights() {
        let device = Device::flex().autodiff();
        let table = Tensor::<4>::zeros([1, 2, 1, 1], &device).require_grad();
        let grads = resize(table.clone(), [3, 1], Profile::BigVision)
            .sum()
            .backward();
        table
            .grad(&grads)
            .unwrap()
            .into_data()
            .assert_eq(&[[[[1.5f32]], [[1.5]]]].into(), true);
    }

    #[test]
    #[should_panic(expected = "grid to resize to must be at least 1, got [0, 2]")]
    fn no_cells_are_refused() {
        resize(
            Tensor::zeros([1, 3, 3, 1], &Device::flex()),
            [0, 2],
            Profile::Timm,
        );
    }
}
