//! Hand-written gradients, first order.

mod attention;
mod layers;
mod patches;
mod recompute;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::{Autodiff, Backend};

use crate::ops::{ParameterGrads, PartOps};

/// Burn's own operations, which are recorded.
impl<B: Backend, C: CheckpointStrategy> PartOps for Autodiff<B, C> {}

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
