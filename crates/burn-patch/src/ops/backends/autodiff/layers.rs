//! The transformer layers' backward passes on the tape.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};

use super::attention::attention;
use super::recompute::{GeluAgain, LayerNormAgain};
use super::register;
use crate::ops::dims::dims;
use crate::ops::{AttentionInputs, Bias, LayerGrads, LayerOps, Recorded};

impl<B: LayerGrads, C: CheckpointStrategy> LayerOps for Autodiff<B, C> {
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let again = GeluAgain::<B>::new(x.node().id());
        let prep = Gelu.prepare::<C>([x.node()]).memory_bound();
        match prep.retro_forward(again).parents([&x]).stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::gelu_forward(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gelu_forward(x.into_primitive())),
        }
    }

    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        match bias {
            Bias::Absent => {
                let nodes = [x.node(), weight.node()];
                linear::<B, C, 2>(nodes, x, weight, Bias::Absent)
            }
            Bias::Present(bias) => {
                let nodes = [x.node(), weight.node(), bias.node()];
                linear::<B, C, 3>(nodes, x, weight, Bias::Present(bias.into_primitive()))
            }
        }
    }

    fn attention_forward(inputs: AttentionInputs<Self>) -> FloatTensor<Self> {
        attention(inputs)
    }

    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let again = LayerNormAgain::<B>::new(nodes.each_ref().map(|node| node.id()), epsilon);
        let prep = LayerNorm.prepare::<C>(nodes).memory_bound();
        let prep = prep.retro_forward(again).parents([&x, &gamma, &beta]);
        match prep.stateful() {
            OpsKind::Tracked(mut prep) => {
                let nodes = [&x, &gamma].map(|tensor| prep.checkpoint(tensor));
                let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.into_primitive());
                let Recorded { output, kept } = B::layer_norm_tracked(x, gamma, beta, epsilon);
                prep.finish((nodes[0], nodes[1], kept, epsilon), output)
            }
            OpsKind::UnTracked(prep) => {
                let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.into_primitive());
                prep.finish(B::layer_norm_forward(x, gamma, beta, epsilon))
            }
        }
    }

    fn cross_entropy_forward(
        logits: FloatTensor<Self>,
        classes: IntTensor<Self>,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        match CrossEntropy
            .prepare::<C>([logits.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let node = prep.checkpoint(&logits);
                let logits = logits.into_primitive();
                let loss = B::cross_entropy_forward(logits, classes.clone(), smoothing);
                prep.finish((node, classes, smoothing), loss)
            }
            OpsKind::UnTracked(prep) => {
                let logits = logits.into_primitive();
                prep.finish(B::cross_entropy_forward(logits, classes, smoothing))
            }
        }
    }

    fn gather_rows(values: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self> {
        let prep = GatherRows.prepare::<C>([values.node()]);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let values = values.into_primitive();
                let state = (dims(&values), index.clone());
                prep.finish(state, B::gather_rows(values, index))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gather_rows(values.into_primitive(), index)),
        }
    }
}

#[derive(Debug)]
struct GatherRows;

impl<B: LayerGrads> Backward<B, 1> for GatherRows {
    type State = ([usize; 3], IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (shape, index) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::gather_rows_grad(shape, index, grad)
        });
    }
}

#[derive(Debug)]
struct CrossEntropy;

impl<B: LayerGrads> Backward<B, 1> for CrossEntropy {
    type State = (NodeId, IntTensor<B>, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (node, classes, smoothing) = ops.state;
        let logits: FloatTensor<B> = checkpointer.retrieve_node_output(node);
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::cross_entropy_grad(logits, classes, grad, smoothing)
        });
    }
}

fn linear<B: LayerGrads, C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Bias<B>,
) -> FloatTensor<Autodiff<B, C>> {
    match Linear.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let state = (prep.checkpoint(&x), prep.checkpoint(&weight));
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            prep.finish(state, B::linear_forward(x, weight, bias))
        }
        OpsKind::UnTracked(prep) => {
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            prep.finish(B::linear_forward(x, weight, bias))
        }
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: LayerGrads> Backward<B, 1> for Gelu {
    type State = NodeId;

    fn backward(self, ops: Ops<NodeId, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(ops.state);
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::gelu_grad(x, grad));
    }
}

#[derive(Debug)]
struct Linear;

/// Parents: input, weight and, for `N = 3`, bias.
impl<B: LayerGrads, const N: usize> Backward<B, N> for Linear {
    type State = (NodeId, NodeId);

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (x, weight) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = &ops.parents[0] {
            grads.register::<B>(node.id, B::linear_x_grad(weight, grad.clone()));
        }
        let nodes = [1, 2].map(|parent| Some(ops.parents.get(parent)?.as_ref()?.id));
        if nodes != [None, None] {
            register::<B>(grads, nodes, B::linear_parameter_grads(x, grad));
        }
    }
}

#[derive(Debug)]
struct LayerNorm;

impl<B: LayerGrads> Backward<B, 3> for LayerNorm {
    type State = (NodeId, NodeId, Vec<FloatTensor<B>>, f64);

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (x, gamma, kept, epsilon) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let gamma: FloatTensor<B> = checkpointer.retrieve_node_output(gamma);
        let all = B::layer_norm_grads(x, gamma, kept, grad, epsilon);
        for (node, grad) in ops.parents.iter().zip([all.x, all.gamma, all.beta]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}
