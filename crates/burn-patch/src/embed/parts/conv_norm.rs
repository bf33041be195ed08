//! A convolution with the batch norm after it.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::embed::parts::projection::convolve;
use crate::grid::{Window, nonzero};
use crate::layers::{BatchNorm, BatchNormConfig};
use crate::ops::Images;

/// One convolution of a stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvStep {
    /// Window `[height, width]`.
    pub kernel: [usize; 2],
    /// Step `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// Zeros on both sides, `[vertical, horizontal]`. None: as many as give `⌈size/stride⌉` values per axis
    /// ([`Window::ceil`]).
    pub padding: Option<[usize; 2]>,
    /// Channels that it gives.
    pub dim: usize,
}

impl ConvStep {
    /// A step that gives `⌈size/stride⌉` values per axis.
    pub fn new(kernel: [usize; 2], stride: [usize; 2], dim: usize) -> Self {
        Self {
            kernel,
            stride,
            padding: None,
            dim,
        }
    }

    fn window(&self) -> Result<Window, Error> {
        nonzero("kernel of a step", &self.kernel)?;
        nonzero("stride of a step", &self.stride)?;
        match self.padding {
            Some(padding) => Ok(Window::symmetric(self.kernel, self.stride, padding)),
            None => Window::ceil(self.kernel, self.stride),
        }
    }

    /// The convolution over maps of `channels`, without bias, and its norm.
    pub(crate) fn try_init(
        &self,
        channels: usize,
        epsilon: f64,
        device: &Device,
    ) -> Result<ConvNorm, Error> {
        nonzero("channels and dim of a step", &[channels, self.dim])?;
        let window = self.window()?;
        Ok(ConvNorm {
            linear: Conv2dConfig::new([channels, self.dim], self.kernel)
                .with_stride(self.stride)
                .with_bias(false)
                .init(device),
            bn: Some(
                BatchNormConfig::new(self.dim)
                    .with_epsilon(epsilon)
                    .try_init(device)?,
            ),
            window,
        })
    }
}

/// A convolution and the batch norm after it; `timm/models/levit.py` (`ConvNorm`) of timm 1.0.31.
///
/// # Equation
///
/// `γ·(W∗x − μ)/√(σ² + ε) + β`, with the running `μ` and `σ²` at inference and the batch's own in training.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::ConvStemPatchEmbedConfig;
///
/// let embed = ConvStemPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&Device::flex());
/// let folded = embed.stem[0].fold();
/// assert!(folded.bn.is_none() && folded.linear.bias.is_some());
/// assert_eq!(folded.linear.weight.dims(), embed.stem[0].linear.weight.dims());
/// ```
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// The convolution, weight `[dim, channels, kh, kw]`.
    pub linear: Conv2d,
    /// The norm; none once it is [folded](Self::fold).
    pub bn: Option<BatchNorm>,
    #[module(skip)]
    window: Window,
}

impl ConvNorm {
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn forward(&self, map: impl Into<Images>) -> Tensor<4> {
        let map = convolve(&self.linear, map, &self.window);
        match &self.bn {
            Some(bn) => bn.forward(map),
            None => map,
        }
    }

    /// The same map at inference as one convolution: weight `W·γ/√(σ² + ε)`, bias
    /// `β + (b − μ)·γ/√(σ² + ε)`.
    #[must_use]
    pub fn fold(&self) -> Self {
        let Some(bn) = &self.bn else {
            return self.clone();
        };
        let gamma = bn.gamma.val();
        let [mean, variance] = [&bn.running_mean, &bn.running_var]
            .map(|running| running.value_sync().to_device(&gamma.device()));
        let scale = gamma / (variance + bn.epsilon).sqrt();
        let [dim] = scale.dims();
        let centred = match &self.linear.bias {
            Some(bias) => bias.val() - mean,
            None => -mean,
        };
        let bias = bn.beta.val() + centred * scale.clone();
        let weight = self.linear.weight.val() * scale.reshape([dim, 1, 1, 1]);
        let mut linear = self.linear.clone();
        linear.weight = Param::from_tensor(weight.detach());
        linear.bias = Some(Param::from_tensor(bias.detach()));
        Self {
            linear,
            bn: None,
            window: self.window,
        }
    }
}
