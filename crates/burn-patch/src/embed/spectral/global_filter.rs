//! GFNet's filter: a trained factor for each frequency of the token grid.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::embed::spectral::fourier_basis::{fourier_basis, half_plane, inverse_fourier_basis};
use crate::grid::nonzero;
use crate::layers::linear::NORMAL;
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;

/// Configuration of [`GlobalFilter`].
#[derive(Config, Debug)]
pub struct GlobalFilterConfig {
    /// Grid `[rows, cols]`.
    pub grid: [usize; 2],
    /// Width of the embeddings.
    pub dim: usize,
}

/// GFNet's global filter: every channel of the token grid times one trained number per frequency.
///
/// Rao et al., [Global Filter Networks for Image Classification](https://arxiv.org/abs/2107.00645), section 3.2
/// (`GlobalFilter` in `gfnet.py` of `raoyongming/GFNet`).
///
/// # Shapes
///
/// - tokens `[batch, rows·cols, dim]`, row-major
/// - output: the same shape
/// - `complex_weight` `[rows, cols/2 + 1, dim, 2]`, real and imaginary parts last
///
/// # Equation
///
/// `F⁻¹(K ⊙ F(x))`, `F` the orthonormal two-dimensional transform over the grid: a circular convolution with a kernel
/// as large as the grid.
///
/// Initialised as the reference: real and imaginary parts `N(0, 0.02)`.
///
/// # Departures
///
/// The transforms are products with matrices of the grid's size, so that any grid works on every backend; beyond
/// some thousand tokens an FFT would be faster. Half precision is computed in `f32`, as the reference does.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::GlobalFilterConfig;
///
/// let device = Device::flex();
/// let filter = GlobalFilterConfig::new([3, 5], 8).init(&device);
/// assert_eq!(filter.complex_weight.dims(), [3, 3, 8, 2]);
/// assert_eq!(filter.forward(Tensor::zeros([2, 15, 8], &device)).dims(), [2, 15, 8]);
/// ```
#[derive(Module, Debug)]
pub struct GlobalFilter {
    /// The filter, one complex number per frequency and channel.
    pub complex_weight: Param<Tensor<4>>,
    /// Real, then imaginary parts of the transform, `[2·frequencies, rows·cols]`; fixed, so not saved.
    basis: Tensor<2>,
    /// The inverse transform, `[rows·cols, 2·frequencies]`.
    inverse: Tensor<2>,
    grid: [usize; 2],
}

impl GlobalFilterConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim.
    pub fn try_init(&self, device: &Device) -> Result<GlobalFilter, Error> {
        nonzero("grid", &self.grid)?;
        nonzero("dim", &[self.dim])?;
        let [rows, cols] = self.grid;
        Ok(GlobalFilter {
            complex_weight: NORMAL.init([rows, cols / 2 + 1, self.dim, 2], device),
            basis: fourier_basis(self.grid, &half_plane(self.grid)).to_tensor(device),
            inverse: inverse_fourier_basis(self.grid).to_tensor(device),
            grid: self.grid,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> GlobalFilter {
        self.try_init(device).or_panic()
    }
}

impl GlobalFilter {
    /// The grid `[rows, cols]` that it filters.
    pub fn grid(&self) -> [usize; 2] {
        self.grid
    }

    /// Filters tokens.
    ///
    /// # Panics
    ///
    /// If there is not one token per cell, or the dim differs.
    #[track_caller]
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let [_, count, dim] = tokens.dims();
        let [rows, cols, channels, _] = self.complex_weight.dims();
        assert_eq!(count, self.grid[0] * self.grid[1], "tokens and grid cells");
        assert_eq!(dim, channels, "the tokens' dim and the filter's");
        let dtype = tokens.dtype();
        let precise = at_least_single(dtype);
        let frequencies = rows * cols;
        let part = |index: usize| {
            let part = self.complex_weight.val().slice_dim(3, index..=index);
            part.reshape([1, frequencies, dim]).cast(precise)
        };
        let matrix = |matrix: &Tensor<2>| matrix.clone().cast(precise).unsqueeze::<3>();

        // [batch, 2·frequencies, dim]
        let spectrum = matrix(&self.basis).matmul(tokens.cast(precise));
        let real = spectrum.clone().slice_dim(1, ..frequencies);
        let imaginary = spectrum.slice_dim(1, frequencies..);
        let (weight_real, weight_imaginary) = (part(0), part(1));
        let filtered = vec![
            real.clone() * weight_real.clone() - imaginary.clone() * weight_imaginary.clone(),
            real * weight_imaginary + imaginary * weight_real,
        ];
        matrix(&self.inverse)
            .matmul(Tensor::cat(filtered, 1))
            .cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, TensorData, Tolerance};

    fn with_kernel(grid: [usize; 2], kernel: &[f32], device: &Device) -> GlobalFilter {
        let mut filter = GlobalFilterConfig::new(grid, 1).init(device);
        // K is the transform of the kernel times √cells, as both transforms divide by it.
        let cells = grid[0] * grid[1];
        let kernel = Tensor::<2>::from_data(TensorData::new(kernel.to_vec(), [cells, 1]), device);
        let spectrum = filter.basis.clone().matmul(kernel) * (cells as f64).sqrt();
        let spectrum = spectrum.reshape([2, grid[0], grid[1] / 2 + 1, 1]);
        filter.complex_weight = Param::from_tensor(spectrum.permute([1, 2, 3, 0]));
        filter
    }

    /// The theorem that the paper rests on.
    #[test]
    fn it_is_a_circular_convolution_with_the_filters_kernel() {
        let device = Device::flex();
        let grid = [3, 4];
        let kernel: [f32; 12] = core::array::from_fn(|i| ((5 * i) % 7) as f32 / 7.0 - 0.4);
        let x: [f32; 12] = core::array::from_fn(|i| ((3 * i) % 11) as f32 / 11.0);
        let want: [f32; 12] = core::array::from_fn(|out| {
            let (y, col) = (out / 4, out % 4);
            (0..12)
                .map(|i| x[i] * kernel[(y + 3 - i / 4) % 3 * 4 + (col + 4 - i % 4) % 4])
                .sum()
        });
        let filter = with_kernel(grid, &kernel, &device);
        let tokens = Tensor::<3>::from_data(TensorData::new(x.to_vec(), [1, 12, 1]), &device);
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        filter
            .forward(tokens)
            .into_data()
            .assert_approx_eq(&TensorData::new(want.to_vec(), [1, 12, 1]), tolerance);
    }

    #[test]
    fn a_filter_of_ones_changes_nothing() {
        let device = Device::flex();
        for grid in [[1, 1], [2, 3], [5, 4]] {
            let mut filter = GlobalFilterConfig::new(grid, 2).init(&device);
            let ones = Tensor::<4>::ones([grid[0], grid[1] / 2 + 1, 2, 1], &device);
            let zeros = ones.zeros_like();
            filter.complex_weight = Param::from_tensor(Tensor::cat(vec![ones, zeros], 3));
            let shape = [2, grid[0] * grid[1], 2];
            let tokens = Tensor::random(shape, Distribution::Default, &device);
            let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
            filter
                .forward(tokens.clone())
                .into_data()
                .assert_approx_eq(&tokens.into_data(), tolerance);
        }
    }
}
