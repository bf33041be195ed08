//! Patch merging of Swin, versions 1 and 2.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::embed::parts::projection::to_tokens;
use crate::embed::patch_embed::{PatchEmbed, expect_layout, select};
use crate::embed::pyramid::regular::regular;
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{NORMAL, apply, linear};
use crate::ops::Images;
use crate::ops::permuted::permuted;
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Which comes first, the normalisation or the reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MergeOrder {
    /// Swin: LayerNorm of the joined tokens, then the reduction.
    NormFirst,
    /// Swin v2: the reduction, then LayerNorm of its result.
    ReduceFirst,
}

/// Configuration of [`PatchMerging`].
#[derive(Config, Debug)]
pub struct PatchMergingConfig {
    /// Width of the tokens that are merged.
    pub dim: usize,
    /// Width of the result. None: `2·dim`, as in both versions.
    pub out_dim: Option<usize>,
    /// Normalisation before or after the reduction.
    #[config(default = "MergeOrder::NormFirst")]
    pub order: MergeOrder,
    /// Tokens that become one, `[vertical, horizontal]`.
    #[config(default = "[2, 2]")]
    pub window: [usize; 2],
}

/// Swin's downsampling: neighbouring tokens side by side, one matrix, half the rows and columns.
///
/// Liu et al., [Swin Transformer](https://arxiv.org/abs/2103.14030), section 3.1, and
/// [Swin Transformer V2](https://arxiv.org/abs/2111.09883); `PatchMerging` in
/// `timm/models/swin_transformer.py` and `swin_transformer_v2.py` of timm 1.0.31.
///
/// # Shapes
///
/// - [`merge`](Self::merge): tokens `[batch, rows·cols, dim]` → `[batch, ⌈rows/2⌉·⌈cols/2⌉, out_dim]`
/// - [`forward`](PatchEmbed::forward): the same from a map `[batch, dim, rows, cols]`
///
/// # Equation
///
/// `y = W·LN([x₀₀, x₁₀, x₀₁, x₁₁])`, version 2 `LN(W·[x₀₀, x₁₀, x₀₁, x₁₁])`, with `x` of row and column: the
/// neighbours go down the columns first. No bias. Where rows or columns are odd, zero tokens are added at the
/// bottom and right, before the normalisation.
///
/// Weights `N(0, 0.02)`, epsilon 1e-5.
///
/// # Departures
///
/// The authors' code refuses odd sizes; zeros are timm's and transformers' way. Windows other than 2×2 are
/// this crate's extension, in the same order (`[2, 1]` joins `x₀₀, x₁₀`). The grid of the result says which
/// pixels each token has seen, padding included.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed, PatchMergingConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(&device);
/// let merging = PatchMergingConfig::new(8).init(&device);
/// let tokens = merging.merge(embed.forward(Tensor::zeros([1, 3, 20, 28], &device)));
/// assert_eq!(tokens.embeddings().dims(), [1, 12, 16]);
/// assert_eq!(tokens.grid().window.kernel, [8, 8]);
/// ```
#[derive(Module, Debug)]
pub struct PatchMerging {
    /// Normalisation, of the joined tokens or of the result.
    pub norm: LayerNorm,
    /// The matrix, `[window·dim, out_dim]`.
    pub reduction: Linear,
    window: [usize; 2],
    #[module(skip)]
    order: MergeOrder,
}

