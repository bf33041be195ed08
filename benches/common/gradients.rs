//! The backward pass that several benchmarks time.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// The gradients of all parameters of `module`, for a given gradient of its tokens.
pub(crate) fn gradients(
    module: &impl Module,
    tokens: Tensor<3>,
    grad: &Tensor<3>,
) -> GradientsParams {
    GradientsParams::from_grads((tokens * grad.clone()).sum().backward(), module)
}
