//! Attention on the tape. Parents: the tensors of query, key and value, one or three, then the biases that there are.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use crate::ops::{
    AttentionGrads, AttentionInputs, Bias, LayerGrads, QkvPrimitive, ReachPrimitive, Recorded,
    TrackedBiases,
};

type Tracked<B, C> = FloatTensor<Autodiff<B, C>>;

pub(super) fn attention<B: LayerGrads, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
) -> Tracked<B, C> {
    let (floats, rest) = take_apart(inputs);
    match floats.len() {
        1 => record::<B, C, 1>(floats, rest),
        2 => record::<B, C, 2>(floats, rest),
        3 => record::<B, C, 3>(floats, rest),
        4 => record::<B, C, 4>(floats, rest),
        _ => record::<B, C, 5>(floats, rest),
    }
}

fn record<B: LayerGrads, C: CheckpointStrategy, const N: usize>(
    floats: Vec<Tracked<B, C>>,
    rest: Rest<B>,
) -> Tracked<B, C> {
    let nodes: Vec<NodeGuard> = floats.iter().map(|float| float.node()).collect();
    let nodes: [NodeGuard; N] = nodes.try_into().expect("as many as were counted");
    let inputs = |floats: Vec<Tracked<B, C>>, rest: Rest<B>| {
        rest.with(floats.into_iter().map(|float| float.into_primitive()))
    };
    match Attention.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let ids = floats.iter().map(|float| prep.checkpoint(float)).collect();
            let Recorded { output, kept } = B::attention_tracked(inputs(floats, rest.clone()));
            prep.finish((ids, kept, rest), output)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::attention_forward(inputs(floats, rest))),
    }
}

/// All but the floats.
#[derive(Debug, Clone)]
struct Rest<B: Backend> {
    /// How many tensors query, key and value are.
    qkv: usize,
    has_bias: bool,
    has_key_bias: bool,
    reach: ReachPrimitive<B>,
    heads: usize,
    scale: f64,
}

fn take_apart<B: Backend, C: CheckpointStrategy>(
    inputs: AttentionInputs<Autodiff<B, C>>,
) -> (Vec<Tracked<B, C>>, Rest<B>) {
    let mut floats = inputs.qkv.into_tensors();
    let qkv = floats.len();
    let [bias, key_bias] = [inputs.bias, inputs.key_bias].map(Bias::into_option);
    let (has_bias, has_key_bias) = (bias.is_some(), key_bias.is_some());
    floats.extend(bias.into_iter().chain(key_bias));
    let reach = match inputs.reach {
        ReachPrimitive::All => ReachPrimitive::All,
        ReachPrimitive::Valid(valid) => ReachPrimitive::Valid(valid),
        ReachPrimitive::Segments {
            queries,
            keys,
            spans,
        } => ReachPrimitive::Segments {
            queries,
            keys,
            spans,
        },
    };
    let rest = Rest {
        qkv,
        has_bias,
        has_key_bias,
        reach,
        heads: inputs.heads,
        scale: inputs.scale,
    };
    (floats, rest)
}

impl<B: Backend> Rest<B> {
    /// The inputs with these floats, in the order of the parents.
    fn with(self, floats: impl IntoIterator<Item = FloatTensor<B>>) -> AttentionInputs<B> {
        let mut floats = floats.into_iter();
        let qkv = floats.by_ref().take(self.qkv).collect();
        let mut bias = |has: bool| match has {
            true => Bias::Present(floats.next().expect("counted before")),
            false => Bias::Absent,
        };
        AttentionInputs {
            qkv: QkvPrimitive::from_tensors(qkv),
            bias: bias(self.has_bias),
            key_bias: bias(self.has_key_bias),
            reach: self.reach,
            heads: self.heads,
            scale: self.scale,
        }
    }
}

#[derive(Debug)]
struct Attention;

impl<B: LayerGrads, const N: usize> Backward<B, N> for Attention {
    type State = (Vec<NodeId>, Vec<FloatTensor<B>>, Rest<B>);

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (ids, kept, rest) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let is_tracked = |index: usize| ops.parents[index].is_some();
        let tracked = TrackedBiases {
            bias: rest.has_bias && is_tracked(rest.qkv),
            key_bias: rest.has_key_bias && is_tracked(N - 1),
        };
        let (has_bias, has_key_bias) = (rest.has_bias, rest.has_key_bias);
        let floats = ids
            .into_iter()
            .map(|id| checkpointer.retrieve_node_output(id));
        let AttentionGrads {
            qkv,
            bias,
            key_bias,
        } = B::attention_grads(rest.with(floats), kept, grad, tracked);
        let qkv = qkv.into_tensors().into_iter().map(Some);
        let biases = [has_bias.then_some(bias), has_key_bias.then_some(key_bias)];
        let found = qkv.chain(biases.into_iter().flatten());
        for (node, grad) in ops.parents.iter().zip(found) {
            if let (Some(node), Some(grad)) = (node, grad) {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}
