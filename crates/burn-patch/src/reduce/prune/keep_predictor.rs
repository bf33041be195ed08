//! DynamicViT's predictor of which tokens to keep.

use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};

use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{NORMAL, apply, linear};
use crate::ops::gelu;
use crate::tokens::weighted_mean;

/// Says for each token how likely it is to be kept, from the token and from the mean of those that are left.
///
/// Rao et al., [DynamicViT](https://arxiv.org/abs/2106.02034), eq. 3 to 5; `raoyongming/DynamicViT`, `vit.py`
/// (`PredictorLG`), whose `in_conv` are `norm` and `local`, and whose `out_conv` are `out`.
///
/// # Equation
///
/// `z = GELU(W·LN(x))`, `[z₁, Σ p·z₂/Σ p]` where `z₁, z₂` are the halves of `z` and `p` says what is left, then three
/// linear layers with GELUs between, and the logarithms of a softmax over (keep, drop)
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::reduce::DynamicVitConfig;
///
/// let pruning = DynamicVitConfig::new(0.7, 8).init(&Device::flex());
/// let widths: Vec<_> = pruning.predictor.out.iter().map(|layer| layer.weight.dims()).collect();
/// assert_eq!(widths, [[8, 4], [4, 2], [2, 2]]);
/// ```
#[derive(Module, Debug)]
pub struct KeepPredictor {
    /// Before the first layer.
    pub norm: LayerNorm,
    /// The first layer, `dim → dim`.
    pub local: Linear,
    /// The layers after the mean has been put beside each token: `dim → dim/2 → dim/4 → 2`.
    pub out: Vec<Linear>,
}

impl KeepPredictor {
    /// For tokens of width `dim`, a multiple of 4. Weights `N(0, 0.02)`, biases 0.
    pub(crate) fn new(dim: usize, device: &Device) -> Self {
        let layer = |shape| linear(shape, NORMAL, Some(Initializer::Zeros), device);
        Self {
            norm: LayerNormConfig::new(dim).init(device),
            local: layer([dim, dim]),
            out: vec![
                layer([dim, dim / 2]),
                layer([dim / 2, dim / 4]),
                layer([dim / 4, 2]),
            ],
        }
    }

    /// Logarithms of the probabilities to be kept and to be dropped, `[batch, tokens, 2]`, of tokens
    /// `[batch, tokens, dim]`. The mean is over those that `valid` marks and weighs them by `policy`.
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        valid: Option<Tensor<2>>,
        policy: Option<Tensor<2>>,
    ) -> Tensor<3> {
        let [batch, tokens, dim] = x.dims();
        let half = dim / 2;
        let z = gelu(apply(&self.local, self.norm.forward(x)));
        let mean = weighted_mean(z.clone().slice_dim(2, half..), valid, policy);
        let mean = mean.unsqueeze_dim::<3>(1).expand([batch, tokens, half]);
        let z = Tensor::cat(vec![z.slice_dim(2, ..half), mean], 2);
        let (last, layers) = self.out.split_last().expect("three layers");
        let z = layers.iter().fold(z, |z, layer| gelu(apply(layer, z)));
        log_softmax(apply(last, z), 2)
    }
}
