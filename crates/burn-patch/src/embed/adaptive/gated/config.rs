//! The settings of the gated embedding, and the checks that they fit together.

use burn::config::Config;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::Device;

use crate::Error;
use crate::embed::adaptive::gated::GatedPatchEmbed;
use crate::grid::nonzero;
use crate::layers::linear::PYTORCH;
use crate::layers::mlp::MlpConfig;
use crate::or_panic::OrPanic;

/// Budget where none is given, if it is in reach.
const HALF: f64 = 0.5;

/// Configuration of [`GatedPatchEmbed`].
#[derive(Config, Debug)]
pub struct GatedPatchEmbedConfig {
    /// Region that gets one patch size, `[height, width]` in pixels.
    pub region: [usize; 2],
    /// Patch sizes to choose from, `[height, width]` in pixels, the smallest first. Each divides the region.
    pub patches: Vec<[usize; 2]>,
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Tokens as a share of those that the smallest patches would give. None: one half, or what is in reach and
    /// nearest to it.
    pub budget: Option<f64>,
    /// Width of the router's hidden layer.
    #[config(default = 32)]
    pub hidden: usize,
    /// Whether larger patches are shrunk to the smallest, by the mean of each block, before their projection. Each
    /// size has its own projection either way; shrunk, its cost falls with the tokens.
    #[config(default = false)]
    pub shrink: bool,
    /// Whether the router also sees a saliency map.
    #[config(default = false)]
    pub saliency: bool,
    /// Whether the projections have a bias.
    #[config(default = true)]
    pub bias: bool,
}

impl GatedPatchEmbedConfig {
    /// Patches of `stride` and twice that in regions of the larger, half of the smallest patches' tokens.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let double = stride.map(|side| 2 * side);
        Self::new(double, vec![stride, double], channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, region, channel count, dim or hidden width or no patch sizes,
    /// [`Error::Indivisible`] for a patch that does not divide the region or is to be shrunk and no multiple of the
    /// smallest, [`Error::Range`] for patches that are not
    /// in ascending order of area and for a budget out of reach.
    pub fn try_init(&self, device: &Device) -> Result<GatedPatchEmbed, Error> {
        nonzero("region", &self.region)?;
        nonzero("number of patch sizes", &[self.patches.len()])?;
        let sizes = [self.channels, self.dim, self.hidden];
        nonzero("channels, dim and hidden", &sizes)?;
        self.check_patches()?;
        let budget = self.check_budget()?;
        let heads = self.patches.iter().map(|patch| {
            let kernel = if self.shrink { self.patches[0] } else { *patch };
            let head = Conv2dConfig::new([self.channels, self.dim], kernel);
            head.with_stride(kernel).with_bias(self.bias).init(device)
        });
        let features = 2 * self.channels + usize::from(self.saliency);
        let router = MlpConfig::new(features, self.hidden)
            .with_output(Some(self.patches.len()))
            .with_initializer(PYTORCH)
            .with_bias_initializer(PYTORCH);
        Ok(GatedPatchEmbed {
            router: router.init(device),
            heads: heads.collect(),
            region: self.region,
            patches: self.patches.clone(),
            shrink: self.shrink,
            budget,
            saliency: self.saliency,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> GatedPatchEmbed {
        self.try_init(device).or_panic()
    }

    fn check_patches(&self) -> Result<(), Error> {
        let mut last = 0;
        for patch in &self.patches {
            nonzero("patch", patch)?;
            for (axis, what) in ["region height", "region width"].into_iter().enumerate() {
                if !self.region[axis].is_multiple_of(patch[axis]) {
                    return Err(Error::Indivisible {
                        what,
                        divisor: patch[axis],
                        got: self.region[axis],
                    });
                }
            }
            let whole = |axis: usize| patch[axis].is_multiple_of(self.patches[0][axis]);
            if let Some(axis) = (0..2).find(|axis| self.shrink && !whole(*axis)) {
                return Err(Error::Indivisible {
                    what: "side of a patch to shrink",
                    divisor: self.patches[0][axis],
                    got: patch[axis],
                });
            }
            let area = patch[0] * patch[1];
            if area <= last {
                return Err(Error::Range {
                    what: "patch area in px², smallest patch first",
                    expected: format!("more than {last}"),
                    got: area as f64,
                });
            }
            last = area;
        }
        Ok(())
    }

    fn check_budget(&self) -> Result<f64, Error> {
        let area = |patch: &[usize; 2]| (patch[0] * patch[1]) as f64;
        let least = area(&self.patches[0]) / area(&self.patches[self.patches.len() - 1]);
        match self.budget {
            None => Ok(HALF.max(least)),
            Some(budget) if (least..=1.0).contains(&budget) => Ok(budget),
            Some(budget) => Err(Error::Range {
                what: "budget",
                expected: format!("{least} (all patches the largest) to 1 (all the smallest)"),
                got: budget,
            }),
        }
    }
}
