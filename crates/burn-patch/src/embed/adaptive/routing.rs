//! A choice of patch size per region: what it is made from, samples and their temperature.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero;
use crate::ops::at_least_single;

/// Under the root of a region's variance, so that its gradient is finite where a region is uniform.
const EPSILON: f64 = 1e-6;

/// Mean and standard deviation of each channel per region, `[batch, rows·cols, 2·channels]`, the mean alone on
/// request; images `[batch, channels, rows·height, cols·width]`. Computed in `f32` at least.
pub(crate) fn statistics(images: Tensor<4>, region: [usize; 2], deviation: bool) -> Tensor<3> {
    let [batch, channels, height, width] = images.dims();
    let [rows, cols] = [height / region[0], width / region[1]];
    let precise = at_least_single(images.dtype());
    let images = images.cast(precise);
    let pixels: Tensor<6> = images.reshape([batch, channels, rows, region[0], cols, region[1]]);
    let mean = pixels.clone().mean_dim(5).mean_dim(3);
    let flat = |values: Tensor<6>| {
        let values = values.reshape([batch, channels, rows * cols]);
        values.swap_dims(1, 2)
    };
    if !deviation {
        return flat(mean);
    }
    let variance = (pixels - mean.clone()).square().mean_dim(5).mean_dim(3);
    let deviation = (variance + EPSILON).sqrt();
    Tensor::cat(vec![flat(mean), flat(deviation)], 2)
}

/// A sampled patch size per region, and how likely it was.
#[derive(Debug, Clone)]
pub struct Routing {
    pub(crate) logits: Tensor<3>,
    pub(crate) choice: Tensor<3>,
    pub(crate) gate: Tensor<3>,
}

impl Routing {
    /// Samples by the Gumbel-softmax: `choice = onehot(argmax(logits + g))` with `g = −ln(−ln u)` for each of the
    /// `noise` values `u` in `[0, 1)`, and a gate of that value and of `softmax((logits + g)/temperature)`'s gradient.
    pub(crate) fn sample(
        logits: Tensor<3>,
        noise: &[f32],
        temperature: f64,
    ) -> Result<Self, Error> {
        positive("temperature", temperature)?;
        let shape = logits.dims();
        if noise.len() != shape.iter().product::<usize>() {
            return Err(Error::Shape {
                what: "noise values (batch, regions, sizes)",
                expected: shape.to_vec(),
                got: vec![noise.len()],
            });
        }
        let gumbel: Vec<f32> = noise.iter().map(|u| gumbel(*u)).collect();
        let device = logits.device();
        let data = TensorData::new(gumbel, shape);
        let noisy = logits.clone() + Tensor::from_data(data, (&device, logits.dtype()));
        let soft = softmax(noisy.clone() / temperature, 2);
        let choice = one_hot(noisy.detach().argmax(2), shape).cast(soft.dtype());
        let gate = choice.clone() + (soft.clone() - soft.detach());
        Ok(Self {
            logits,
            choice,
            gate,
        })
    }

    /// Which size each region got, `[batch, regions, sizes]`: 1 there and 0 elsewhere.
    pub fn choice(&self) -> Tensor<3> {
        self.choice.clone()
    }

    /// Probabilities of the sizes, `[batch, regions, sizes]`. A sample is drawn from these at any temperature.
    pub fn probabilities(&self) -> Tensor<3> {
        softmax(self.logits.clone(), 2)
    }

    /// Natural logarithm of the sample's probability, all regions together: `[batch]`, in `f32` at least.
    pub fn log_prob(&self) -> Tensor<1> {
        let logits = self.precise_logits();
        let choice = self.choice.clone().cast(logits.dtype());
        sum_over_regions(log_softmax(logits, 2) * choice)
    }

    /// Entropy of the sample's distribution in nats, the sum over the regions: `[batch]`, in `f32` at least.
    pub fn entropy(&self) -> Tensor<1> {
        let logits = self.precise_logits();
        sum_over_regions(softmax(logits.clone(), 2) * log_softmax(logits, 2)).neg()
    }

    /// Expected sum over the regions of what each size counts: `[batch]`, in `f32` at least.
    pub(crate) fn expected(&self, counts: &[f32]) -> Tensor<1> {
        let probabilities = softmax(self.precise_logits(), 2);
        let data = TensorData::new(counts.to_vec(), [1, 1, counts.len()]);
        let options = (&probabilities.device(), probabilities.dtype());
        sum_over_regions(probabilities * Tensor::from_data(data, options))
    }

