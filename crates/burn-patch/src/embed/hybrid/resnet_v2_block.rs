//! Stem and blocks of the ResNet of hybrid ViTs.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, Initializer};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::hybrid::std_conv::{WeightStandardization, same_window, std_convolve};
use crate::embed::parts::steps::Steps;
use crate::ops::Images;

/// What follows the stem's convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StemPool {
    /// Nothing.
    None,
    /// The largest of 3×3 at stride 2 with SAME padding.
    Max,
}

const POOL_KERNEL: [usize; 2] = [3, 3];
const POOL_STRIDE: [usize; 2] = [2, 2];

/// The stem of a [`ResNetV2`](super::ResNetV2).
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::ResNetV2Config;
///
/// let config = ResNetV2Config::new([2].into()).with_stem_dim(16).with_stage_dims([32].into()).with_groups(8);
/// let resnet = config.init(&Device::flex());
/// assert_eq!(resnet.stem.conv.weight.dims(), [16, 3, 7, 7]);
/// ```
#[derive(Module, Debug)]
pub struct ResNetStem {
    /// 7×7.
    pub conv: Conv2d,
    /// After it.
    pub norm: GroupNorm,
    #[module(skip)]
    pub(crate) pool: StemPool,
}

/// A stage of a [`ResNetV2`](super::ResNetV2).
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::ResNetV2Config;
///
/// let config = ResNetV2Config::new([2].into()).with_stem_dim(16).with_stage_dims([32].into()).with_groups(8);
/// let resnet = config.init(&Device::flex());
/// assert_eq!(resnet.stages[0].blocks.len(), 2);
/// ```
#[derive(Module, Debug)]
pub struct ResNetStage {
    /// The blocks.
    pub blocks: Vec<Bottleneck>,
}

/// A block of a [`ResNetV2`](super::ResNetV2).
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::ResNetV2Config;
///
/// let config = ResNetV2Config::new([2].into()).with_stem_dim(16).with_stage_dims([32].into()).with_groups(8);
/// let resnet = config.init(&Device::flex());
/// let blocks = &resnet.stages[0].blocks;
/// assert_eq!(blocks[0].conv2.weight.dims(), [8, 8, 3, 3]);
/// assert!(blocks[0].downsample.is_some() && blocks[1].downsample.is_none());
/// ```
#[derive(Module, Debug)]
pub struct Bottleneck {
    /// The shortcut of a stage's first block.
    pub downsample: Option<Shortcut>,
    /// 1×1 to a quarter of the channels.
    pub conv1: Conv2d,
    /// After it.
    pub norm1: GroupNorm,
    /// 3×3 at the block's stride.
    pub conv2: Conv2d,
    /// After it.
    pub norm2: GroupNorm,
    /// 1×1 to all channels.
    pub conv3: Conv2d,
    /// After it.
    pub norm3: GroupNorm,
}

/// 1×1 at the block's stride, and its norm.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::ResNetV2Config;
///
/// let config = ResNetV2Config::new([2].into()).with_stem_dim(16).with_stage_dims([32].into()).with_groups(8);
/// let resnet = config.init(&Device::flex());
/// let shortcut = resnet.stages[0].blocks[0].downsample.as_ref().unwrap();
/// assert_eq!(shortcut.conv.weight.dims(), [32, 16, 1, 1]);
/// ```
#[derive(Module, Debug)]
pub struct Shortcut {
    /// The convolution.
    pub conv: Conv2d,
    /// After it.
    pub norm: GroupNorm,
}

/// What all parts have in common.
pub(crate) struct Parts<'a> {
    pub(crate) groups: usize,
    pub(crate) epsilon: f64,
    pub(crate) device: &'a Device,
}

