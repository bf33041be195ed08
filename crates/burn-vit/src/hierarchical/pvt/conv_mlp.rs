//! The perceptron of PVT v2.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, Linear, PaddingConfig2d};
use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::layers::{NORMAL, apply, linear};
use burn_patch::ops::gelu;

/// Two linear layers with a depth-wise 3×3 convolution and GELU between, so that tokens see their neighbours.
///
/// Wang et al., [PVT v2](https://arxiv.org/abs/2106.13797), section 3.2; `timm/models/pvt_v2.py`
/// (`MlpWithDepthwiseConv`).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::PvtConfig;
///
/// let device = Device::flex();
/// let pvt = PvtConfig::new([8; 4], [1; 4], [1; 4]).init(&device);
/// let images = Tensor::<4>::zeros([1, 3, 64, 64], &device);
/// let tokens = pvt.patch_embed.forward_levels(images).remove(0);
/// assert_eq!(pvt.stages[0].blocks[0].mlp.forward(tokens).dims(), [1, 256, 8]);
/// ```
#[derive(Module, Debug)]
pub struct ConvMlp {
    /// `dim → hidden`.
    pub fc1: Linear,
    /// Depth-wise over the grid, zeros around it.
    pub dwconv: Conv2d,
    /// `hidden → dim`.
    pub fc2: Linear,
}

impl ConvMlp {
    pub(super) fn init(dim: usize, hidden: usize, device: &Device) -> Self {
        let linear = |shape| linear(shape, NORMAL, Some(Initializer::Zeros), device);
        Self {
            fc1: linear([dim, hidden]),
            dwconv: Conv2dConfig::new([hidden, hidden], [3, 3])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .with_groups(hidden)
                .init(device),
            fc2: linear([hidden, dim]),
        }
    }

    /// Tokens of a whole grid to what is added to them.
    ///
    /// # Panics
    ///
    /// If the tokens are not those of a whole grid.
    pub fn forward(&self, tokens: Tokens) -> Tensor<3> {
        let hidden = tokens.map(|x| apply(&self.fc1, x));
        let map = hidden.to_feature_map().expect("tokens of a whole grid");
        let map = self.dwconv.forward(map);
        let [batch, dim, rows, cols] = map.dims();
        let hidden = map.reshape([batch, dim, rows * cols]).swap_dims(1, 2);
        apply(&self.fc2, gelu(hidden))
    }
}
