//! Stacked convolutions as patch embedding.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Int, Tensor};

use crate::embed::conv_stem::activation::{StemActivation, StemEnd};
use crate::embed::conv_stem::preset::{ConvStemPreset, halving_steps, hardware_aware_steps};
use crate::embed::parts::conv_norm::{ConvNorm, ConvStep};
use crate::embed::parts::projection::{project, to_tokens};
use crate::embed::parts::remade::for_channels;
use crate::embed::parts::steps::Steps;
use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid, select};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::epsilon::check_epsilon;
use crate::ops::Images;
use crate::or_panic::OrPanic;
use crate::resample::channels::ChannelMap;
use crate::{Error, Tokens};

/// Configuration of [`ConvStemPatchEmbed`].
#[derive(Config, Debug)]
pub struct ConvStemPatchEmbedConfig {
    /// The convolutions, each with a batch norm after it.
    pub steps: Vec<ConvStep>,
    /// Channels of the images.
    pub channels: usize,
    /// Between the steps.
    #[config(default = "StemActivation::Hardswish")]
    pub activation: StemActivation,
    /// After the last step.
    #[config(default = "StemEnd::Norm")]
    pub end: StemEnd,
    /// Added to the variance in the norms.
    #[config(default = 1e-5)]
    pub epsilon: f64,
}

/// Convolutional stem: small convolutions, each with a batch norm and an activation, instead of one large
/// patch.
///
/// Graham et al., [LeViT](https://arxiv.org/abs/2104.01136), section 4.2 (`Stem16` in `timm/models/levit.py`
/// of timm 1.0.31); Xiao et al., [Early Convolutions Help Transformers See
/// Better](https://arxiv.org/abs/2106.14881) (ViT-C; `ViTStemConv` in `pycls/models/vit.py`).
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, rows·cols, dim]`, row-major; `rows = ⌈⌈height/s₁⌉/s₂…⌉` with the default padding
///
/// # Equation
///
/// `x ← φ(BN(Conv2d(x; kᵢ, sᵢ, pᵢ)))` for each step, without `φ` after the last in LeViT, or
/// with `E = Conv2d(x; 1, 1, 0) + b` after the last in ViT-C.
///
/// Initialised as both references: convolutions as PyTorch's, norms at 1 and 0; the 1×1 convolution as
/// pycls', `N(0, √(2/dim))` with bias 0.
///
/// # Inference
///
/// [`fold`](Self::fold) merges every norm into its convolution: in half precision nothing then stands between
/// the projections but the activation, no statistics and no casts.
///
/// # Weights
///
/// timm's LeViT has `stem.conv{i}.{linear,bn}`, counted from 1: with burn-store, rename each
/// `^stem\.conv{i}\.` to `stem.{i − 1}.` under `PyTorchToBurnAdapter`. LeViT's own are
/// `patch_embed.{2(i − 1)}.{c,bn}`; pycls' `cstem{i}_conv`, `cstem{i}_bn` (from 0) and `cstem_last_conv` are
/// `stem.{i}.linear`, `stem.{i}.bn` and `proj`.
///
/// # Departures
///
/// Strides may differ between the axes. The references return a map or fix the image size; here any size is
/// embedded, and [`Tokens::to_feature_map`] gives the map. Pixels that no window reads are dropped, as by
/// every convolution. In training, norms take their statistics from all tokens, also where only some are
/// asked for.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{ConvStemPatchEmbedConfig, ConvStemPreset, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = ConvStemPatchEmbedConfig::preset(ConvStemPreset::Levit128S, 3).init(&device);
/// let folded = embed.fold();
/// let tokens = folded.forward(Tensor::zeros([1, 3, 64, 48], &device));
/// assert_eq!(tokens.embeddings().dims(), [1, 4 * 3, 128]);
/// assert_eq!(tokens.grid().window.kernel, [31, 31]);
/// ```
#[derive(Module, Debug)]
pub struct ConvStemPatchEmbed {
    /// The steps.
    pub stem: Vec<ConvNorm>,
    /// The 1×1 convolution after them.
    pub proj: Option<Conv2d>,
    #[module(skip)]
    activation: StemActivation,
}

