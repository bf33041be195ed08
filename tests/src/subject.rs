//! A module under test, the same on every backend.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::det::det_tensor;
use crate::params::{fill, gradients, inference, is_running, to_dtype};

/// Values and, where asked for, gradients of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Output tensors.
    pub values: Vec<TensorData>,
    /// Gradient of each parameter by path.
    pub gradients: Vec<(String, Option<TensorData>)>,
}

/// A module with formula parameters and inputs, as at inference: running statistics, no random draws.
pub struct Subject {
    /// What reports call it.
    pub name: String,
    forward: Forward,
    backward: Backward,
    directional: Directional,
}

type Forward = Box<dyn Fn(&Device, DType) -> Outcome>;
type Backward = Box<dyn Fn(&Device) -> Outcome>;
type Directional = Box<dyn Fn(&Device) -> (f64, f64)>;

/// Step of the central difference in `f64`: errors of order `step²` and `1e-16/step` balance.
const STEP: f64 = 1e-5;
const PARAMETER_SEED: u64 = 1;
const DIRECTION_SEED: u64 = 501;
const LOSS_SEED: u64 = 901;

impl Subject {
    /// `init` builds the module on a device, `run` gives its outputs in a dtype.
    pub fn new<M: Module + 'static>(
        name: impl Into<String>,
        init: impl Fn(&Device) -> M + Clone + 'static,
        run: impl Fn(&M, &Device, DType) -> Vec<Tensor<3>> + Clone + 'static,
    ) -> Self {
        let init = move |device: &Device| fill(inference(init(device)), PARAMETER_SEED);
        Self {
            name: name.into(),
            forward: {
                let (init, run) = (init.clone(), run.clone());
                Box::new(move |device, dtype| {
                    let module = to_dtype(init(device), dtype);
                    let values = run(&module, device, dtype);
                    Outcome {
                        values: values.into_iter().map(Tensor::into_data).collect(),
                        gradients: Vec::new(),
                    }
                })
            },
            backward: {
                let (init, run) = (init.clone(), run.clone());
                Box::new(move |device| {
                    let device = device.clone().autodiff();
                    let module = init(&device);
                    let outputs = run(&module, &device, DType::F32);
                    let values = outputs
                        .iter()
                        .map(|value| value.clone().into_data())
                        .collect();
                    let grads = loss(outputs).backward();
                    Outcome {
                        values,
                        gradients: gradients(&module, &grads),
                    }
                })
            },
            directional: Box::new(move |device| {
                let autodiff = device.clone().autodiff();
                let module = to_dtype(init(&autodiff), DType::F64);
                let grads = loss(run(&module, &autodiff, DType::F64)).backward();
                let predicted = dot_direction(gradients(&module, &grads));
                let at = |step: f64| {
                    let module = to_dtype(init(device), DType::F64);
                    loss(run(&nudge(module, step), device, DType::F64)).into_scalar::<f64>()
                };
                (predicted, (at(STEP) - at(-STEP)) / (2.0 * STEP))
            }),
        }
    }

    /// Outputs on a plain device.
    pub fn forward(&self, device: &Device, dtype: DType) -> Outcome {
        (self.forward)(device, dtype)
    }

    /// Outputs and gradients in `f32`, on `device` with autodiff, as it has it or else as usual.
    pub fn backward(&self, device: &Device) -> Outcome {
        (self.backward)(device)
    }

    /// The derivative of a loss along one direction of all parameters, by the tape and by central
    /// differences, in `f64`.
    pub fn directional(&self, device: &Device) -> (f64, f64) {
        (self.directional)(device)
    }
}

/// A weighted sum of all outputs, so that every value matters differently.
fn loss(outputs: Vec<Tensor<3>>) -> Tensor<1> {
    let terms = outputs.into_iter().enumerate().map(|(index, output)| {
        let seed = LOSS_SEED + index as u64;
        let device = output.device();
        (output.clone() * det_tensor(output.dims(), seed, &device, output.dtype())).sum()
    });
    terms
        .reduce(|sum, term| sum + term)
        .expect("at least one output")
}

fn dot_direction(gradients: Vec<(String, Option<TensorData>)>) -> f64 {
    let products = gradients
        .into_iter()
        .enumerate()
        .map(|(index, (path, grad))| {
            let grad = grad.unwrap_or_else(|| panic!("no gradient for {path}"));
            let grad = grad.try_to_vec_as::<f64>().expect("float gradients");
            let direction = crate::det::det(grad.len(), DIRECTION_SEED + index as u64);
            grad.iter()
                .zip(direction)
                .map(|(grad, along)| grad * f64::from(along))
                .sum::<f64>()
        });
    products.sum()
}

/// Moves every parameter by `step` along the direction.
fn nudge<M: Module>(module: M, step: f64) -> M {
    struct Nudge {
        step: f64,
        seed: u64,
        name: String,
    }
    impl ModuleMapper for Nudge {
        fn enter_module(&mut self, name: &str, _: &str) {
            name.clone_into(&mut self.name);
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if is_running(&self.name) {
                return param;
            }
            let seed = self.seed;
            self.seed += 1;
            param.map(|value| {
                let along = det_tensor(value.dims(), seed, &value.device(), value.dtype());
                value + along * self.step
            })
        }
    }
    module.map(&mut Nudge {
        step,
        seed: DIRECTION_SEED,
        name: String::new(),
    })
}

/// The largest difference between two tensors, relative to the largest magnitude in them.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Difference(pub f64);

/// Compares tensor by tensor.
///
/// # Panics
///
/// If shapes differ or a value is not finite.
pub fn largest_difference(left: &TensorData, right: &TensorData) -> Difference {
    largest_difference_over(left, right, 0.0)
}

/// As [`largest_difference`], relative to no less than `least`.
///
/// # Panics
///
/// If shapes differ or a value is not finite.
pub fn largest_difference_over(left: &TensorData, right: &TensorData, least: f64) -> Difference {
    assert_eq!(left.shape(), right.shape(), "shapes");
    let scale = largest_magnitude(left)
        .max(largest_magnitude(right))
        .max(least);
    let [left, right] = [left, right].map(values);
    let apart = left
        .iter()
        .zip(&right)
        .fold(0.0f64, |apart, (l, r)| apart.max((l - r).abs()));
    Difference(if apart == 0.0 { 0.0 } else { apart / scale })
}

/// The largest magnitude of a tensor.
///
/// # Panics
///
/// If a value is not finite.
pub fn largest_magnitude(data: &TensorData) -> f64 {
    let values = values(data);
    let finite = values.iter().all(|value| value.is_finite());
    assert!(finite, "a value is not finite");
    values
        .iter()
        .fold(0.0f64, |most, value| most.max(value.abs()))
}

fn values(data: &TensorData) -> Vec<f64> {
    data.try_to_vec_as::<f64>().expect("floats")
}