    /// The logits in a type that has room for sums over regions.
    fn precise_logits(&self) -> Tensor<3> {
        let precise = at_least_single(self.logits.dtype());
        self.logits.clone().cast(precise)
    }
}

/// `[batch, regions, sizes]` → `[batch]`.
fn sum_over_regions(terms: Tensor<3>) -> Tensor<1> {
    terms.sum_dim(2).sum_dim(1).squeeze_dims(&[1, 2])
}

/// `−ln(−ln u)`, finite for every `u`.
fn gumbel(uniform: f32) -> f32 {
    let uniform = f64::from(uniform).clamp(1e-12, 1.0 - 1e-7);
    -(-uniform.ln()).ln() as f32
}

fn one_hot(index: Tensor<3, Int>, shape: [usize; 3]) -> Tensor<3> {
    let sizes = Tensor::<1, Int>::arange(0..shape[2] as i64, &index.device());
    let sizes = sizes.cast(index.dtype()).reshape([1, 1, shape[2]]);
    sizes.expand(shape).equal(index.expand(shape)).float()
}

pub(crate) fn positive(what: &'static str, got: f64) -> Result<(), Error> {
    if got > 0.0 && got.is_finite() {
        return Ok(());
    }
    Err(Error::Range {
        what,
        expected: "more than 0".into(),
        got,
    })
}

/// How a temperature goes from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Decay {
    /// By the same factor each step.
    #[default]
    Exponential,
    /// Along half a cosine.
    Cosine,
}

/// The temperature of a [`Routing`] over a training.
///
/// Jang et al., [Categorical Reparameterization with Gumbel-Softmax](https://arxiv.org/abs/1611.01144), section 2.2,
/// start high and end low.
///
/// # Equation
///
/// With `x = min(step/steps, 1)`: `start·(end/start)ˣ` or `end + (start − end)·(1 + cos πx)/2`.
///
/// ```
/// use burn_patch::embed::{Decay, TemperatureSchedule};
///
/// let schedule = TemperatureSchedule::try_new(Decay::Exponential, 4.0, 0.25, 100)?;
/// assert_eq!([schedule.at(0), schedule.at(50), schedule.at(200)], [4.0, 1.0, 0.25]);
/// assert!(TemperatureSchedule::try_new(Decay::Cosine, 4.0, 0.0, 100).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureSchedule {
    decay: Decay,
    start: f64,
    end: f64,
    steps: usize,
}

impl TemperatureSchedule {
    /// From `start` to `end` in `steps`, `end` from then on.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for a temperature that is not above zero, [`Error::Zero`] for no steps.
    pub fn try_new(decay: Decay, start: f64, end: f64, steps: usize) -> Result<Self, Error> {
        positive("start temperature", start)?;
        positive("end temperature", end)?;
        nonzero("steps", &[steps])?;
        Ok(Self {
            decay,
            start,
            end,
            steps,
        })
    }