impl Parts<'_> {
    /// The stem: 7×7, norm, pooling.
    pub(crate) fn stem(
        &self,
        channels: usize,
        dim: usize,
        stride: [usize; 2],
        pool: StemPool,
    ) -> Result<ResNetStem, Error> {
        Ok(ResNetStem {
            conv: self.conv(channels, dim, 7, stride),
            norm: self.norm(dim)?,
            pool,
        })
    }

    /// A stage whose first block has `stride`.
    pub(crate) fn stage(
        &self,
        blocks: usize,
        channels: usize,
        dim: usize,
        stride: usize,
    ) -> Result<ResNetStage, Error> {
        let first = self.block(channels, dim, [stride; 2], true);
        let others = (1..blocks).map(|_| self.block(dim, dim, [1, 1], false));
        let blocks = core::iter::once(first)
            .chain(others)
            .collect::<Result<_, _>>()?;
        Ok(ResNetStage { blocks })
    }

    fn block(
        &self,
        channels: usize,
        dim: usize,
        stride: [usize; 2],
        first: bool,
    ) -> Result<Bottleneck, Error> {
        let middle = bottleneck_dim(dim);
        let shortcut = |dim| -> Result<Shortcut, Error> {
            Ok(Shortcut {
                conv: self.conv(channels, dim, 1, stride),
                norm: self.norm(dim)?,
            })
        };
        Ok(Bottleneck {
            downsample: first.then(|| shortcut(dim)).transpose()?,
            conv1: self.conv(channels, middle, 1, [1, 1]),
            norm1: self.norm(middle)?,
            conv2: self.conv(middle, middle, 3, stride),
            norm2: self.norm(middle)?,
            conv3: self.conv(middle, dim, 1, [1, 1]),
            norm3: self.norm(dim)?,
        })
    }

    fn norm(&self, dim: usize) -> Result<GroupNorm, Error> {
        if !dim.is_multiple_of(self.groups) {
            return Err(Error::Indivisible {
                what: "channels of a group norm",
                divisor: self.groups,
                got: dim,
            });
        }
        Ok(GroupNormConfig::new(self.groups, dim)
            .with_epsilon(self.epsilon)
            .init(self.device))
    }

    fn conv(&self, channels: usize, dim: usize, kernel: usize, stride: [usize; 2]) -> Conv2d {
        let fan_out = kernel * kernel * dim;
        Conv2dConfig::new([channels, dim], [kernel; 2])
            .with_stride(stride)
            .with_bias(false)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: (2.0 / fan_out as f64).sqrt(),
            })
            .init(self.device)
    }
}

/// A quarter, rounded to a multiple of eight, but not below nine tenths of it (timm's `make_divisible`).
fn bottleneck_dim(dim: usize) -> usize {
    let quarter = dim as f64 / 4.0;
    let rounded = ((dim + 16) / 32 * 8).max(8);
    if (rounded as f64) < 0.9 * quarter {
        rounded + 8
    } else {
        rounded
    }
}

fn same_step(steps: Steps, kernel: [usize; 2], stride: [usize; 2]) -> Result<Steps, Error> {
    let window = same_window(kernel, stride, steps.map());
    steps.then(&window)
}

impl ResNetStem {
    pub(crate) fn step(&self, steps: Steps) -> Result<Steps, Error> {
        let steps = same_step(steps, self.conv.kernel_size, self.conv.stride)?;
        match self.pool {
            StemPool::None => Ok(steps),
            StemPool::Max => same_step(steps, POOL_KERNEL, POOL_STRIDE),
        }
    }

    pub(crate) fn forward(
        &self,
        images: Images,
        standardization: WeightStandardization,
    ) -> Tensor<4> {
        let map = std_convolve(&self.conv, images, standardization);
        let map = relu(self.norm.forward(map));
        match self.pool {
            StemPool::None => map,
            StemPool::Max => {
                let [_, _, height, width] = map.dims();
                let window = same_window(POOL_KERNEL, POOL_STRIDE, [height, width]);
                let pairs = [0, 1].map(|axis| (window.pad_before[axis], window.pad_after[axis]));
                let options = MaxPoolOptions::new(POOL_KERNEL)
                    .with_stride(POOL_STRIDE)
                    .with_padding_pairs(pairs);
                max_pool2d(map, options)
            }
        }
    }
}

impl Bottleneck {
    /// The shortcut's windows lie within these.
    pub(crate) fn step(&self, steps: Steps) -> Result<Steps, Error> {
        same_step(steps, self.conv2.kernel_size, self.conv2.stride)
    }

    pub(crate) fn forward(
        &self,
        map: Tensor<4>,
        standardization: WeightStandardization,
    ) -> Tensor<4> {
        let convolve =
            |conv: &Conv2d, map: Tensor<4>| std_convolve(conv, map.into(), standardization);
        let shortcut = match &self.downsample {
            Some(shortcut) => shortcut.norm.forward(convolve(&shortcut.conv, map.clone())),
            None => map.clone(),
        };
        let map = relu(self.norm1.forward(convolve(&self.conv1, map)));
        let map = relu(self.norm2.forward(convolve(&self.conv2, map)));
        relu(self.norm3.forward(convolve(&self.conv3, map)) + shortcut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(256, 64)]
    #[case(64, 16)]
    #[case(40, 16)]
    #[case(8, 8)]
    fn bottlenecks_are_as_wide_as_timms(#[case] dim: usize, #[case] want: usize) {
        assert_eq!(bottleneck_dim(dim), want);
    }
}
