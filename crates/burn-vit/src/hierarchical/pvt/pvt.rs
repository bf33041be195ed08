//! The whole of PVT v2.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{
    DownsampleKind, PatchEmbed, PyramidLevel, PyramidPatchEmbed, PyramidPatchEmbedConfig,
};
use burn_patch::layers::{LayerNormConfig, NORMAL, apply, linear};
use burn_patch::{OrPanic, Tokens};

use crate::Error;
use crate::encoder::drop_rate;
use crate::hierarchical::pvt::pvt_block::{EPSILON, PvtBlock, Sizes};
use crate::hierarchical::pvt::pvt_config::PvtConfig;
use crate::hierarchical::pvt::pvt_stage::PvtStage;

/// The pyramid vision transformer, version 2.
///
/// Wang et al., [PVT v2](https://arxiv.org/abs/2106.13797); `timm/models/pvt_v2.py` of timm 1.0.31.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]` of any size that gives each stage at least as many rows and columns as its
///   reduction
/// - logits `[batch, classes]`, or features `[batch, dim]` without classes
/// - [`forward_levels`](Self::forward_levels): tokens of each stage, `[batch, rows·cols, dim]`
///
/// # Departures
///
/// timm keeps the step to stage `i` as `stages.{i}.downsample`; here it is `patch_embed.levels.{i}`. The variant with
/// linear attention (average pooling to 7×7) is not there.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::PvtConfig;
///
/// let device = Device::flex();
/// let pvt = PvtConfig::new([8, 16, 24, 32], [1; 4], [1, 2, 3, 4]).init(&device);
/// let images = Tensor::zeros([1, 3, 64, 96], &device);
/// let levels = pvt.forward_levels(images.clone());
/// assert_eq!(levels[0].to_feature_map()?.dims(), [1, 8, 16, 24]);
/// assert_eq!(levels[3].to_feature_map()?.dims(), [1, 32, 2, 3]);
/// assert_eq!(pvt.forward(images).dims(), [1, 32]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Pvt {
    /// Overlapping patches, and those between stages.
    pub patch_embed: PyramidPatchEmbed,
    /// The blocks of each stage.
    pub stages: Vec<PvtStage>,
    /// Classifier.
    pub head: Option<Linear>,
}

impl PvtConfig {
    /// Builds the model.
    ///
    /// # Errors
    ///
    /// If the lists of the config are not of one length, heads do not divide a width, something is zero, or a rate is out
    /// of range.
    pub fn try_init(&self, device: &Device) -> Result<Pvt, Error> {
        self.check()?;
        let depth: usize = self.depths.iter().sum();
        let mut index = 0;
        let mut stages = Vec::with_capacity(self.dims.len());
        for (stage, &dim) in self.dims.iter().enumerate() {
            let sizes = Sizes {
                dim,
                heads: self.heads[stage],
                ratio: self.reductions[stage],
                mlp_ratio: self.mlp_ratios[stage],
            };
            let mut blocks = Vec::with_capacity(self.depths[stage]);
            for _ in 0..self.depths[stage] {
                let drop_path = drop_rate(self.drop_path, index, depth);
                blocks.push(PvtBlock::try_init(&sizes, drop_path, device)?);
                index += 1;
            }
            let norm = LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device);
            stages.push(PvtStage { blocks, norm });
        }
        let patch_embed = self.embedding().try_init(device)?;
        let dim = patch_embed.dim();
        Ok(Pvt {
            patch_embed,
            stages,
            head: self
                .classes
                .map(|classes| linear([dim, classes], NORMAL, Some(Initializer::Zeros), device)),
        })
    }

    /// Builds the model.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> Pvt {
        self.try_init(device).or_panic()
    }

    fn check(&self) -> Result<(), Error> {
        let lists = [
            ("depths", self.depths.len()),
            ("heads", self.heads.len()),
            ("reductions", self.reductions.len()),
            ("MLP ratios", self.mlp_ratios.len()),
        ];
        let expected = self.dims.len();
        match lists.into_iter().find(|(_, got)| *got != expected) {
            Some((what, got)) => Err(Error::Stages {
                what,
                expected,
                got,
            }),
            None => Ok(()),
        }
    }

    fn embedding(&self) -> PyramidPatchEmbedConfig {
        let levels = self
            .dims
            .iter()
            .enumerate()
            .map(|(stage, &dim)| PyramidLevel {
                kind: DownsampleKind::Overlap,
                stride: match stage {
                    0 => [4, 4],
                    _ => [2, 2],
                },
                dim,
            });
        PyramidPatchEmbedConfig::new(self.channels, levels.collect())
    }
}

impl Pvt {
    /// The tokens of each stage, finest first, normed.
    ///
    /// # Panics
    ///
    /// If the channels differ or the images are too small.
    #[track_caller]
    pub fn forward_levels(&self, images: Tensor<4>) -> Vec<Tokens> {
        self.patch_embed
            .forward_levels_with(images, |stage, tokens| self.stages[stage].forward(tokens))
    }

    /// The tokens of the last stage.
    ///
    /// # Panics
    ///
    /// As [`forward_levels`](Self::forward_levels).
    #[track_caller]
    pub fn forward_features(&self, images: Tensor<4>) -> Tokens {
        let mut levels = self.forward_levels(images);
        levels.pop().expect("there is a stage")
    }

    /// Images to logits, or to the mean of the tokens where there are no classes.
    ///
    /// # Panics
    ///
    /// As [`forward_levels`](Self::forward_levels).
    #[track_caller]
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let pooled = self.forward_features(images).mean();
        match &self.head {
            Some(head) => apply(head, pooled),
            None => pooled,
        }
    }
}
