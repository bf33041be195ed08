//! Fixed linear transforms of a window, made on the host, and projections behind them.
//!
//! A transform is a matrix `T` of shape `[features, values]`. `values` are those of one channel's window, and each
//! channel goes through the same `T`; or those of all channels together. With nothing but affine maps between `T`
//! and the projection `W`, the two are one projection `W·T` of the pixels, which costs one small product per
//! step instead of one per token, and can be done for picked cells alone.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};

use crate::embed::linear::{LinearPatchEmbed, LinearPatchEmbedConfig};
use crate::embed::spectral::statistics::FeatureStatistics;
use crate::grid::PatchGrid;
use crate::layers::linear::{PYTORCH, linear};
use crate::ops::{self, Images, at_least_single, patch_windows, project_pixels};

/// A projection of pixels: weight `[dim, channels, kh, kw]` and bias `[dim]`.
pub(crate) struct Folded {
    pub(crate) weight: Tensor<4>,
    pub(crate) bias: Option<Tensor<1>>,
}

/// `W·T`: the projection of the pixels that does what `proj` does behind `basis` and normalisation.
///
/// `proj` has weight `[groups·features, dim]` and `basis` is `[features, values]`, so a window is `groups·values`.
/// Half precision is folded in single.
pub(crate) fn fold(
    proj: &Linear,
    statistics: Option<&FeatureStatistics>,
    basis: &Tensor<2>,
    kernel: [usize; 2],
) -> Folded {
    let [inputs, dim] = proj.weight.dims();
    let [features, values] = basis.dims();
    let groups = inputs / features;
    let [kh, kw] = kernel;
    let dtype = proj.weight.val().dtype();
    let precise = at_least_single(dtype);
    let weight = proj.weight.val().cast(precise);
    let bias = proj.bias.as_ref().map(|bias| bias.val().cast(precise));
    let (weight, bias) = match statistics {
        Some(statistics) => statistics.fold(weight, bias),
        None => (weight, bias),
    };
    let rows = weight.transpose().reshape([dim * groups, features]);
    let folded = ops::linear(rows, basis.clone().cast(precise), None);
    Folded {
        weight: folded
            .reshape([dim, groups * values / (kh * kw), kh, kw])
            .cast(dtype),
        bias: bias.map(|bias| bias.cast(dtype)),
    }
}

impl Folded {
    /// Projects the windows of `grid`: all, or those at `cells` alone.
    pub(crate) fn project(
        self,
        images: Images,
        cells: Option<Tensor<2, Int>>,
        grid: &PatchGrid,
    ) -> Tensor<3> {
        project_pixels(images, self.weight, self.bias, None, cells, grid)
    }

    /// The patch embedding with these parameters.
    pub(crate) fn into_embed(self) -> LinearPatchEmbed {
        let [dim, channels, kh, kw] = self.weight.dims();
        let mut embed = LinearPatchEmbedConfig::new([kh, kw], channels, dim)
            .with_bias(self.bias.is_some())
            .init(&self.weight.device());
        embed.proj.weight = Param::from_tensor(self.weight.detach());
        embed.proj.bias = self.bias.map(|bias| Param::from_tensor(bias.detach()));
        embed
    }
}

/// The projection of `inputs` features.
pub(crate) fn projection(inputs: usize, dim: usize, bias: bool, device: &Device) -> Linear {
    linear([inputs, dim], PYTORCH, bias.then_some(PYTORCH), device)
}

/// Features of every window of `grid`: `[batch, tokens, groups·features]`.
pub(crate) fn features(images: Tensor<4>, basis: &Tensor<2>, grid: &PatchGrid) -> Tensor<3> {
    transform(patch_windows(images, grid), basis)
}

/// Features of windows `[batch, tokens, groups·values]`.
pub(crate) fn transform(windows: Tensor<3>, basis: &Tensor<2>) -> Tensor<3> {
    let [batch, tokens, window] = windows.dims();
    let [features, values] = basis.dims();
    let groups = window / values;
    let basis = basis.clone().cast(windows.dtype()).transpose();
    ops::linear(
        windows.reshape([batch, tokens * groups, values]),
        basis,
        None,
    )
    .reshape([batch, tokens, groups * features])
}
