//! Hand-written gradients, first order.

mod attention;
mod layers;
mod patches;
mod recompute;

use burn::backend::Backend;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::grads::Gradients;

use crate::ops::ParameterGrads;

/// Registers the gradients of weight and bias, each where it is tracked.
fn register<B: Backend>(
    grads: &mut Gradients,
    [weight, bias]: [Option<NodeId>; 2],
    parameters: ParameterGrads<B>,
) {
    if let Some(weight) = weight {
        grads.register::<B>(weight, parameters.weight);
    }
    if let Some(bias) = bias {
        grads.register::<B>(bias, parameters.bias);
    }
}
