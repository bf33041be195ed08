//! Operations of LibTorch that its Rust bindings lack, by a TorchScript.

use std::sync::LazyLock;

use burn::backend::libtorch::TchTensor;
use tch::{CModule, IValue, TchError, Tensor};

use crate::ops::AdamWSettings;

/// Made by `make_operations.py`, which lists what it has.
static OPERATIONS: LazyLock<CModule> = LazyLock::new(|| {
    let script = include_bytes!("operations.pt");
    CModule::load_data(&mut script.as_slice()).expect("LibTorch reads the script")
});

/// The gradients of `inputs`, given that of `output`, which LibTorch recorded from them.
pub(super) fn gradients(output: &Tensor, grad: &Tensor, inputs: Vec<Tensor>) -> Vec<Tensor> {
    let inputs = [
        IValue::Tensor(output.shallow_clone()),
        IValue::Tensor(grad.shallow_clone()),
        IValue::TensorList(inputs),
    ];
    call("gradients", &inputs)
}

/// The gradients of a layer normalisation's rows, scale and shift, from their means and inverse deviations.
pub(super) fn layer_norm_grads(
    grad: TchTensor,
    x: TchTensor,
    gamma: TchTensor,
    [mean, inverse_deviation]: [&TchTensor; 2],
) -> (Tensor, Tensor, Tensor) {
    let inputs = [
        grad.tensor,
        x.tensor,
        mean.tensor.shallow_clone(),
        inverse_deviation.tensor.shallow_clone(),
        gamma.tensor,
    ];
    call("layer_norm_grads", &inputs.map(IValue::Tensor))
}

/// A step of AdamW: parameter and moments change in place, to those after step `number`.
pub(super) fn adamw(
    [parameter, moment_1, moment_2]: [&Tensor; 3],
    grad: &Tensor,
    number: &Tensor,
    settings: AdamWSettings,
) {
    let tensors = [parameter, grad, moment_1, moment_2, number];
    let AdamWSettings {
        rate,
        beta_1,
        beta_2,
        decay,
        epsilon,
        ..
    } = settings;
    let list = |one: &Tensor| IValue::TensorList(vec![one.shallow_clone()]);
    let mut inputs: Vec<IValue> = tensors.map(list).into();
    inputs.extend([rate, beta_1, beta_2, decay, epsilon].map(IValue::Double));
    run("adamw", &inputs);
}

fn call<T: TryFrom<IValue, Error = TchError>>(method: &str, inputs: &[IValue]) -> T {
    T::try_from(run(method, inputs)).unwrap_or_else(|error| panic!("LibTorch's {method}: {error}"))
}

fn run(method: &str, inputs: &[IValue]) -> IValue {
    OPERATIONS
        .method_is(method, inputs)
        .unwrap_or_else(|error| panic!("LibTorch's {method}: {error}"))
}
