//! ResNet with group norms and standardised weights, the backbone of hybrid ViTs.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::embed::hybrid::backbone::Backbone;
use crate::embed::hybrid::resnet_v2_block::{Bottleneck, Parts, ResNetStage, ResNetStem, StemPool};
use crate::embed::hybrid::std_conv::WeightStandardization;
use crate::embed::parts::conv_norm::check_epsilon;
use crate::embed::parts::steps::Steps;
use crate::grid::{PatchGrid, nonzero};
use crate::or_panic::OrPanic;

/// Configuration of [`ResNetV2`].
#[derive(Config, Debug)]
pub struct ResNetV2Config {
    /// Blocks of each stage; none for the stem alone.
    pub layers: Vec<usize>,
    /// Channels of the images.
    #[config(default = 3)]
    pub channels: usize,
    /// Channels of the stem.
    #[config(default = 64)]
    pub stem_dim: usize,
    /// Step of the stem's 7×7 convolution, `[vertical, horizontal]`.
    #[config(default = "[2, 2]")]
    pub stem_stride: [usize; 2],
    /// After the stem's convolution.
    #[config(default = "StemPool::Max")]
    pub pool: StemPool,
    /// Channels of each stage; those that `layers` does not use are left out.
    #[config(default = "Vec::from([256, 512, 1024, 2048])")]
    pub stage_dims: Vec<usize>,
    /// Groups of the norms.
    #[config(default = 32)]
    pub groups: usize,
    /// Added to the variance in the norms. JAX has `1e-6`.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Of the convolutions' weights.
    #[config(default = "WeightStandardization::TIMM")]
    pub standardization: WeightStandardization,
}

/// The ResNet of hybrid ViTs: BiT's group norms and standardised weights in blocks with the norm after the
/// convolution.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), section 3.1
/// (`vit_jax/models_resnet.py`); Kolesnikov et al., [Big Transfer](https://arxiv.org/abs/1912.11370);
/// `_resnetv2` in `timm/models/vision_transformer_hybrid.py` with `timm/models/resnetv2.py` of timm 1.0.31:
/// `preact=False`, `stem_type='same'`, `StdConv2dSame` with epsilon `1e-8`.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - features `[batch, dim, ⌈height/s⌉, ⌈width/s⌉]`: `s = 4` after the stem and the first stage, then twice
///   as much with each stage
///
/// # Equation
///
/// Stem `maxpool₃ₓ₃,₂(relu(GN(Conv7×7,₂(x))))`, then bottlenecks
/// `relu(GN(C₁(relu(GN(C₃(relu(GN(C₁(x)))))))) + x)`, with `GN(C₁(x))` for `x` in the first of each stage, and
/// the stage's stride in its 3×3.
/// Convolutions have no bias, [standardised](WeightStandardization) weights and TensorFlow's SAME padding,
/// which depends on the map's size and puts the odd zero last.
///
/// Convolutions start at `N(0, √(2/(kh·kw·dim)))`, as timm's; their scale has no effect.
///
/// # Departures
///
/// timm's stem alone has PyTorch's initialiser. JAX's last norm in a block starts at 0; timm's and ours at 1.
/// JAX's numbers need [`WeightStandardization::JAX`] and epsilon `1e-6`.
///
/// # Weights
///
/// timm's names, `stem.{conv,norm}` and
/// `stages.{i}.blocks.{j}.{conv1,norm1,…,downsample.conv,downsample.norm}`. Its stem alone (R+Ti) has no
/// `stem.` before them.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{Backbone, ResNetV2Config};
///
/// let device = Device::flex();
/// let resnet = ResNetV2Config::new([1, 1].into())
///     .with_stem_dim(16)
///     .with_stage_dims([32, 64].into())
///     .with_groups(8)
///     .init(&device);
/// let features = resnet.forward(Tensor::zeros([1, 3, 30, 33], &device));
/// assert_eq!(features.dims(), [1, 64, 4, 5]);
/// ```
#[derive(Module, Debug)]
pub struct ResNetV2 {
    /// The stem.
    pub stem: ResNetStem,
    /// The stages.
    pub stages: Vec<ResNetStage>,
    #[module(skip)]
    standardization: WeightStandardization,
}

