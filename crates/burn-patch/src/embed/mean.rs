//! Mean colours: shows what a new embedding needs.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor};

use crate::embed::patch_embed::{PatchEmbed, expect_layout, on_grid};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::linear::{PYTORCH, apply, linear};
use crate::ops::{Images, gather_rows, patch_windows};
use crate::{Error, Tokens};

/// Configuration of [`MeanPatchEmbed`].
#[derive(Config, Debug)]
pub struct MeanPatchEmbedConfig {
    /// Patch `[height, width]` in pixels.
    pub patch: [usize; 2],
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
}

/// The mean colour of each patch, projected.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{MeanPatchEmbedConfig, PatchEmbed};
///
/// let embed = MeanPatchEmbedConfig::new([4, 4], 3, 8).init(&Device::flex());
/// let tokens = embed.forward(Tensor::zeros([1, 3, 8, 12], &Device::flex()));
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 8]);
/// ```
#[derive(Module, Debug)]
pub struct MeanPatchEmbed {
    /// The projection.
    pub proj: Linear,
    patch: [usize; 2],
}

impl MeanPatchEmbedConfig {
    /// One token per `stride` pixels.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        Self::new(stride, channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`].
    pub fn try_init(&self, device: &Device) -> Result<MeanPatchEmbed, Error> {
        nonzero("patch", &self.patch)?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        Ok(MeanPatchEmbed {
            proj: linear([self.channels, self.dim], PYTORCH, Some(PYTORCH), device),
            patch: self.patch,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> MeanPatchEmbed {
        crate::or_panic::OrPanic::or_panic(self.try_init(device))
    }
}

impl PatchEmbed for MeanPatchEmbed {
    fn channels(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    fn dim(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        Window::patch(self.patch, Remainder::Reject).layout(size)
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        let grid = expect_layout(self, images.dims());
        let images = images.into_floats(self.proj.weight.val().dtype());
        let windows = patch_windows(images, &grid);
        let windows = match &cells {
            Some(cells) => gather_rows(windows, cells.clone()),
            None => windows,
        };
        let [batch, tokens, values] = windows.dims();
        let channels = self.channels();
        let means = windows
            .reshape([batch, tokens, channels, values / channels])
            .mean_dim(3);
        on_grid(
            apply(&self.proj, means.reshape([batch, tokens, channels])),
            grid,
            cells,
        )
    }
}
