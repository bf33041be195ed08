//! TokenLearner as in its paper's experiments.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};

use crate::grid::{Window, nonzero};
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::ops::{gelu, project_patches};
use crate::or_panic::OrPanic;
use crate::reduce::pool::layers::sigmoid;
use crate::reduce::pool::pooling::{place_weights, pooled};
use crate::reduce::pool::token_pool::{TokenPool, expect_fit};
use crate::{Error, Tokens};

const CONVOLUTIONS: usize = 4;
const KERNEL: usize = 3;

/// Configuration of [`TokenLearnerV1`].
#[derive(Config, Debug)]
pub struct TokenLearnerV1Config {
    /// Number of tokens that come out; the paper's models take 8 or 16.
    pub tokens: usize,
    /// Width of the tokens.
    pub dim: usize,
    /// Added to the variance in LayerNorm.
    #[config(default = 1e-6)]
    pub epsilon: f64,
}

/// TokenLearner, the version of the paper: convolutions over the feature map give each token a map of weights.
///
/// Ryoo et al., [TokenLearner](https://arxiv.org/abs/2106.11297), section 2.1;
/// `scenic/projects/token_learner/model.py` (`TokenLearnerModule` with its sum pooling).
///
/// # Shapes
///
/// - tokens: one per grid cell, `[batch, rows·cols, dim]`
/// - result `[batch, tokens, dim]`
///
/// # Equation
///
/// `zₛ = Σᵢ σ(conv(GELU(conv(GELU(conv(GELU(conv(LN(x))))))))ₛᵢ·xᵢ`: four 3×3 convolutions without bias, the
/// first from `dim` to as many channels as tokens; a sigmoid, so the weights are between 0 and 1 and their sum is
/// not fixed; the sum is of `x` itself, not normalised. Over thousands of places it can be more than half precision
/// holds.
///
/// Convolutions start at `N(0, 1/fan in)`.
///
/// # Departures
///
/// The exact GELU; the reference's is flax's default, the tanh approximation. Any grid; the reference takes square
/// ones when given tokens. Padding is zero before each convolution, as the border is. Initial values are not
/// truncated at two deviations.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{TokenPool, TokenLearnerV1Config};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let learner = TokenLearnerV1Config::new(8, 32).init(&device);
/// let tokens = learner.forward(embed.forward(Tensor::ones([2, 3, 16, 24], &device)));
/// assert_eq!(tokens.embeddings().dims(), [2, 8, 32]);
/// ```
#[derive(Module, Debug)]
pub struct TokenLearnerV1 {
    /// Before the convolutions, the reference's `LayerNorm_0`.
    pub norm: LayerNorm,
    /// The convolutions, the reference's `Conv_0` to `Conv_3`.
    pub convs: Vec<Conv2d>,
}

impl TokenLearnerV1Config {
    /// The usual settings.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(tokens, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no tokens or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<TokenLearnerV1, Error> {
        nonzero("tokens and dim", &[self.tokens, self.dim])?;
        let conv = |input: usize| {
            let fan_in = input * KERNEL * KERNEL;
            Conv2dConfig::new([input, self.tokens], [KERNEL; 2])
                .with_bias(false)
                .with_initializer(Initializer::Normal {
                    mean: 0.0,
                    std: (fan_in as f64).powf(-0.5),
                })
                .init(device)
        };
        let inputs = [self.dim]
            .into_iter()
            .chain([self.tokens; CONVOLUTIONS - 1]);
        Ok(TokenLearnerV1 {
            norm: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device),
            convs: inputs.map(conv).collect(),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> TokenLearnerV1 {
        self.try_init(device).or_panic()
    }
}

impl TokenLearnerV1 {
    /// Weights between 0 and 1 before padding and counts, `[batch, tokens, places]`.
    fn maps(&self, tokens: &Tokens) -> Tensor<3> {
        let valid = tokens
            .valid()
            .map(|valid| valid.float().unsqueeze_dim::<3>(2));
        let hide = |x: Tensor<3>| match &valid {
            Some(valid) => x.clone() * valid.clone().cast(x.dtype()),
            None => x,
        };
        let cells = [tokens.grid().rows, tokens.grid().cols];
        let places = self.norm.forward(tokens.patch_embeddings());
        let mut maps = hide(places);
        for (index, conv) in self.convs.iter().enumerate() {
            maps = convolve(conv, maps, cells);
            if index + 1 < self.convs.len() {
                maps = hide(gelu(maps));
            }
        }
        sigmoid(maps.swap_dims(1, 2))
    }
}

/// A convolution over row-major tokens that keeps the grid: `[batch, rows·cols, channels]`.
fn convolve(conv: &Conv2d, tokens: Tensor<3>, [rows, cols]: [usize; 2]) -> Tensor<3> {
    let [batch, _, channels] = tokens.dims();
    let grid = Window::symmetric([KERNEL; 2], [1; 2], [KERNEL / 2; 2])
        .layout([rows, cols])
        .or_panic();
    let map = tokens
        .swap_dims(1, 2)
        .reshape([batch, channels, rows, cols]);
    project_patches(map, conv.weight.val(), None, &grid)
}

impl TokenPool for TokenLearnerV1 {
    fn dim(&self) -> usize {
        self.norm.gamma.dims()[0]
    }

    fn tokens(&self) -> usize {
        self.convs[0].weight.dims()[0]
    }

    fn needs_grid(&self) -> bool {
        true
    }

    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>) {
        expect_fit(self, &tokens);
        let maps = self.maps(&tokens);
        let weights = match place_weights(&tokens, maps.dtype()) {
            Some(places) => maps * places,
            None => maps,
        };
        let embeddings = weights.clone().matmul(tokens.patch_embeddings());
        let prefix = tokens.prefix_embeddings();
        (pooled(&tokens, embeddings, prefix), weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Remainder;
    use burn::tensor::{Distribution, Int};

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([3, 4])
            .unwrap();
        let embeddings = Tensor::random([1, 12, 6], Distribution::Default, device);
        Tokens::from_grid(embeddings, grid)
    }

    #[test]
    fn weights_are_between_zero_and_one() {
        let device = Device::flex();
        let learner = TokenLearnerV1Config::new(4, 6).init(&device);
        let (_, weights) = learner.forward_with_weights(tokens(&device));
        let [low, high]: [f32; 2] = [
            weights.clone().min().into_scalar(),
            weights.max().into_scalar(),
        ];
        assert!(0.0 < low && high < 1.0, "{low} to {high}");
    }

    /// Four 3×3 convolutions see four cells far: a token moves the weights next to it and not its own alone.
    #[test]
    fn weights_of_a_place_depend_on_its_neighbours() {
        let device = Device::flex();
        let learner = TokenLearnerV1Config::new(4, 6).init(&device);
        let tokens = tokens(&device);
        let (_, before) = learner.forward_with_weights(tokens.clone());
        let changed = tokens.map(|x| {
            let other = Tensor::random([1, 1, 6], Distribution::Default, &device);
            x.slice_assign([0..1, 0..1, 0..6], other)
        });
        let (_, after) = learner.forward_with_weights(changed);
        let moved: f32 = (after - before)
            .slice_dim(2, 5..6)
            .abs()
            .max()
            .into_scalar();
        assert!(moved > 1e-5, "{moved}");
    }

    #[test]
    #[should_panic(expected = "needs one token per grid cell")]
    fn selected_tokens_are_refused() {
        let device = Device::flex();
        let learner = TokenLearnerV1Config::new(4, 6).init(&device);
        let cells = Tensor::<2, Int>::from_ints([[0, 5]], &device);
        learner.forward(tokens(&device).select(cells));
    }
}
