//! The whole of Swin.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::{Device, Tensor};
use burn_patch::embed::{
    DownsampleKind, PatchEmbed, PyramidLevel, PyramidPatchEmbed, PyramidPatchEmbedConfig,
};
use burn_patch::layers::{LayerNorm, LayerNormConfig, NORMAL, apply, linear};
use burn_patch::{OrPanic, Tokens};

use crate::Error;
use crate::encoder::drop_rate;
use crate::hierarchical::swin::swin_block::{EPSILON, Place, SwinBlock};
use crate::hierarchical::swin::swin_config::{SwinConfig, SwinVersion};
use crate::hierarchical::swin::swin_stage::SwinStage;

/// The hierarchical vision transformer with shifted windows, versions 1 and 2.
///
/// Liu et al., [Swin Transformer](https://arxiv.org/abs/2103.14030), figure 3, and
/// [Swin Transformer V2](https://arxiv.org/abs/2111.09883); `timm/models/swin_transformer.py` and
/// `swin_transformer_v2.py` of timm 1.0.31.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - logits `[batch, classes]`, or features `[batch, dim]` without classes
/// - [`forward_levels`](Self::forward_levels): tokens of each stage, `[batch, rows·cols, dim]`
///
/// # Departures
///
/// timm keeps the step to stage `i` as `layers.{i}.downsample` and its blocks as `layers.{i}.blocks`; here they are
/// `patch_embed.levels.{i}` and `stages.{i}.blocks`. Images need not have the size of the config, as long as windows do
/// not become smaller.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::SwinConfig;
///
/// let device = Device::flex();
/// let swin = SwinConfig::new([32, 48], 16, vec![1, 2], vec![2, 4])
///     .with_window([4, 4])
///     .with_classes(Some(5))
///     .init(&device);
/// let images = Tensor::zeros([1, 3, 32, 48], &device);
/// let levels = swin.forward_levels(images.clone());
/// assert_eq!(levels[0].to_feature_map()?.dims(), [1, 16, 8, 12]);
/// assert_eq!(levels[1].to_feature_map()?.dims(), [1, 32, 4, 6]);
/// assert_eq!(swin.forward(images).dims(), [1, 5]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct Swin {
    /// Patches and the merging steps between stages.
    pub patch_embed: PyramidPatchEmbed,
    /// The blocks of each stage.
    pub stages: Vec<SwinStage>,
    /// After the last stage.
    pub norm: LayerNorm,
    /// Classifier.
    pub head: Option<Linear>,
}

impl SwinConfig {
    /// Builds the model.
    ///
    /// # Errors
    ///
    /// If the image does not fit the patches, heads do not divide a width, there are not as many depths as heads, or a
    /// rate is out of range.
    pub fn try_init(&self, device: &Device) -> Result<Swin, Error> {
        if self.depths.len() != self.heads.len() {
            return Err(Error::Stages {
                what: "heads",
                expected: self.depths.len(),
                got: self.heads.len(),
            });
        }
        let patch_embed = self.embedding().try_init(device)?;
        let grids = patch_embed.layouts(self.image)?;
        let depth: usize = self.depths.iter().sum();
        let mut index = 0;
        let mut stages = Vec::with_capacity(grids.len());
        for (stage, grid) in grids.iter().enumerate() {
            let mut blocks = Vec::with_capacity(self.depths[stage]);
            for block in 0..self.depths[stage] {
                let place = Place {
                    grid: [grid.rows, grid.cols],
                    dim: self.dim << stage,
                    heads: self.heads[stage],
                    stage,
                    shifted: block % 2 == 1,
                    drop_path: drop_rate(self.drop_path, index, depth),
                };
                blocks.push(SwinBlock::try_init(self, &place, device)?);
                index += 1;
            }
            stages.push(SwinStage { blocks });
        }
        let dim = patch_embed.dim();
        Ok(Swin {
            patch_embed,
            stages,
            norm: LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device),
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
    pub fn init(&self, device: &Device) -> Swin {
        self.try_init(device).or_panic()
    }

    fn embedding(&self) -> PyramidPatchEmbedConfig {
        let merging = match self.version {
            SwinVersion::V1 => DownsampleKind::SwinMerge,
            SwinVersion::V2 { .. } => DownsampleKind::SwinV2Merge,
        };
        let levels = (0..self.depths.len()).map(|stage| PyramidLevel {
            kind: match stage {
                0 => DownsampleKind::Patches,
                _ => merging,
            },
            stride: match stage {
                0 => [self.patch; 2],
                _ => [2, 2],
            },
            dim: self.dim << stage,
        });
        PyramidPatchEmbedConfig::new(self.channels, levels.collect())
    }
}

impl Swin {
    /// The tokens of each stage, finest first; the last one normed.
    ///
    /// # Panics
    ///
    /// If the size does not fit the patches, the channels differ, or a window is smaller than at the config's size.
    #[track_caller]
    pub fn forward_levels(&self, images: Tensor<4>) -> Vec<Tokens> {
        let mut levels = self
            .patch_embed
            .forward_levels_with(images, |stage, tokens| self.stages[stage].forward(tokens));
        if let Some(last) = levels.pop() {
            levels.push(last.map(|x| self.norm.forward(x)));
        }
        levels
    }

    /// The tokens of the last stage, normed.
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
