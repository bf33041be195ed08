//! What is computed again in the backward pass rather than kept, where a device has gradient checkpointing: operations
//! whose outputs are large and quick to make. The products and attention keep theirs.

use std::marker::PhantomData;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::retro_forward::RetroForward;
use burn::backend::autodiff::checkpoint::state::BackwardStates;
use burn::backend::tensor::FloatTensor;

use crate::ops::LayerGrads;

/// GELU of the node's input.
#[derive(Debug)]
pub(super) struct GeluAgain<B> {
    x: NodeId,
    backend: PhantomData<B>,
}

impl<B> GeluAgain<B> {
    pub(super) fn new(x: NodeId) -> Self {
        Self {
            x,
            backend: PhantomData,
        }
    }
}

impl<B: LayerGrads> RetroForward for GeluAgain<B> {
    fn forward(&self, states: &mut BackwardStates, output: NodeId) {
        let x: FloatTensor<B> = states.get_state(&self.x);
        states.save(output, B::gelu_forward(x));
    }
}

/// The layer norm of the node's input, with its `γ` and `β`.
#[derive(Debug)]
pub(super) struct LayerNormAgain<B> {
    parents: [NodeId; 3],
    epsilon: f64,
    backend: PhantomData<B>,
}

impl<B> LayerNormAgain<B> {
    pub(super) fn new(parents: [NodeId; 3], epsilon: f64) -> Self {
        Self {
            parents,
            epsilon,
            backend: PhantomData,
        }
    }
}

impl<B: LayerGrads> RetroForward for LayerNormAgain<B> {
    fn forward(&self, states: &mut BackwardStates, output: NodeId) {
        let parents = self.parents.each_ref();
        let [x, gamma, beta]: [FloatTensor<B>; 3] = parents.map(|node| states.get_state(node));
        states.save(output, B::layer_norm_forward(x, gamma, beta, self.epsilon));
    }
}