impl ConvStemPatchEmbedConfig {
    /// LeViT's stem for one token per `stride`: one 3×3 convolution for each factor of two, a `2s − 1` one
    /// for each larger prime factor `s`; channels double up to `dim`, in multiples of eight.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(halving_steps(stride, dim), channels)
    }

    /// A published stem.
    pub fn preset(preset: ConvStemPreset, channels: usize) -> Self {
        let (activation, steps, end) = preset.rows();
        let steps = steps
            .iter()
            .map(|(stride, dim)| ConvStep::new([3; 2], [*stride; 2], *dim))
            .collect();
        Self::new(steps, channels)
            .with_activation(activation)
            .with_end(end)
    }

    /// A stem for matrix units in half precision.
    ///
    /// No paper or library defines one; this is ours. The first step reads patches of 4×4 (as far as `stride`
    /// has the factor), so that its products are 16 or 48 values long instead of 9 or 27, and the map at half
    /// resolution, the costliest, never exists; the steps after it are 3×3 at stride 2, so strides are mixed:
    /// 4·2·2 for 16. All channel counts between are multiples of eight (take `dim` so too), which makes every
    /// product from the second step on a multiple of eight long. The activation is ReLU and the end a
    /// projection, so that after [`fold`](ConvStemPatchEmbed::fold) each step is one projection with bias and
    /// `max(x, 0)`.
    pub fn hardware_aware(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(hardware_aware_steps(stride, dim), channels)
            .with_activation(StemActivation::Relu)
            .with_end(StemEnd::Projection { dim })
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no steps and for a zero kernel, stride, channel count or dim, and [`Error::Range`]
    /// for an epsilon that is not above 0.
    pub fn try_init(&self, device: &Device) -> Result<ConvStemPatchEmbed, Error> {
        nonzero("steps of the stem", &[self.steps.len()])?;
        check_epsilon(self.epsilon)?;
        let mut channels = self.channels;
        let mut stem = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            stem.push(step.try_init(channels, self.epsilon, device)?);
            channels = step.dim;
        }
        let proj = match self.end {
            StemEnd::Norm => None,
            StemEnd::Projection { dim } => {
                nonzero("dim", &[dim])?;
                Some(pointwise(channels, dim, device))
            }
        };
        Ok(ConvStemPatchEmbed {
            stem,
            proj,
            activation: self.activation,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> ConvStemPatchEmbed {
        self.try_init(device).or_panic()
    }
}

fn pointwise(channels: usize, dim: usize, device: &Device) -> Conv2d {
    let mut proj = Conv2dConfig::new([channels, dim], [1, 1])
        .with_bias(false)
        .with_initializer(Initializer::Normal {
            mean: 0.0,
            std: (2.0 / dim as f64).sqrt(),
        })
        .init(device);
    proj.bias = Some(Initializer::Zeros.init([dim], device));
    proj
}

impl ConvStemPatchEmbed {
    /// The same tokens at inference without norms: each is merged into its convolution ([`ConvNorm::fold`]).
    ///
    /// The parameters are new and keep no gradient of the old ones.
    #[must_use]
    pub fn fold(&self) -> Self {
        Self {
            stem: self.stem.iter().map(ConvNorm::fold).collect(),
            proj: self.proj.clone(),
            activation: self.activation,
        }
    }

    /// The first steps with an activation after each.
    fn active(&self, images: Images, steps: usize) -> Images {
        self.stem[..steps].iter().fold(images, |map, step| {
            self.activation.apply(step.forward(map)).into()
        })
    }

    /// What the last projection reads and that projection, if nothing comes after it.
    fn before_projection(&self, images: Images) -> Option<(Images, &Conv2d, Window)> {
        let last = self.stem.len() - 1;
        match (&self.proj, &self.stem[last]) {
            (Some(proj), _) => Some((
                self.active(images, last + 1),
                proj,
                Window::patch([1, 1], Remainder::Floor),
            )),
            (None, step) if step.bn.is_none() => {
                Some((self.active(images, last), &step.linear, *step.window()))
            }
            (None, _) => None,
        }
    }

    /// The tokens of `cells`, or all, if nothing comes after the last projection.
    fn projected(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Option<Tensor<3>> {
        let (map, proj, window) = self.before_projection(images)?;
        let [_, _, rows, cols] = map.dims();
        let grid = window.layout([rows, cols]).or_panic();
        Some(project(proj, map, cells, &grid))
    }
}

impl PatchEmbed for ConvStemPatchEmbed {
    fn channels(&self) -> usize {
        self.stem[0].linear.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        let last = &self.stem[self.stem.len() - 1].linear;
        self.proj.as_ref().unwrap_or(last).weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        self.stem
            .iter()
            .try_fold(Steps::over(size), |steps, step| steps.then(step.window()))?
            .grid()
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        if let Some(embeddings) = self.projected(images.clone(), cells.clone()) {
            return on_grid(embeddings, grid, cells);
        }
        let last = self.stem.len() - 1;
        let map = self.stem[last].forward(self.active(images, last));
        select(Tokens::from_grid(to_tokens(map), grid), cells)
    }

    /// Of the first step; the others read its maps.
    fn with_channels(mut self, map: &ChannelMap) -> Result<Self, Error> {
        let first = &mut self.stem[0];
        first.linear = for_channels(first.linear.clone(), map)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::parts::projection::convolve;
    use burn::module::{ModuleMapper, Param, RunningState};
    use burn::tensor::{DType, Distribution, FloatDType, TensorData, Tolerance};
    use rstest::rstest;

    /// Statistics and affine parameters as after training.
    fn trained(mut embed: ConvStemPatchEmbed) -> ConvStemPatchEmbed {
        for step in &mut embed.stem {
            let bn = step.bn.as_mut().unwrap();
            let [dim] = bn.gamma.val().dims();
            let device = bn.gamma.val().device();
            let wave = |low: f32, high: f32, rate: f32| {
                let values: Vec<f32> = (0..dim)
                    .map(|i| low + (high - low) * (0.5 + 0.5 * (rate * i as f32).sin()))
                    .collect();
                Tensor::<1>::from_data(TensorData::new(values, [dim]), &device)
            };
            bn.gamma = Param::from_tensor(wave(0.5, 1.7, 1.3));
            bn.beta = Param::from_tensor(wave(-0.4, 0.6, 2.1));
            bn.running_mean = RunningState::new(wave(-0.2, 0.3, 0.7));
            bn.running_var = RunningState::new(wave(0.1, 2.0, 1.9));
        }
        embed
    }

    #[rstest]
    #[case::levit(ConvStemPatchEmbedConfig::preset(ConvStemPreset::Levit192, 3))]
    #[case::vit_c(ConvStemPatchEmbedConfig::preset(ConvStemPreset::VitC1Gf, 3))]
    #[case::hardware_aware(ConvStemPatchEmbedConfig::hardware_aware([16, 8], 3, 64))]
    #[case::gelu(ConvStemPatchEmbedConfig::for_stride([4, 6], 3, 24).with_activation(StemActivation::Gelu))]
    fn folding_the_norms_changes_no_token(#[case] config: ConvStemPatchEmbedConfig) {
        let device = Device::flex();
        let embed = trained(config.init(&device));
        let images = Tensor::random([2, 3, 48, 64], Distribution::Default, &device);
        let folded = embed.fold();
        assert!(folded.stem.iter().all(|step| step.bn.is_none()));
        let cells = Tensor::from_ints([[3, 0], [1, 1]], &device);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
        let [want, got] = [&embed, &folded]
            .map(|embed| embed.forward(images.clone()).into_embeddings().into_data());
        got.assert_approx_eq(&want, tolerance);
        let [want, got] = [&embed, &folded].map(|embed| {
            let visible = embed.forward_visible(images.clone(), cells.clone());
            visible.into_embeddings().into_data()
        });
        got.assert_approx_eq(&want, tolerance);
    }

    #[rstest]
    #[case(ConvStemPreset::Levit128S, 128)]
    #[case(ConvStemPreset::Levit128, 128)]
    #[case(ConvStemPreset::Levit192, 192)]
    #[case(ConvStemPreset::Levit256, 256)]
    #[case(ConvStemPreset::Levit384, 384)]
    #[case(ConvStemPreset::VitC1Gf, 192)]
    #[case(ConvStemPreset::VitC4Gf, 384)]
    #[case(ConvStemPreset::VitC18Gf, 768)]
    #[case(ConvStemPreset::VitC36Gf, 1024)]
    fn presets_give_the_tokens_of_a_patch_of_sixteen(
        #[case] preset: ConvStemPreset,
        #[case] dim: usize,
    ) {
        let embed = ConvStemPatchEmbedConfig::preset(preset, 3).init(&Device::flex());
        let grid = embed.layout([224, 240]).unwrap();
        assert_eq!(([grid.rows, grid.cols], embed.dim()), ([14, 15], dim));
    }

    /// The paper gives ViT-C-36GF the stem of 18GF.
    #[test]
    fn the_largest_early_convolutions_share_all_but_the_projection() {
        let [middle, large] = [ConvStemPreset::VitC18Gf, ConvStemPreset::VitC36Gf]
            .map(|preset| ConvStemPatchEmbedConfig::preset(preset, 3));
        assert_eq!(middle.steps, large.steps);
        assert_ne!(middle.end, large.end);
    }

    #[test]
    fn levit_is_what_its_stride_asks_for() {
        let preset = ConvStemPatchEmbedConfig::preset(ConvStemPreset::Levit256, 3);
        let general = ConvStemPatchEmbedConfig::for_stride([16, 16], 3, 256);
        assert_eq!(general.to_string(), preset.to_string());
    }

    #[test]
    fn strides_may_differ_between_the_axes() {
        let embed = ConvStemPatchEmbedConfig::for_stride([4, 2], 1, 20).init(&Device::flex());
        let images = Tensor::ones([1, 1, 30, 31], &Device::flex());
        let tokens = embed.forward(images);
        let grid = tokens.grid();
        assert_eq!([grid.rows, grid.cols, tokens.dim()], [8, 16, 20]);
        assert_eq!(grid.window.stride, [4, 2]);
    }

    #[test]
    fn products_of_the_hardware_aware_stem_are_multiples_of_eight() {
        let embed =
            ConvStemPatchEmbedConfig::hardware_aware([16, 16], 3, 200).init(&Device::flex());
        let steps = embed.stem.iter().map(|step| &step.linear);
        let strides: Vec<usize> = steps.clone().map(|conv| conv.stride[0]).collect();
        assert_eq!(strides, [4, 2, 2]);
        for conv in steps.chain(&embed.proj) {
            let [dim, channels, kh, kw] = conv.weight.dims();
            assert_eq!((dim % 8, (channels * kh * kw) % 8), (0, 0));
        }
    }

    #[test]
    fn the_folded_hardware_aware_stem_keeps_its_tokens_in_half_precision() {
        struct Half;
        impl ModuleMapper for Half {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| value.cast(FloatDType::F16))
            }
        }
        let device = Device::flex();
        let config = ConvStemPatchEmbedConfig::hardware_aware([16, 16], 3, 64);
        let embed = trained(config.init(&device)).fold();
        let images = Tensor::random([1, 3, 32, 48], Distribution::Default, &device);
        let want = embed.forward(images.clone()).into_embeddings();
        let half = embed.map(&mut Half);
        let got = half.forward(images.cast(FloatDType::F16)).into_embeddings();
        assert_eq!(got.dtype(), DType::F16);
        let scale: f32 = want.clone().abs().max().into_scalar();
        let apart: f32 = (got.cast(FloatDType::F32) - want).abs().max().into_scalar();
        assert!(apart < 1e-2 * scale, "{apart} of {scale}");
    }

    /// Norms then see the batch: picking tokens must not change what they see.
    #[test]
    fn in_training_visible_tokens_are_those_of_the_whole_image() {
        let device = Device::flex().autodiff();
        let embed = ConvStemPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&device);
        let images = Tensor::random([2, 3, 16, 16], Distribution::Default, &device);
        let cells = Tensor::from_ints([[3, 0], [1, 1]], &device);
        let want = embed.forward(images.clone()).select(cells.clone());
        let got = embed.forward_visible(images.clone(), cells);
        let [want, got] = [want, got].map(|tokens| tokens.into_embeddings().into_data());
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-5));
    }

    #[test]
    fn folding_takes_the_statistics_of_the_last_batch_in() {
        let device = Device::flex().autodiff();
        let embed = ConvStemPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&device);
        embed.forward(Tensor::random(
            [2, 3, 16, 16],
            Distribution::Default,
            &device,
        ));
        let bias = embed.fold().stem[0].linear.bias.as_ref().unwrap().val();
        let largest: f32 = bias.abs().max().into_scalar();
        assert!(largest > 0.0);
    }

    /// As in PyTorch, whose checkpoints of stems have counted so: `0.9·1 + 0.1·n/(n − 1)·σ²`.
    #[test]
    fn the_running_variance_after_a_batch_is_the_unbiased_one() {
        let device = Device::flex().autodiff();
        let embed = ConvStemPatchEmbedConfig::for_stride([2, 2], 1, 8).init(&device);
        let images = Tensor::random([1, 1, 4, 4], Distribution::Default, &device);
        let step = &embed.stem[0];
        let map = convolve(&step.linear, images.clone(), step.window());
        embed.forward(images);
        let variance = map.reshape([1, 8, 4]).var(2).reshape([8]);
        let got = step.bn.as_ref().unwrap().running_var.value_sync();
        got.into_data().assert_approx_eq(
            &(variance * 0.1 + 0.9).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    #[should_panic(expected = "expected more than 1 value per channel while training")]
    fn one_value_per_channel_is_refused_in_training() {
        let device = Device::flex().autodiff();
        let embed = ConvStemPatchEmbedConfig::for_stride([2, 2], 1, 8).init(&device);
        embed.forward(Tensor::ones([1, 1, 2, 2], &device));
    }

    #[test]
    fn bad_configurations_name_got_and_expected() {
        let device = Device::flex();
        let none = ConvStemPatchEmbedConfig::new(Vec::new(), 3).try_init(&device);
        assert!(none.unwrap_err().to_string().contains("steps of the stem"));
        let still = ConvStemPatchEmbedConfig::for_stride([0, 4], 3, 8).try_init(&device);
        assert!(still.unwrap_err().to_string().contains("stride"));
        let config = ConvStemPatchEmbedConfig::for_stride([4, 4], 3, 8);
        let negative = config.clone().with_epsilon(-1.0).try_init(&device);
        assert!(matches!(negative, Err(Error::Range { got: -1.0, .. })));
        let flat = config
            .with_end(StemEnd::Projection { dim: 0 })
            .try_init(&device);
        assert!(matches!(flat, Err(Error::Zero { .. })));
    }
}
