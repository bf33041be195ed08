//! Patches of one-dimensional signals.

use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::tensor::{Device, Tensor};

use crate::embed::patch_embed::check_channels;
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::ops::project_patches;
use crate::or_panic::OrPanic;
use crate::{Error, Tokens};

/// Configuration of [`SignalPatchEmbed`].
#[derive(Config, Debug)]
pub struct SignalPatchEmbedConfig {
    /// Patch in samples.
    pub patch: usize,
    /// Step in samples.
    pub stride: usize,
    /// Channels of the signals.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Whether the projection has a bias.
    #[config(default = true)]
    pub bias: bool,
    /// What to do with samples at the end that no patch reads.
    #[config(default = "Remainder::Reject")]
    pub remainder: Remainder,
}

/// Patches of signals, such as sound or time series: images of height 1.
///
/// Nie et al., [PatchTST](https://arxiv.org/abs/2211.14730), section 3.1 (`PatchTST_backbone.py`), whose patches may
/// overlap; `vit_pytorch/simple_vit_1d.py` (`SimpleViT`).
///
/// # Shapes
///
/// - signals `[batch, channels, length]`
/// - tokens `[batch, ⌊(length − patch)/stride⌋ + 1, dim]`, on a grid of one row
///
/// # Equation
///
/// `eᵢ = W·flatten(sᵢ) + b`, a `Conv1d` with weight `[dim, channels, patch]` and that stride, and its initialiser.
///
/// # Departures
///
/// PatchTST embeds each channel by itself: give it signals `[batch·channels, 1, length]`. It repeats the last
/// sample to fill a patch; [`Remainder::Pad`] adds zeros. vit-pytorch's weight is in the order (sample, channel).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::SignalPatchEmbedConfig;
///
/// let device = Device::flex();
/// let embed = SignalPatchEmbedConfig::new(16, 8, 2, 32).init(&device);
/// let tokens = embed.forward(Tensor::zeros([3, 2, 64], &device));
/// assert_eq!(tokens.embeddings().dims(), [3, 7, 32]);
/// assert_eq!(tokens.grid().center_px(0, 1), [0.5, 16.0]);
/// assert!(embed.layout(63).is_err());
/// ```
#[derive(Module, Debug)]
pub struct SignalPatchEmbed {
    /// The projection, weight `[dim, channels, patch]`.
    pub proj: Conv1d,
    #[module(skip)]
    window: Window,
}

impl SignalPatchEmbedConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, stride, channel count or dim.
    pub fn try_init(&self, device: &Device) -> Result<SignalPatchEmbed, Error> {
        nonzero("patch and stride", &[self.patch, self.stride])?;
        nonzero("channels and dim", &[self.channels, self.dim])?;
        let proj = Conv1dConfig::new(self.channels, self.dim, self.patch)
            .with_stride(self.stride)
            .with_bias(self.bias)
            .init(device);
        Ok(SignalPatchEmbed {
            proj,
            window: Window {
                remainder: self.remainder,
                ..Window::symmetric([1, self.patch], [1, self.stride], [0, 0])
            },
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> SignalPatchEmbed {
        self.try_init(device).or_panic()
    }
}

impl SignalPatchEmbed {
    /// Channels of the signals.
    pub fn channels(&self) -> usize {
        self.proj.weight.dims()[1]
    }

    /// Width of the embeddings.
    pub fn dim(&self) -> usize {
        self.proj.weight.dims()[0]
    }

    /// The grid of one row that [`forward`](Self::forward) gives for signals of `length` samples.
    ///
    /// # Errors
    ///
    /// If patches do not fit, or leave samples unread under [`Remainder::Reject`].
    pub fn layout(&self, length: usize) -> Result<PatchGrid, Error> {
        self.window.layout([1, length])
    }

    /// Embeds signals.
    ///
    /// # Panics
    ///
    /// With the text of [`layout`](Self::layout)'s error, or if the channels differ.
    #[track_caller]
    pub fn forward(&self, signals: Tensor<3>) -> Tokens {
        let [_, channels, length] = signals.dims();
        let grid = check_channels(self.channels(), channels)
            .and_then(|()| self.layout(length))
            .or_panic();
        let weight = self.proj.weight.val().unsqueeze_dim(2);
        let bias = self.proj.bias.as_ref().map(|bias| bias.val());
        let embeddings = project_patches(signals.unsqueeze_dim(2), weight, bias, &grid);
        Tokens::from_grid(embeddings, grid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn it_is_the_one_dimensional_convolution() {
        let device = Device::flex();
        let embed = SignalPatchEmbedConfig::new(5, 3, 2, 8).init(&device);
        let signals = Tensor::random([2, 2, 20], Distribution::Default, &device);
        let want = embed.proj.forward(signals.clone()).swap_dims(1, 2);
        let got = embed.forward(signals).into_embeddings();
        let tolerance = Tolerance::<f32>::rel_abs(1e-4, 1e-5);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn unread_samples_are_an_error_unless_allowed() {
        let device = Device::flex();
        let config = SignalPatchEmbedConfig::new(4, 4, 1, 8);
        let error = config.init(&device).layout(10).unwrap_err();
        assert!(matches!(error, Error::Remainder { left: [0, 2], .. }));
        for (remainder, tokens) in [(Remainder::Pad, 3), (Remainder::Floor, 2)] {
            let embed = config.clone().with_remainder(remainder).init(&device);
            assert_eq!(embed.layout(10).unwrap().tokens(), tokens);
        }
    }

    #[test]
    fn a_stride_of_zero_is_an_error() {
        let config = SignalPatchEmbedConfig::new(4, 0, 1, 8);
        assert!(matches!(
            config.try_init(&Device::flex()),
            Err(Error::Zero { .. })
        ));
    }
}
