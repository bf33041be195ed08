//! A training step whose activations are of another type than the parameters.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{FloatDType, Tensor};
use burn::train::TrainOutput;

use crate::train::activation_type::ActivationType;
use crate::train::step_output::StepOutput;

/// Runs `forward` on `model`, or on a copy of it in `activations`, and gives the gradients in single precision.
pub(crate) fn mixed_step<M: Module>(
    model: &M,
    activations: ActivationType,
    forward: impl FnOnce(&M) -> StepOutput,
) -> TrainOutput<StepOutput> {
    if activations == ActivationType::F32 {
        let output = forward(model);
        return TrainOutput::new(model, output.loss.backward(), output);
    }
    let scale = activations.loss_scale();
    let half = model.clone().map(&mut Cast::to(activations.float()));
    let item = forward(&half);
    let grads = item.loss.clone().mul_scalar(scale).backward();
    let mut unscale = Unscale {
        grads: GradientsParams::from_grads(grads, &half),
        scale,
    };
    half.visit(&mut unscale);
    TrainOutput {
        grads: unscale.grads,
        item,
    }
}

/// Casts parameters. What a batch norm counts stays as it is, since copies of a model share it.
struct Cast {
    dtype: FloatDType,
    name: String,
}

impl Cast {
    fn to(dtype: FloatDType) -> Self {
        Self {
            dtype,
            name: String::new(),
        }
    }
}

impl ModuleMapper for Cast {
    fn enter_module(&mut self, name: &str, _: &str) {
        name.clone_into(&mut self.name);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if matches!(&self.name[..], "running_mean" | "running_var") {
            return param;
        }
        param.map(|value| {
            let tracked = value.is_require_grad();
            // Off the tape, so that the copy is a leaf of it.
            let cast = value.inner().cast(self.dtype);
            Tensor::from_inner(cast).set_require_grad(tracked)
        })
    }
}

/// Gradients in single precision, without the loss's scale.
struct Unscale {
    grads: GradientsParams,
    scale: f64,
}

impl ModuleVisitor for Unscale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            let grad = grad.cast(FloatDType::F32).div_scalar(self.scale);
            self.grads.register::<D>(param.id, grad);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device, Tolerance};

    fn step(model: &Linear, activations: ActivationType) -> TrainOutput<StepOutput> {
        mixed_step(model, activations, |model| {
            let device = model.weight.val().device();
            let x = Tensor::<2>::from_floats([[1.0, -2.0], [0.5, 3.0]], &device);
            let y = model.forward(x.cast(activations.float()));
            assert_eq!(y.dtype(), activations.dtype());
            StepOutput {
                // Far below what f16 holds where it is not scaled.
                loss: y.cast(FloatDType::F32).square().mean().mul_scalar(1e-7),
                right: None,
                pictures: 2,
            }
        })
    }

    #[test]
    fn gradients_are_those_of_single_precision_but_for_rounding() {
        let device = Device::flex().autodiff();
        let mut model = LinearConfig::new(2, 3).init(&device);
        // No gradient is a small difference of large ones, which rounding would change by more than its part.
        let rows = [[0.5, -0.6, 0.3], [-0.25, 0.4, 0.7]];
        model.weight = Param::from_tensor(Tensor::from_floats(rows, &device));
        let bias = Tensor::from_floats([0.1, -0.2, 0.3], &device);
        model.bias = Some(Param::from_tensor(bias));
        let weight = |activations| {
            let grads = step(&model, activations).grads;
            let grad = grads.get::<2>(model.weight.id).expect("a gradient");
            assert_eq!(grad.dtype(), DType::F32);
            grad.into_data()
        };
        let single = weight(ActivationType::F32);
        for (activations, rounding) in [(ActivationType::Bf16, 0.02), (ActivationType::F16, 0.01)] {
            let tolerance = Tolerance::<f32>::rel_abs(rounding, 1e-10);
            weight(activations).assert_approx_eq(&single, tolerance);
        }
    }

    #[test]
    fn the_model_itself_stays_as_it_is() {
        let device = Device::flex().autodiff();
        let model = LinearConfig::new(2, 3).init(&device);
        let before = model.weight.val().into_data();
        step(&model, ActivationType::Bf16);
        assert_eq!(model.weight.val().dtype(), DType::F32);
        assert_eq!(model.weight.val().into_data(), before);
    }
}