impl PatchMergingConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero width or window, [`Error::Overflow`] for too large ones.
    pub fn try_init(&self, device: &Device) -> Result<PatchMerging, Error> {
        let out_dim = self.out_dim.unwrap_or(2 * self.dim);
        nonzero("dim and out_dim", &[self.dim, out_dim])?;
        nonzero("window", &self.window)?;
        let [tall, wide] = self.window;
        let joined = tall
            .checked_mul(wide)
            .and_then(|count| count.checked_mul(self.dim))
            .ok_or_else(|| Error::Overflow {
                what: "window × dim",
                got: vec![tall, wide, self.dim],
            })?;
        let normed = match self.order {
            MergeOrder::NormFirst => joined,
            MergeOrder::ReduceFirst => out_dim,
        };
        Ok(PatchMerging {
            norm: LayerNormConfig::new(normed).init(device),
            reduction: linear([joined, out_dim], NORMAL, None, device),
            window: self.window,
            order: self.order,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PatchMerging {
        self.try_init(device).or_panic()
    }
}

impl PatchMerging {
    /// Merges neighbours on the tokens' grid.
    ///
    /// # Panics
    ///
    /// If there is not one token per grid cell in row-major order, all of them real and without a prefix, or if
    /// their width differs.
    #[track_caller]
    pub fn merge(&self, tokens: Tokens) -> Tokens {
        let tokens = regular(tokens, self.channels());
        let grid = *tokens.grid();
        let next = grid.then(&self.cells()).or_panic();
        Tokens::from_grid(
            self.reduce(tokens.into_embeddings(), [grid.rows, grid.cols]),
            next,
        )
    }

    pub(crate) fn cells(&self) -> Window {
        Window::patch(self.window, Remainder::Pad)
    }

    /// Row-major tokens of `rows × cols` to those of the merged grid.
    fn reduce(&self, x: Tensor<3>, cells: [usize; 2]) -> Tensor<3> {
        let x = join(x, cells, self.window);
        match self.order {
            MergeOrder::NormFirst => apply(&self.reduction, self.norm.forward(x)),
            MergeOrder::ReduceFirst => self.norm.forward(apply(&self.reduction, x)),
        }
    }
}

/// The tokens of each window side by side, down its columns first; zeros below and to the right.
fn join(x: Tensor<3>, [rows, cols]: [usize; 2], [tall, wide]: [usize; 2]) -> Tensor<3> {
    let [batch, _, dim] = x.dims();
    let (high, across) = (rows.div_ceil(tall), cols.div_ceil(wide));
    let x = extend(x.reshape([batch, rows, cols, dim]), 1, high * tall);
    let x = extend(x, 2, across * wide);
    // [batch, high, tall, across, wide, dim] → [batch, high, across, wide, tall, dim]
    let x: Tensor<6> = x.reshape([batch, high, tall, across, wide, dim]);
    permuted(x, [0, 1, 3, 4, 2, 5]).reshape([batch, high * across, wide * tall * dim])
}

fn extend(x: Tensor<4>, axis: usize, to: usize) -> Tensor<4> {
    let mut missing = x.dims();
    missing[axis] = to - missing[axis];
    if missing[axis] == 0 {
        return x;
    }
    let zeros = Tensor::zeros(missing, (&x.device(), x.dtype()));
    Tensor::cat(vec![x, zeros], axis)
}

/// A map `[batch, dim, rows, cols]` in place of an image: its values are the tokens.
impl PatchEmbed for PatchMerging {
    fn channels(&self) -> usize {
        let [joined, _] = self.reduction.weight.dims();
        joined / (self.window[0] * self.window[1])
    }

    fn dim(&self) -> usize {
        self.reduction.weight.dims()[1]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.cells().layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let map = images.into_floats(self.reduction.weight.val().dtype());
        let embeddings = self.reduce(to_tokens(map), grid.size);
        select(Tokens::from_grid(embeddings, grid), cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::linear::LinearPatchEmbedConfig;
    use burn::tensor::{Distribution, Tolerance};

    /// One value per token, which the joined tokens show.
    #[test]
    fn neighbours_go_down_the_columns_first() {
        let x = Tensor::<1>::from_floats([1., 2., 3., 4., 5., 6., 7., 8.], &Device::flex());
        let joined = join(x.reshape([1, 8, 1]), [2, 4], [2, 2]);
        let want = [[[1.0f32, 5.0, 2.0, 6.0], [3.0, 7.0, 4.0, 8.0]]];
        joined.into_data().assert_eq(&want.into(), true);
    }

    #[test]
    fn odd_rows_and_columns_get_zeros_below_and_to_the_right() {
        let x = Tensor::<1>::from_floats([1., 2., 3.], &Device::flex());
        let joined = join(x.clone().reshape([1, 3, 1]), [1, 3], [2, 2]);
        let want = [[[1.0f32, 0.0, 2.0, 0.0], [3.0, 0.0, 0.0, 0.0]]];
        joined.into_data().assert_eq(&want.into(), true);
        let joined = join(x.reshape([1, 3, 1]), [3, 1], [2, 1]);
        let want = [[[1.0f32, 2.0], [3.0, 0.0]]];
        joined.into_data().assert_eq(&want.into(), true);
    }

    /// A grid of 3×5 cells: the last merged token has one real neighbour and three of padding.
    #[test]
    fn merged_tokens_see_exactly_the_pixels_of_their_box() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([2, 2], 1, 4).init(&device);
        let merging = PatchMergingConfig::new(4)
            .with_order(MergeOrder::ReduceFirst)
            .init(&device);
        let images = Tensor::<4>::random([1, 1, 6, 10], Distribution::Default, &device);
        let run = |images| merging.merge(embed.forward(images));
        let before = run(images.clone());
        assert_eq!([before.grid().rows, before.grid().cols], [2, 3]);
        // The last box covers rows 4..8 and columns 8..12, of which the image has 4..6 and 8..10.
        let last = before.boxes_px().slice([0..1, 5..6, 0..4]);
        last.into_data()
            .assert_eq(&[[[6.0f32, 10.0, 4.0, 4.0]]].into(), true);
        let changed = images.slice_assign(
            [0..1, 0..1, 4..6, 8..10],
            Tensor::ones([1, 1, 2, 2], &device),
        );
        let moved = (run(changed).into_embeddings() - before.into_embeddings())
            .abs()
            .sum_dim(2)
            .into_data()
            .try_to_vec_as::<f32>()
            .unwrap();
        assert!(
            moved[..5].iter().all(|value| *value == 0.0) && moved[5] > 0.0,
            "{moved:?}"
        );
    }

    #[test]
    fn a_map_and_its_tokens_merge_alike() {
        let device = Device::flex();
        let merging = PatchMergingConfig::new(6)
            .with_out_dim(Some(5))
            .init(&device);
        let map = Tensor::<4>::random([2, 6, 5, 4], Distribution::Default, &device);
        let grid = Window::patch([4, 4], Remainder::Reject)
            .layout([20, 16])
            .unwrap();
        let tokens = merging.merge(Tokens::from_grid(to_tokens(map.clone()), grid));
        let tolerance = Tolerance::<f32>::rel_abs(1e-6, 1e-6);
        let other = merging.forward(map).into_embeddings();
        tokens
            .into_embeddings()
            .into_data()
            .assert_approx_eq(&other.into_data(), tolerance);
    }

    #[test]
    fn zero_windows_are_an_error() {
        let config = PatchMergingConfig::new(4).with_window([0, 2]);
        let error = config.try_init(&Device::flex()).unwrap_err();
        assert!(matches!(error, Error::Zero { what: "window", .. }));
    }
}
