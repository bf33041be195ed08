//! The low and high frequencies of a Fourier embedding, each with a projection of its own.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::embed::spectral::spectrum::Spectrum;
use crate::embed::spectral::transform::{Folded, fold, transform};
use crate::ops::linear;

/// Some frequencies and their projection.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::FourierPatchEmbedConfig;
///
/// // 4×(4/2 + 1) frequencies, two parts of each, three channels.
/// let embed = FourierPatchEmbedConfig::new([4, 4], 3, 8).init(&Device::flex());
/// assert_eq!(embed.band.proj.weight.dims(), [4 * 3 * 2 * 3, 8]);
/// ```
#[derive(Module, Debug)]
pub struct FourierBand {
    /// The projection, weight `[channels·features, dim]`.
    pub proj: Linear,
    /// Real, then imaginary parts, `[2·frequencies, patch height·patch width]`; fixed, so not saved.
    pub(crate) basis: Tensor<2>,
}

/// The high frequencies and what mixes them with the low ones.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::{Bands, FourierPatchEmbedConfig};
///
/// let config = FourierPatchEmbedConfig::new([4, 4], 3, 8).with_bands(Bands::Split { cutoff: 0.25 });
/// let high = config.init(&Device::flex()).high.unwrap();
/// high.low_share().into_data().assert_eq(&[0.5f32; 8].into(), true);
/// ```
#[derive(Module, Debug)]
pub struct HighBand {
    /// The high frequencies.
    pub band: FourierBand,
    /// `γ`, `[dim]`: the share of the low frequencies is `σ(γ)`.
    pub gate: Param<Tensor<1>>,
}

impl FourierBand {
    /// What the projection sees of windows `[batch, tokens, channels·values]`.
    pub(crate) fn features(&self, windows: Tensor<3>, spectrum: Spectrum) -> Tensor<3> {
        let [batch, tokens, window] = windows.dims();
        let [parts, values] = self.basis.dims();
        let channels = window / values;
        let parts = transform(windows, &self.basis).reshape([batch, tokens, channels, parts]);
        let represented = spectrum.represent(parts);
        let [_, _, _, features] = represented.dims();
        represented.reshape([batch, tokens, channels * features])
    }

    pub(crate) fn project(&self, windows: Tensor<3>, spectrum: Spectrum) -> Tensor<3> {
        let bias = self.proj.bias.as_ref().map(|bias| bias.val());
        linear(
            self.features(windows, spectrum),
            self.proj.weight.val(),
            bias,
        )
    }

    pub(crate) fn folded(&self, patch: [usize; 2]) -> Folded {
        fold(&self.proj, None, &self.basis, patch)
    }
}

impl HighBand {
    /// The share of the low frequencies in each channel, between 0 and 1.
    pub fn low_share(&self) -> Tensor<1> {
        // Burn's sigmoid is in single precision on some backends, even of doubles.
        ((self.gate.val() * 0.5).tanh() + 1.0) * 0.5
    }

    pub(crate) fn mix<const D: usize>(
        &self,
        low: Tensor<D>,
        high: Tensor<D>,
        shape: [usize; D],
    ) -> Tensor<D> {
        let share = self.low_share().reshape(shape);
        high.clone() + (low - high) * share
    }
}
