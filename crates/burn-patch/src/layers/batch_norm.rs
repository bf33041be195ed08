//! Batch normalisation with the running variance of PyTorch.

use burn::config::Config;
use burn::module::{Flag, Module, Param, RunningState};
use burn::nn::Initializer;
use burn::tensor::module::{batch_norm, batch_norm_train};
use burn::tensor::{Device, Tensor};

use crate::Error;
use crate::grid::nonzero;
use crate::layers::epsilon::check_epsilon;
use crate::ops::at_least_single;

/// Configuration of [`BatchNorm`].
#[derive(Config, Debug)]
pub struct BatchNormConfig {
    /// Channels of the maps.
    pub channels: usize,
    /// Added to the variance.
    #[config(default = 1e-5)]
    pub epsilon: f64,
    /// Share of a batch in the running mean and variance, from 0 to 1.
    #[config(default = 0.1)]
    pub momentum: f64,
}

/// Batch normalisation of maps, each channel by its mean and variance.
///
/// Ioffe and Szegedy, [Batch Normalization](https://arxiv.org/abs/1502.03167); PyTorch's `nn.BatchNorm2d`.
///
/// # Shapes
///
/// - map `[batch, channels, rows, cols]`, output: the same shape
///
/// # Equation
///
/// `γ·(x − μ)/√(σ² + ε) + β`, with the batch's mean and biased variance in training and the running ones elsewhere.
/// Training also moves these: `running ← (1 − momentum)·running + momentum·batch`, where the batch's variance is the
/// unbiased one, `n/(n − 1)·σ²` of `n` values per channel.
///
/// `γ` starts at 1, `β` at 0, the running mean at 0 and the running variance at 1.
///
/// It trains where Burn's own does: on an autodiff device, unless [`freeze`](Module::freeze) has cleared `training`.
///
/// # Departures
///
/// Burn's `BatchNorm` keeps the biased variance instead. Names of the parameters and of the type are Burn's, so that
/// its records load, and PyTorch's by burn-store's `PyTorchToBurnAdapter`. Half precision is normalised in `f32`
/// while training, as by PyTorch.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::layers::BatchNormConfig;
///
/// let device = Device::flex().autodiff();
/// let norm = BatchNormConfig::new(1).init(&device);
/// norm.forward(Tensor::<1>::from_floats([1.0, 3.0], &device).reshape([2, 1, 1, 1]));
/// // 0.9·1 + 0.1·2: the variance of 1 and 3 is 2.
/// let variance: f32 = norm.running_var.value_sync().into_scalar();
/// assert!((variance - 1.1).abs() < 1e-6);
///
/// let single = norm.try_forward(Tensor::ones([1, 1, 1, 1], &device));
/// assert!(single.unwrap_err().to_string().contains("more than 1 value per channel"));
/// ```
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale `γ`, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Offset `β`, `[channels]`.
    pub beta: Param<Tensor<1>>,
    /// Whether to train at all; cleared by `freeze`.
    pub training: Param<Flag>,
    /// Running mean, `[channels]`.
    pub running_mean: RunningState<Tensor<1>>,
    /// Running unbiased variance, `[channels]`.
    pub running_var: RunningState<Tensor<1>>,
    /// Share of a batch in the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub epsilon: f64,
}

