//! Operations of LibTorch that its Rust bindings lack, by a TorchScript.

use std::sync::LazyLock;

use burn::backend::libtorch::TchTensor;
use tch::{CModule, IValue, TchError, Tensor};

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

fn call<T: TryFrom<IValue, Error = TchError>>(method: &str, inputs: &[IValue]) -> T {
    OPERATIONS
        .method_is(method, inputs)
        .and_then(T::try_from)
        .unwrap_or_else(|error| panic!("LibTorch's {method}: {error}"))
}
