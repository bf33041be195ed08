//! Slot Attention.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::activation::{relu, softmax};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::grid::nonzero;
use crate::layers::layer_norm::{LayerNorm, LayerNormConfig};
use crate::layers::linear::{PYTORCH, XAVIER, apply, linear};
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::reduce::pool::layers::GruCell;
use crate::reduce::pool::pooling::{for_each_image, place_weights, pooled};
use crate::reduce::pool::token_pool::{TokenPool, expect_fit};
use crate::{Error, Tokens};

/// Added to every share before the shares of a slot are brought to sum 1.
const SHARE_EPSILON: f64 = 1e-8;

/// Where slots start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SlotInit {
    /// One learned vector per slot: slots differ from the start, as in Jia et al.,
    /// [Improving Object-centric Learning with Query Optimization](https://arxiv.org/abs/2210.08990).
    #[default]
    Learned,
    /// One learned Gaussian for all slots, as in the paper: slots differ by their noise alone.
    Gaussian,
}

/// Configuration of [`SlotAttention`].
#[derive(Config, Debug)]
pub struct SlotAttentionConfig {
    /// Number of slots, and of tokens that come out.
    pub slots: usize,
    /// Width of tokens and slots.
    pub dim: usize,
    /// Rounds of attention.
    #[config(default = 3)]
    pub iterations: usize,
    /// Width inside the perceptron; none: `2·dim`, the reference's 128 for 64.
    pub hidden: Option<usize>,
    /// Where slots start.
    #[config(default = "SlotInit::Learned")]
    pub start: SlotInit,
    /// Added to the variance in LayerNorm: Keras's default, the reference's. PyTorch ports have 1e-5.
    #[config(default = 1e-3)]
    pub epsilon: f64,
}

/// Slot Attention: slots compete for places, round after round.
///
/// Locatello et al., [Object-Centric Learning with Slot Attention](https://arxiv.org/abs/2006.15055), algorithm 1;
/// `google-research/slot_attention/model.py` (`SlotAttention`). Names are those of the PyTorch port
/// `lucidrains/slot-attention`.
///
/// # Shapes
///
/// - tokens `[batch, tokens, dim]`
/// - result `[batch, slots, dim]`
///
/// # Equation
///
/// Three times, `x` and each `LN` once normalised, from slots `s`:
///
/// - `a = softmax over slots of (LN(s)·Wq)·(LN(x)·Wk)ᵀ/√dim + 10⁻⁸`, then `a ← a/Σᵢ aᵢ` over the places
/// - `s ← GRU(a·(LN(x)·Wv), s)`
/// - `s ← s + W₂·relu(W₁·LN(s))`
///
/// The weights that [`forward_with_weights`](TokenPool::forward_with_weights) gives are the last round's `a`.
/// Attention of tokens in half precision is computed in `f32`: it cannot hold 10⁻⁸ beside 1.
///
/// # Departures
///
/// Slots start from [`SlotInit::Learned`] unless asked otherwise. Of [`SlotInit::Gaussian`], `forward` takes a fixed
/// noise, the same for every image, so that it is deterministic; [`forward_with_noise`](SlotAttention::forward_with_noise)
/// takes the caller's, as training wants. Tokens and slots are equally wide. The norm of the slots has no
/// offset: it would add the same to the scores of all slots, which the softmax over the slots cancels. Weights start
/// as PyTorch's `Linear` and `GRUCell`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{TokenPool, SlotAttentionConfig};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 32).init(&device);
/// let slots = SlotAttentionConfig::new(5, 32).init(&device);
/// let tokens = slots.forward(embed.forward(Tensor::ones([2, 3, 16, 16], &device)));
/// assert_eq!(tokens.embeddings().dims(), [2, 5, 32]);
/// ```
#[derive(Module, Debug)]
pub struct SlotAttention {
    /// Where each slot starts, `[1, slots, dim]`, or the mean of all, `[1, 1, dim]`.
    pub slots_mu: Param<Tensor<3>>,
    /// Logarithm of the deviation, `[1, 1, dim]`; none for learned starts.
    pub slots_logsigma: Option<Param<Tensor<3>>>,
    /// Slots to queries.
    pub to_q: Linear,
    /// Tokens to keys.
    pub to_k: Linear,
    /// Tokens to values.
    pub to_v: Linear,
    /// Takes the attended values into the slots.
    pub gru: GruCell,
    /// Perceptron, `dim → hidden`.
    pub fc1: Linear,
    /// Perceptron, `hidden → dim`.
    pub fc2: Linear,
    /// Before keys and values.
    pub norm_input: LayerNorm,
    /// Before queries; without an offset.
    pub norm_slots: LayerNorm,
    /// Before the perceptron.
    pub norm_pre_ff: LayerNorm,
    slots: usize,
    iterations: usize,
}