impl ResNetV2Config {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero stride, block count or channel count, [`Error::Shape`] for more stages than
    /// `stage_dims`, [`Error::Indivisible`] for channels that the groups do not divide, and [`Error::Range`]
    /// for an epsilon that is not above 0.
    pub fn try_init(&self, device: &Device) -> Result<ResNetV2, Error> {
        nonzero("stride of the stem", &self.stem_stride)?;
        nonzero("channels", &[self.channels, self.stem_dim])?;
        nonzero("blocks of a stage", &self.layers)?;
        nonzero("groups", &[self.groups])?;
        if self.layers.len() > self.stage_dims.len() {
            return Err(Error::Shape {
                what: "channels of the stages",
                expected: [self.layers.len()].into(),
                got: [self.stage_dims.len()].into(),
            });
        }
        check_epsilon(self.epsilon)?;
        let parts = Parts {
            groups: self.groups,
            epsilon: self.epsilon,
            device,
        };
        let mut stages = Vec::with_capacity(self.layers.len());
        let mut channels = self.stem_dim;
        for (index, (&blocks, &dim)) in self.layers.iter().zip(&self.stage_dims).enumerate() {
            nonzero("channels of a stage", &[dim])?;
            let stride = if index == 0 { 1 } else { 2 };
            stages.push(parts.stage(blocks, channels, dim, stride)?);
            channels = dim;
        }
        Ok(ResNetV2 {
            stem: parts.stem(self.channels, self.stem_dim, self.stem_stride, self.pool)?,
            stages,
            standardization: self.standardization,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> ResNetV2 {
        self.try_init(device).or_panic()
    }
}

impl ResNetV2 {
    fn blocks(&self) -> impl Iterator<Item = &Bottleneck> {
        self.stages.iter().flat_map(|stage| &stage.blocks)
    }
}

impl Backbone for ResNetV2 {
    fn channels(&self) -> usize {
        self.stem.conv.weight.dims()[1]
    }

    fn dim(&self) -> usize {
        let last = self.blocks().last().map(|block| &block.conv3);
        last.unwrap_or(&self.stem.conv).weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        nonzero("image size in px", &size)?;
        let stem = self.stem.step(Steps::over(size))?;
        self.blocks()
            .try_fold(stem, |steps, block| block.step(steps))?
            .grid()
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        let map = self.stem.forward(images, self.standardization);
        self.blocks()
            .fold(map, |map, block| block.forward(map, self.standardization))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn small(layers: &[usize]) -> ResNetV2Config {
        ResNetV2Config::new(layers.into())
            .with_stem_dim(16)
            .with_stage_dims([32, 64, 96].into())
            .with_groups(8)
    }

    #[rstest]
    #[case(&[], [31, 40])]
    #[case(&[1], [32, 33])]
    #[case(&[2, 1], [34, 35])]
    #[case(&[1, 1, 2], [63, 64])]
    fn layout_says_the_size_of_the_features(#[case] layers: &[usize], #[case] size: [usize; 2]) {
        let device = Device::flex();
        let resnet = small(layers).init(&device);
        let grid = resnet.layout(size).unwrap();
        let features = resnet.forward(Tensor::ones([1, 3, size[0], size[1]], &device));
        assert_eq!(features.dims(), [1, resnet.dim(), grid.rows, grid.cols]);
    }

    #[test]
    fn same_padding_depends_on_the_size() {
        let resnet = small(&[]).init(&Device::flex());
        let [even, odd] = [[32, 32], [33, 33]].map(|size| resnet.layout(size).unwrap().window);
        assert_eq!((even.kernel, even.stride), ([11, 11], [4, 4]));
        assert_eq!((even.pad_before, odd.pad_before), ([2, 2], [5, 5]));
    }

    /// The scale and offset of a filter do not matter, which is what standardisation is for.
    #[test]
    fn filters_matter_up_to_scale_and_offset() {
        let device = Device::flex();
        let resnet = small(&[1]).init(&device);
        let mut other = resnet.clone();
        other.stem.conv.weight = other.stem.conv.weight.map(|weight| weight * 7.0 + 0.5);
        let images = Tensor::random([1, 3, 16, 16], burn::tensor::Distribution::Default, &device);
        let [want, got] = [resnet, other].map(|resnet| resnet.forward(images.clone()).into_data());
        got.assert_approx_eq(&want, burn::tensor::Tolerance::<f32>::rel_abs(1e-3, 1e-3));
    }

    #[test]
    fn bad_configurations_name_got_and_expected() {
        let device = Device::flex();
        let groups = small(&[1]).with_groups(5).try_init(&device);
        assert!(matches!(
            groups,
            Err(Error::Indivisible {
                divisor: 5,
                got: 32 | 8 | 16,
                ..
            })
        ));
        let stages = small(&[1, 1, 1, 1]).try_init(&device);
        assert!(
            stages
                .unwrap_err()
                .to_string()
                .contains("expected [4], got [3]")
        );
        let empty = small(&[1, 0]).try_init(&device);
        assert!(matches!(empty, Err(Error::Zero { .. })));
        let epsilon = small(&[]).with_epsilon(f64::NAN).try_init(&device);
        assert!(matches!(epsilon, Err(Error::Range { .. })));
    }
}
