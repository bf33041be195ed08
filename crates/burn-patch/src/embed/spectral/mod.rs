//! Patches by their frequencies: cosine, wavelet and Fourier coefficients.

pub(crate) mod bands;
pub(crate) mod dct;
pub(crate) mod dct_basis;
pub(crate) mod fourier;
pub(crate) mod fourier_basis;
pub(crate) mod global_filter;
pub(crate) mod matrix;
pub(crate) mod spectrum;
pub(crate) mod statistics;
pub(crate) mod transform;
pub(crate) mod wavelet;
pub(crate) mod wavelet_basis;

pub use bands::{FourierBand, HighBand};
pub use dct::{DctLayout, DctPatchEmbed, DctPatchEmbedConfig, DctPreset, Frequencies};
pub use fourier::{Bands, FourierPatchEmbed, FourierPatchEmbedConfig};
pub use global_filter::{GlobalFilter, GlobalFilterConfig};
pub use spectrum::Spectrum;
pub use statistics::FeatureStatistics;
pub use wavelet::{WaveletDomain, WaveletPatchEmbed, WaveletPatchEmbedConfig};
pub use wavelet_basis::Wavelet;