    /// The temperature at a step.
    pub fn at(&self, step: usize) -> f64 {
        let x = (step as f64 / self.steps as f64).min(1.0);
        match self.decay {
            Decay::Exponential => self.start * (self.end / self.start).powf(x),
            Decay::Cosine => {
                let swing = (1.0 + (core::f64::consts::PI * x).cos()) / 2.0;
                self.end + (self.start - self.end) * swing
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Tolerance};

    fn logits(device: &Device) -> Tensor<3> {
        Tensor::from_floats([[[0.5, -1.0, 2.0], [0.0, 0.3, -0.2]]], device)
    }

    /// Independent uniform values (splitmix64).
    fn noise(seed: u64) -> [f32; 6] {
        core::array::from_fn(|i| {
            let mut x = (6 * seed + i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x ^ (x >> 31)) >> 40) as f32 / (1u64 << 24) as f32
        })
    }

    #[test]
    fn log_probability_is_the_logarithm_of_the_chosen_softmax_probabilities() {
        let routing = Routing::sample(logits(&Device::flex()), &noise(1), 0.5).unwrap();
        let read = |values: Tensor<3>| values.into_data().try_to_vec_as::<f64>().unwrap();
        let (chosen, probability) = (read(routing.choice()), read(routing.probabilities()));
        let pairs = chosen.iter().zip(&probability);
        let want: f64 = pairs.map(|(chosen, p)| chosen * p.ln()).sum();
        let got: f64 = routing.log_prob().into_scalar();
        assert!((got - want).abs() < 1e-6, "{got}, not {want}");
    }

    #[test]
    fn entropy_of_equal_logits_is_the_logarithm_of_the_sizes_per_region() {
        let equal = Tensor::full([1, 2, 3], 0.7, &Device::flex());
        let routing = Routing::sample(equal, &noise(1), 1.0).unwrap();
        let got: f64 = routing.entropy().into_scalar();
        assert!((got - 2.0 * 3f64.ln()).abs() < 1e-6, "{got}");
    }

    #[test]
    fn half_precision_has_room_for_sums_over_many_regions() {
        let regions = 100_000;
        let logits = Tensor::<3>::zeros([1, regions, 2], (&Device::flex(), DType::F16));
        let routing = Routing::sample(logits, &vec![0.5; 2 * regions], 1.0).unwrap();
        let nats = regions as f64 * 2f64.ln();
        for (got, want) in [
            (routing.entropy(), nats),
            (routing.log_prob(), -nats),
            (routing.expected(&[4.0, 1.0]), 2.5 * regions as f64),
        ] {
            let got: f64 = got.into_scalar();
            // What adding 100,000 equal terms one by one leaves of single precision.
            assert!((got - want).abs() < 2e-3 * want.abs(), "{got}, not {want}");
        }
    }

    #[test]
    fn samples_are_as_frequent_as_their_probabilities_at_any_temperature() {
        let device = Device::flex();
        for temperature in [0.1, 5.0] {
            let mut counts = [0.0f32; 6];
            let rounds = 4000;
            for round in 0..rounds {
                let noise = noise(round + 1);
                let routing = Routing::sample(logits(&device), &noise, temperature).unwrap();
                let chosen = routing.choice().into_data().try_to_vec_as::<f32>().unwrap();
                counts
                    .iter_mut()
                    .zip(chosen)
                    .for_each(|(sum, one)| *sum += one);
            }
            let want = softmax(logits(&device), 2).into_data();
            let got = TensorData::new(
                counts.map(|count| count / rounds as f32).to_vec(),
                [1, 2, 3],
            );
            got.assert_approx_eq(&want, Tolerance::<f32>::absolute(0.03));
        }
    }

    #[test]
    fn the_gate_has_the_choice_as_value_and_the_soft_choice_as_gradient() {
        let device = Device::flex().autodiff();
        let logits = logits(&device).require_grad();
        let routing = Routing::sample(logits.clone(), &noise(2), 0.7).unwrap();
        routing
            .gate
            .clone()
            .into_data()
            .assert_eq(&routing.choice().into_data(), true);
        let factor = Tensor::<3>::from_floats([[[1.0, 2.0, 3.0], [5.0, -4.0, 0.5]]], &device);
        let hard = (routing.gate * factor.clone()).sum().backward();

        let gumbel: Vec<f32> = noise(2).iter().map(|u| gumbel(*u)).collect();
        let noise = Tensor::from_data(TensorData::new(gumbel, [1, 2, 3]), &device);
        let soft = (softmax((logits.clone() + noise) / 0.7, 2) * factor)
            .sum()
            .backward();
        let [hard, soft] = [hard, soft].map(|grads| logits.grad(&grads).unwrap().into_data());
        hard.assert_approx_eq(&soft, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }

    #[test]
    fn a_temperature_of_zero_and_too_little_noise_are_errors() {
        let device = Device::flex();
        for temperature in [0.0, -1.0, f64::NAN] {
            let error = Routing::sample(logits(&device), &noise(1), temperature).unwrap_err();
            assert!(matches!(error, Error::Range { .. }));
        }
        let error = Routing::sample(logits(&device), &[0.5; 5], 1.0).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }));
    }

    #[test]
    fn extreme_noise_stays_finite() {
        assert!(
            [0.0, 1.0, f32::MIN_POSITIVE]
                .iter()
                .all(|u| gumbel(*u).is_finite())
        );
    }

    #[test]
    fn schedules_fall_from_start_to_end() {
        for decay in [Decay::Exponential, Decay::Cosine] {
            let schedule = TemperatureSchedule::try_new(decay, 5.0, 0.5, 10).unwrap();
            assert!((0..10).all(|step| schedule.at(step) > schedule.at(step + 1)));
            assert!((schedule.at(10) - 0.5).abs() < 1e-12);
        }
        assert!(TemperatureSchedule::try_new(Decay::Cosine, 0.0, 0.5, 10).is_err());
        assert!(TemperatureSchedule::try_new(Decay::Cosine, 1.0, 0.5, 0).is_err());
    }
}
