//! AdamW as an optimizer of Burn's.

use burn::backend::Dispatch;
use burn::config::Config;
use burn::optim::{AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::ops::optim::adamw_moments::AdamWMoments;
use crate::ops::optim::adamw_ops::AdamWOps;
use crate::ops::optim::adamw_step::{AdamWSettings, AdamWState, AdamWStep};

/// Settings of [`FusedAdamW`], by default those of Burn's `AdamWConfig`.
#[derive(Config, Debug)]
pub struct FusedAdamWConfig {
    /// How much of the mean of gradients stays.
    #[config(default = 0.9)]
    pub beta_1: f32,
    /// How much of the mean of squares stays.
    #[config(default = 0.999)]
    pub beta_2: f32,
    /// What keeps the quotient finite.
    #[config(default = 1e-5)]
    pub epsilon: f32,
    /// The decay of weights.
    #[config(default = 1e-4)]
    pub weight_decay: f32,
}

impl FusedAdamWConfig {
    /// The optimizer alone, as groups of parameters take it (`ModuleOptimizer::with_group`).
    pub fn build(&self) -> FusedAdamW {
        FusedAdamW {
            config: self.clone(),
        }
    }

    /// An optimizer for a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        self.build().into()
    }
}

/// AdamW with one operation for each parameter, where the backend has it.
///
/// Loshchilov and Hutter, [Decoupled Weight Decay Regularization](https://arxiv.org/abs/1711.05101), algorithm 2; the
/// same steps as Burn's `AdamW`, but for rounding, and the same record. No AMSGrad and no cautious decay.
///
/// ```
/// use burn::optim::GradientsParams;
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::ops::FusedAdamWConfig;
///
/// let device = Device::flex().autodiff();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let loss = embed.forward(Tensor::ones([1, 1, 8, 8], &device)).into_embeddings().sum();
/// let grads = GradientsParams::from_grads(loss.backward(), &embed);
/// let before: f32 = loss.into_scalar();
///
/// let embed = FusedAdamWConfig::new().init().step(1e-2, embed, grads);
/// let after: f32 = embed.forward(Tensor::ones([1, 1, 8, 8], &device)).into_embeddings().sum().into_scalar();
/// assert!(after < before);
/// ```
#[derive(Debug, Clone)]
pub struct FusedAdamW {
    config: FusedAdamWConfig,
}

impl Optimizer for FusedAdamW {
    type State<const D: usize> = AdamWMoments<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        moments: Option<AdamWMoments<D>>,
    ) -> (Tensor<D>, Option<AdamWMoments<D>>) {
        let momentum = moments.map_or_else(
            || AdaptiveMomentumState::new(0, tensor.zeros_like(), tensor.zeros_like()),
            |moments| moments.on(&tensor.device()),
        );
        let settings = AdamWSettings {
            rate,
            beta_1: self.config.beta_1.into(),
            beta_2: self.config.beta_2.into(),
            epsilon: self.config.epsilon.into(),
            decay: self.config.weight_decay.into(),
            step: momentum.time + 1,
        };
        let step = AdamWStep {
            state: AdamWState {
                parameter: tensor.into_dispatch(),
                moment_1: momentum.moment_1.into_dispatch(),
                moment_2: momentum.moment_2.into_dispatch(),
            },
            grad: grad.into_dispatch(),
        };
        let state = <Dispatch as AdamWOps>::adamw_step(step, settings);
        let [moment_1, moment_2] = [state.moment_1, state.moment_2].map(Tensor::from_dispatch);
        let momentum = AdaptiveMomentumState::new(settings.step, moment_1, moment_2);
        (
            Tensor::from_dispatch(state.parameter),
            Some(AdamWMoments::Placed(Box::new(momentum))),
        )
    }

    fn to_device<const D: usize>(moments: AdamWMoments<D>, device: &Device) -> AdamWMoments<D> {
        AdamWMoments::Placed(Box::new(moments.on(device)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, Param};
    use burn::optim::{AdamWConfig, GradientsParams};
    use burn::tensor::Tolerance;

    #[derive(Module, Debug)]
    struct Weight {
        weight: Param<Tensor<2>>,
    }

    fn fused() -> ModuleOptimizer {
        let config = FusedAdamWConfig::new().with_weight_decay(0.3);
        config.with_epsilon(1e-8).init()
    }

    /// Twenty steps; the optimizer is written and read before the one called `read`.
    fn run(mut optimizer: ModuleOptimizer, read: usize) -> Tensor<2> {
        let device = Device::flex().autodiff();
        let weight = Tensor::from_floats([[0.5, -1.0, 2.0], [0.0, 3.0, -0.25]], &device);
        let mut module = Weight {
            weight: Param::from_tensor(weight),
        };
        for step in 1..=20 {
            let x = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device) * step as f32;
            let loss = x.matmul(module.weight.val()).square().sum();
            let grads = GradientsParams::from_grads(loss.backward(), &module);
            if step == read {
                let bytes = optimizer.into_bytes().unwrap();
                optimizer = fused().from_bytes(bytes).unwrap();
            }
            module = optimizer.step(1e-2, module, grads);
        }
        module.weight.val()
    }

    #[test]
    fn the_steps_are_those_of_burn() {
        let burns = AdamWConfig::new().with_weight_decay(0.3).with_epsilon(1e-8);
        let (got, want) = (run(fused(), 0), run(burns.init(), 0));
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }
    #[test]
    fn an_optimizer_that_was_written_and_read_goes_on_as_if_it_had_not_been() {
        let whole = run(fused(), 0).into_data();
        for read in [1, 2, 15] {
            assert_eq!(run(fused(), read).into_data(), whole);
        }
    }
}