impl BatchNormConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no channels, [`Error::Range`] for an epsilon that is not above 0 and for a momentum
    /// outside 0 to 1.
    pub fn try_init(&self, device: &Device) -> Result<BatchNorm, Error> {
        nonzero("channels of a batch norm", &[self.channels])?;
        check_epsilon(self.epsilon)?;
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::Range {
                what: "momentum of a batch norm",
                expected: "0 to 1".into(),
                got: self.momentum,
            });
        }
        let shape = [self.channels];
        Ok(BatchNorm {
            gamma: Initializer::Ones.init(shape, device),
            beta: Initializer::Zeros.init(shape, device),
            training: Param::from_bool(true),
            running_mean: RunningState::new(Tensor::zeros(shape, device)),
            running_var: RunningState::new(Tensor::ones(shape, device)),
            momentum: self.momentum,
            epsilon: self.epsilon,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    pub fn init(&self, device: &Device) -> BatchNorm {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

impl BatchNorm {
    /// Normalises a map.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of channels, [`Error::SingleValue`] for less than two values per channel
    /// while training: they have no variance.
    pub fn try_forward(&self, map: Tensor<4>) -> Result<Tensor<4>, Error> {
        let shape = map.dims();
        let [batch, channels, rows, cols] = shape;
        let expected = self.gamma.dims();
        if expected != [channels] {
            return Err(Error::Shape {
                what: "channels of a batch norm",
                expected: expected.to_vec(),
                got: vec![channels],
            });
        }
        if !self.training.is_enabled() || !map.device().is_autodiff() {
            return Ok(self.infer(map));
        }
        let values = batch * rows * cols;
        if values < 2 {
            return Err(Error::SingleValue {
                got: shape.to_vec(),
            });
        }
        Ok(self.train(map, values))
    }

    /// Normalises a map.
    ///
    /// # Panics
    ///
    /// With the text of [`try_forward`](Self::try_forward)'s error.
    pub fn forward(&self, map: Tensor<4>) -> Tensor<4> {
        self.try_forward(map)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn infer(&self, map: Tensor<4>) -> Tensor<4> {
        let device = map.device();
        let [mean, variance] = [&self.running_mean, &self.running_var]
            .map(|running| running.value_sync().to_device(&device));
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        batch_norm(map, gamma, beta, mean, variance, self.epsilon)
    }

    /// Normalises by the batch of so many `values` per channel, which the running statistics take in.
    fn train(&self, map: Tensor<4>, values: usize) -> Tensor<4> {
        let dtype = map.dtype();
        let precise = at_least_single(dtype);
        let [gamma, beta] = [&self.gamma, &self.beta].map(|param| param.val().cast(precise));
        let normal = batch_norm_train(map.cast(precise), gamma, beta, self.epsilon);
        let unbiased = values as f64 / (values - 1) as f64;
        self.follow(&self.running_mean, normal.mean);
        self.follow(&self.running_var, normal.variance * unbiased);
        normal.output.cast(dtype)
    }

    fn follow(&self, running: &RunningState<Tensor<1>>, batch: Tensor<1>) {
        let before = running.value_sync().to_device(&batch.device());
        let batch = batch.detach().cast(before.dtype());
        let after = before * (1.0 - self.momentum) + batch * self.momentum;
        running.update(after.detach());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Distribution, TensorData, Tolerance};
    use rstest::rstest;

    const TOLERANCE: f32 = 1e-5;

    fn assert_close(left: TensorData, right: TensorData) {
        left.assert_approx_eq(&right, Tolerance::<f32>::rel_abs(TOLERANCE, TOLERANCE));
    }

    fn running(norm: &BatchNorm) -> [Vec<f64>; 2] {
        [&norm.running_mean, &norm.running_var].map(|running| {
            let data = running.value_sync().into_data();
            data.try_to_vec_as::<f64>().unwrap()
        })
    }

    /// Mean and unbiased variance of each channel, on the host.
    fn statistics(map: Tensor<4>) -> Vec<(f64, f64)> {
        let [batch, channels, rows, cols] = map.dims();
        let by_channel = map
            .swap_dims(0, 1)
            .reshape([channels, batch * rows * cols])
            .into_data();
        let values = by_channel.try_to_vec_as::<f64>().unwrap();
        let channels = values.chunks(batch * rows * cols);
        channels
            .map(|values| {
                let count = values.len() as f64;
                let mean = values.iter().sum::<f64>() / count;
                let squares = values.iter().map(|value| (value - mean).powi(2));
                (mean, squares.sum::<f64>() / (count - 1.0))
            })
            .collect()
    }

    #[test]
    fn running_statistics_take_in_the_mean_and_the_unbiased_variance() {
        let device = Device::flex().autodiff();
        for momentum in [0.1, 0.4] {
            let norm = BatchNormConfig::new(3)
                .with_momentum(momentum)
                .init(&device);
            let mut want = [vec![0.0; 3], vec![1.0; 3]];
            for _ in 0..3 {
                let map = Tensor::random([2, 3, 1, 2], Distribution::Uniform(-1.0, 4.0), &device);
                for (channel, (mean, variance)) in statistics(map.clone()).into_iter().enumerate() {
                    for (running, batch) in want.iter_mut().zip([mean, variance]) {
                        running[channel] += momentum * (batch - running[channel]);
                    }
                }
                norm.forward(map);
            }
            for (got, want) in running(&norm).iter().flatten().zip(want.iter().flatten()) {
                assert!((got - want).abs() < 1e-6, "{got}, not {want}");
            }
        }
    }

    /// The batch is normalised by its biased variance, and differentiated through its statistics.
    #[test]
    fn tokens_and_gradients_are_those_of_burn() {
        let device = Device::flex().autodiff();
        let ours = BatchNormConfig::new(3).with_epsilon(1e-3).init(&device);
        let theirs = burn::nn::BatchNormConfig::new(3).with_epsilon(1e-3);
        let theirs = theirs.init(&device).load_record(ours.clone().into_record());
        let map = Tensor::<4>::random([2, 3, 4, 2], Distribution::Default, &device).require_grad();
        let factor = map.random_like(Distribution::Default).detach();
        let [one, two] = [ours.forward(map.clone()), theirs.forward(map.clone())];
        assert_close(one.clone().into_data(), two.clone().into_data());
        let [one, two] = [one, two].map(|out| (out * factor.clone()).sum().backward());
        assert_close(
            map.grad(&one).unwrap().into_data(),
            map.grad(&two).unwrap().into_data(),
        );
        for (ours, theirs) in [(&ours.gamma, &theirs.gamma), (&ours.beta, &theirs.beta)] {
            let (ours, theirs) = (ours.val().grad(&one), theirs.val().grad(&two));
            assert_close(ours.unwrap().into_data(), theirs.unwrap().into_data());
        }
    }

    #[test]
    fn a_record_of_burn_loads() {
        let device = Device::flex().autodiff();
        let theirs = burn::nn::BatchNormConfig::new(3).init(&device);
        let map = Tensor::<4>::random([2, 3, 4, 2], Distribution::Default, &device);
        theirs.forward(map.clone());
        let theirs = theirs.valid();
        let ours = BatchNormConfig::new(3).init(&Device::flex());
        let ours = ours.load_record(theirs.clone().into_record());
        let map = map.without_autodiff();
        let [got, want] = [ours.forward(map.clone()), theirs.forward(map)];
        assert_close(got.into_data(), want.into_data());
    }

    #[rstest]
    #[case([1, 2, 1, 1])]
    #[case([0, 2, 3, 3])]
    fn less_than_two_values_per_channel_are_refused_in_training_alone(#[case] shape: [usize; 4]) {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        let map = Tensor::ones(shape, &device);
        let error = norm.try_forward(map.clone()).unwrap_err();
        assert_eq!(error, Error::SingleValue { got: shape.into() });
        assert_eq!(running(&norm), [vec![0.0; 2], vec![1.0; 2]]);
        assert_eq!(norm.clone().freeze().forward(map).dims(), shape);
        let plain = Tensor::ones(shape, &Device::flex());
        assert_eq!(norm.valid().forward(plain).dims(), shape);
    }

    #[test]
    #[should_panic(
        expected = "expected more than 1 value per channel while training, got a map \
                               of [1, 2, 1, 1] (batch, channels, rows, cols)"
    )]
    fn forward_panics_with_the_text_of_the_error() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        norm.forward(Tensor::ones([1, 2, 1, 1], &device));
    }

    #[test]
    fn a_frozen_norm_uses_what_it_has_learned_and_learns_no_more() {
        let device = Device::flex().autodiff();
        let norm = BatchNormConfig::new(2).init(&device);
        let map = Tensor::<4>::random([2, 2, 3, 3], Distribution::Default, &device);
        norm.forward(map.clone());
        let frozen = norm.freeze();
        let before = running(&frozen);
        let got = frozen.forward(map.clone()).into_data();
        assert_eq!(running(&frozen), before);
        let plain = frozen.valid().forward(map.without_autodiff());
        assert_close(got, plain.into_data());
    }

    /// Squares of more than 255 are infinite in half precision.
    #[test]
    fn half_precision_has_room_for_large_values() {
        let device = Device::flex().autodiff();
        let map = Tensor::<4>::random([4, 2, 8, 8], Distribution::Uniform(-900.0, 900.0), &device);
        let half = map.cast(DType::F16);
        let norm = BatchNormConfig::new(2).init(&device);
        let out = norm.forward(half.clone());
        assert_eq!(out.dtype(), DType::F16);
        let single = norm.forward(half.clone().cast(DType::F32));
        out.cast(DType::F32)
            .into_data()
            .assert_approx_eq(&single.into_data(), Tolerance::<f32>::rel_abs(1e-3, 1e-3));
    }

    #[test]
    fn bad_configurations_and_other_channels_are_errors() {
        let device = Device::flex();
        let none = BatchNormConfig::new(0).try_init(&device);
        assert!(matches!(none, Err(Error::Zero { .. })));
        for config in [
            BatchNormConfig::new(2).with_epsilon(0.0),
            BatchNormConfig::new(2).with_momentum(1.5),
            BatchNormConfig::new(2).with_momentum(f64::NAN),
        ] {
            assert!(matches!(config.try_init(&device), Err(Error::Range { .. })));
        }
        let norm = BatchNormConfig::new(2).init(&device);
        let error = norm.try_forward(Tensor::ones([1, 3, 2, 2], &device));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expected [2], got [3]"), "{error}");
    }
}