impl SlotAttentionConfig {
    /// As many slots as `tokens`, with the usual settings.
    pub fn for_tokens(tokens: usize, dim: usize) -> Self {
        Self::new(tokens, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no slots, no iterations or a zero width.
    pub fn try_init(&self, device: &Device) -> Result<SlotAttention, Error> {
        let hidden = self.hidden.unwrap_or(2 * self.dim);
        nonzero("slots and iterations", &[self.slots, self.iterations])?;
        nonzero("dim and hidden", &[self.dim, hidden])?;
        let project = || linear([self.dim; 2], PYTORCH, None, device);
        let norm = || {
            LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .init(device)
        };
        // Glorot's bounds of a [1, 1, dim] kernel in the reference.
        let start =
            |rows: usize| XAVIER.init_with([1, rows, self.dim], Some(1), Some(self.dim), device);
        let (rows, logsigma) = match self.start {
            SlotInit::Learned => (self.slots, None),
            SlotInit::Gaussian => (1, Some(start(1))),
        };
        Ok(SlotAttention {
            slots_mu: start(rows),
            slots_logsigma: logsigma,
            to_q: project(),
            to_k: project(),
            to_v: project(),
            gru: GruCell::new(self.dim, device),
            fc1: linear([self.dim, hidden], PYTORCH, Some(PYTORCH), device),
            fc2: linear([hidden, self.dim], PYTORCH, Some(PYTORCH), device),
            norm_input: norm(),
            norm_slots: LayerNormConfig::new(self.dim)
                .with_epsilon(self.epsilon)
                .with_bias(false)
                .init(device),
            norm_pre_ff: norm(),
            slots: self.slots,
            iterations: self.iterations,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> SlotAttention {
        self.try_init(device).or_panic()
    }
}

impl SlotAttention {
    /// The slots after all rounds from a Gaussian start, `noise` normally distributed, `batch·slots·dim` values.
    ///
    /// # Panics
    ///
    /// If the tokens do not fit, there is another number of noise values, or slots start from learned vectors.
    #[track_caller]
    pub fn forward_with_noise(&self, tokens: Tokens, noise: &[f32]) -> Tokens {
        let device = tokens.embeddings().device();
        let start = self
            .gaussian_start(tokens.batch(), noise, &device)
            .or_panic();
        self.forward_from(tokens, start).0
    }

    /// Slots `[batch, slots, dim]` for [`forward_from`](Self::forward_from): the learned mean plus the learned
    /// deviation times `noise`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there are not `batch·slots·dim` noise values, or if slots start from learned vectors,
    /// which take none.
    pub fn gaussian_start(
        &self,
        batch: usize,
        noise: &[f32],
        device: &Device,
    ) -> Result<Tensor<3>, Error> {
        let shape = [batch, self.slots, self.dim()];
        let count = match self.slots_logsigma {
            Some(_) => shape.iter().product(),
            None => 0,
        };
        if noise.len() != count || count == 0 {
            return Err(Error::Shape {
                what: "noise values (batch, slots, dim; none for learned starts)",
                expected: if count == 0 { vec![0] } else { shape.to_vec() },
                got: vec![noise.len()],
            });
        }
        let mu = self.slots_mu.val();
        let data = TensorData::new(noise.to_vec(), shape);
        let noise = Tensor::from_data(data, (device, mu.dtype()));
        let logsigma = self.slots_logsigma.as_ref().map(|value| value.val());
        Ok(match logsigma {
            Some(logsigma) => mu + logsigma.exp() * noise,
            None => mu,
        })
    }

    /// The slots after all rounds from any number of `slots` (`[batch, slots, dim]`), and the last round's weights,
    /// `[batch, slots, tokens]`.
    ///
    /// # Panics
    ///
    /// If tokens or slots do not fit.
    #[track_caller]
    pub fn forward_from(&self, tokens: Tokens, mut slots: Tensor<3>) -> (Tokens, Tensor<3>) {
        expect_fit(self, &tokens);
        let [batch, _, dim] = slots.dims();
        assert_eq!([batch, dim], [tokens.batch(), self.dim()], "slots");
        let inputs = self.norm_input.forward(tokens.patch_embeddings());
        let keys = apply(&self.to_k, inputs.clone());
        let values = apply(&self.to_v, inputs);
        let mut weights = None;
        for _ in 0..self.iterations {
            let normal = self.norm_slots.forward(slots.clone());
            let queries = apply(&self.to_q, normal) * (dim as f64).powf(-0.5);
            let shares = share(queries.matmul(keys.clone().transpose()), &tokens);
            slots = self
                .gru
                .forward(shares.clone().matmul(values.clone()), slots);
            let normal = self.norm_pre_ff.forward(slots.clone());
            slots = slots + apply(&self.fc2, relu(apply(&self.fc1, normal)));
            weights = Some(shares);
        }
        let prefix = tokens.prefix_embeddings();
        let weights = weights.expect("at least one round");
        (pooled(&tokens, slots, prefix), weights)
    }

    fn start(&self, batch: usize) -> Tensor<3> {
        let mu = self.slots_mu.val();
        let Some(logsigma) = &self.slots_logsigma else {
            return for_each_image(mu, batch);
        };
        let shape = [1, self.slots, self.dim()];
        let noise = TensorData::new(fixed_noise(shape.iter().product()), shape);
        let noise = Tensor::from_data(noise, (&mu.device(), mu.dtype()));
        for_each_image(mu + logsigma.val().exp() * noise, batch)
    }
}

/// Softmax of `scores` (`[batch, slots, tokens]`) over the slots, then each slot's shares brought to sum 1 over the
/// places that are there.
fn share(scores: Tensor<3>, tokens: &Tokens) -> Tensor<3> {
    let dtype = scores.dtype();
    let scores = scores.cast(at_least_single(dtype));
    let shares = softmax(scores, 1) + SHARE_EPSILON;
    let shares = match place_weights(tokens, shares.dtype()) {
        Some(places) => shares * places,
        None => shares,
    };
    (shares.clone() / shares.sum_dim(2)).cast(dtype)
}

/// `count` fixed values that are spread like a normal distribution's: Box and Muller's transform of the points of
/// Roberts's [R₂ sequence](https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/).
fn fixed_noise(count: usize) -> Vec<f32> {
    const STEPS: [f64; 2] = [0.754_877_666_246_692_8, 0.569_840_290_998_053_3];
    (0..count)
        .map(|index| {
            let [u, v] = STEPS.map(|step| (0.5 + step * (index + 1) as f64).fract());
            ((-2.0 * (1.0 - u).ln()).sqrt() * (core::f64::consts::TAU * v).cos()) as f32
        })
        .collect()
}

impl TokenPool for SlotAttention {
    fn dim(&self) -> usize {
        self.slots_mu.dims()[2]
    }

    fn tokens(&self) -> usize {
        self.slots
    }

    fn forward_with_weights(&self, tokens: Tokens) -> (Tokens, Tensor<3>) {
        let start = self.start(tokens.batch());
        self.forward_from(tokens, start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Distribution, Int, Tolerance};

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([3, 4])
            .unwrap();
        let embeddings = Tensor::random([2, 12, 6], Distribution::Default, device);
        Tokens::from_grid(embeddings, grid)
    }

    #[test]
    fn exchanged_starts_give_exchanged_slots() {
        let device = Device::flex();
        let attention = SlotAttentionConfig::new(3, 6).init(&device);
        let tokens = tokens(&device);
        let start = Tensor::random([2, 3, 6], Distribution::Default, &device);
        let order = Tensor::<1, Int>::from_ints([2, 0, 1], &device);
        let (straight, _) = attention.forward_from(tokens.clone(), start.clone());
        let (exchanged, _) = attention.forward_from(tokens, start.select(1, order.clone()));
        exchanged.into_embeddings().into_data().assert_approx_eq(
            &straight.into_embeddings().select(1, order).into_data(),
            Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }

    #[test]
    fn equal_starts_stay_equal() {
        let device = Device::flex();
        let attention = SlotAttentionConfig::new(2, 6).init(&device);
        let start = Tensor::ones([2, 2, 6], &device);
        let (slots, _) = attention.forward_from(tokens(&device), start);
        let [first, second] =
            [0..1, 1..2].map(|slot| slots.embeddings().slice_dim(1, slot).into_data());
        first.assert_approx_eq(&second, Tolerance::<f32>::rel_abs(1e-6, 1e-7));
    }

    #[test]
    fn gaussian_slots_start_at_mean_plus_deviation_times_noise() {
        let device = Device::flex();
        let config = SlotAttentionConfig::new(3, 6).with_start(SlotInit::Gaussian);
        let attention = config.init(&device);
        let noise = fixed_noise(36);
        let start = attention.gaussian_start(2, &noise, &device).unwrap();
        let (want, _) = attention.forward_from(tokens(&device), start.clone());
        let sigma = attention.slots_logsigma.as_ref().unwrap().val().exp();
        let back = (start - attention.slots_mu.val()) / sigma;
        let noise_back = TensorData::new(noise.clone(), [2, 3, 6]);
        back.into_data()
            .assert_approx_eq(&noise_back, Tolerance::<f32>::rel_abs(1e-4, 1e-5));
        assert_eq!(want.embeddings().dims(), [2, 3, 6]);

        let error = attention.gaussian_start(2, &noise[1..], &device);
        assert!(matches!(error, Err(Error::Shape { .. })));
        let learned = SlotAttentionConfig::new(3, 6).init(&device);
        assert!(learned.gaussian_start(2, &noise, &device).is_err());
    }

    #[test]
    fn fixed_noise_has_mean_zero_and_deviation_one() {
        let noise = fixed_noise(4000);
        let mean = noise.iter().sum::<f32>() / 4000.0;
        let variance = noise.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 4000.0;
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03,
            "{mean}, {variance}"
        );
    }

    #[test]
    fn no_rounds_are_an_error() {
        let config = SlotAttentionConfig::new(3, 6).with_iterations(0);
        assert!(matches!(
            config.try_init(&Device::flex()),
            Err(Error::Zero { .. })
        ));
    }
}
