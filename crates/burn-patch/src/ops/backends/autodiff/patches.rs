//! With windows `X = A(images)`, `A` linear, and tokens `T = X·Wᵀ + b`:
//! `∂W = ∂Tᵀ·X`, `∂b = Σ ∂T`, `∂images = Aᵀ(∂T·W)`. `Aᵀ` is [`PatchOps::fold_windows`].

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend};

use super::register;
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, Fill, PatchGrads, PatchOps, Pixels, Recorded};

impl<B: PatchGrads, C: CheckpointStrategy> PatchOps for Autodiff<B, C> {
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        let prep = PatchWindows
            .prepare::<C>([images.node()])
            .compute_bound()
            .stateful();
        let windows = B::patch_windows(images.into_primitive(), grid);
        match prep {
            OpsKind::Tracked(prep) => prep.finish(grid, windows),
            OpsKind::UnTracked(prep) => prep.finish(windows),
        }
    }

    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        let prep = FoldWindows
            .prepare::<C>([windows.node()])
            .compute_bound()
            .stateful();
        let images = B::fold_windows(windows.into_primitive(), grid);
        match prep {
            OpsKind::Tracked(prep) => prep.finish(grid, images),
            OpsKind::UnTracked(prep) => prep.finish(images),
        }
    }

    fn unpack_bytes(packed: IntTensor<Self>, shape: [usize; 4]) -> IntTensor<Self> {
        B::unpack_bytes(packed, shape)
    }

    fn project_patches(
        images: Pixels<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let rest = Rest {
            fill: match fill {
                Fill::Zeros => Fill::Zeros,
                Fill::Channels(values) => Fill::Channels(values.into_primitive()),
            },
            cells: match cells {
                Cells::All => Cells::All,
                Cells::Picked(cells) => Cells::Picked(cells),
            },
            grid,
        };
        let bytes = match images {
            Pixels::Floats(images) => {
                return match bias {
                    Bias::Absent => {
                        let nodes = [images.node(), weight.node()];
                        project::<B, C, 2>(nodes, Images::Tracked(images), weight, None, rest)
                    }
                    Bias::Present(bias) => {
                        let nodes = [images.node(), weight.node(), bias.node()];
                        project::<B, C, 3>(nodes, Images::Tracked(images), weight, Some(bias), rest)
                    }
                };
            }
            Pixels::BytesChannelsFirst(bytes) => Pixels::BytesChannelsFirst(bytes),
            Pixels::BytesChannelsLast(bytes) => Pixels::BytesChannelsLast(bytes),
        };
        match bias {
            Bias::Absent => {
                project::<B, C, 1>([weight.node()], Images::Bytes(bytes), weight, None, rest)
            }
            Bias::Present(bias) => {
                let nodes = [weight.node(), bias.node()];
                project::<B, C, 2>(nodes, Images::Bytes(bytes), weight, Some(bias), rest)
            }
        }
    }
}

/// Images in the forward pass: a node of the graph, or bytes, which have no gradient.
enum Images<B: Backend, C: CheckpointStrategy> {
    Tracked(FloatTensor<Autodiff<B, C>>),
    Bytes(Pixels<B>),
}

/// What the backward pass needs besides tensors of the graph.
#[derive(Debug, Clone)]
struct Rest<B: Backend> {
    fill: Fill<B>,
    cells: Cells<B>,
    grid: PatchGrid,
}

fn project<B: PatchGrads, C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    images: Images<B, C>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Option<FloatTensor<Autodiff<B, C>>>,
    rest: Rest<B>,
) -> FloatTensor<Autodiff<B, C>> {
    let bias = bias.map_or(Bias::Absent, |bias| Bias::Present(bias.into_primitive()));
    let pixels = |images: Images<B, C>| match images {
        Images::Tracked(images) => Pixels::Floats(images.into_primitive()),
        Images::Bytes(bytes) => bytes,
    };
    let Rest { fill, cells, grid } = rest.clone();
    match ProjectPatches
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            let saved = match &images {
                Images::Tracked(images) => Saved::Node(prep.checkpoint(images)),
                Images::Bytes(bytes) => Saved::Bytes(bytes.clone()),
            };
            let node = prep.checkpoint(&weight);
            let weight = weight.into_primitive();
            let Recorded { output, kept } =
                B::project_tracked(pixels(images), weight, bias, fill, cells, grid);
            let state = ProjectState {
                images: saved,
                weight: node,
                kept,
                rest,
            };
            prep.finish(state, output)
        }
        OpsKind::UnTracked(prep) => {
            let weight = weight.into_primitive();
            prep.finish(B::project_patches(
                pixels(images),
                weight,
                bias,
                fill,
                cells,
                grid,
            ))
        }
    }
}

#[derive(Debug)]
struct PatchWindows;

impl<B: Backend + PatchOps> Backward<B, 1> for PatchWindows {
    type State = PatchGrid;

    fn backward(self, ops: Ops<PatchGrid, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grid = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::fold_windows(grad, grid)
        });
    }
}

#[derive(Debug)]
struct FoldWindows;

impl<B: Backend + PatchOps> Backward<B, 1> for FoldWindows {
    type State = PatchGrid;

    fn backward(self, ops: Ops<PatchGrid, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grid = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::patch_windows(grad, grid)
        });
    }
}

#[derive(Debug)]
struct ProjectPatches;

/// Images in the backward pass.
#[derive(Debug, Clone)]
enum Saved<B: Backend> {
    Node(NodeId),
    Bytes(Pixels<B>),
}

#[derive(Debug, Clone)]
struct ProjectState<B: Backend> {
    images: Saved<B>,
    weight: NodeId,
    kept: Vec<FloatTensor<B>>,
    rest: Rest<B>,
}

/// Parents: images unless they are bytes, weight, and bias if there is one.
impl<B: PatchGrads, const N: usize> Backward<B, N> for ProjectPatches {
    type State = ProjectState<B>;

    fn backward(
        self,
        ops: Ops<ProjectState<B>, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let ProjectState {
            images,
            weight,
            kept,
            rest,
        } = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        let mut parents = ops.parents.iter();
        let images = match images {
            Saved::Bytes(bytes) => bytes,
            Saved::Node(id) => {
                let images = checkpointer.retrieve_node_output(id);
                if let Some(Some(node)) = parents.next() {
                    let grad = B::images_grad(grad.clone(), weight, rest.cells.clone(), rest.grid);
                    grads.register::<B>(node.id, grad);
                }
                Pixels::Floats(images)
            }
        };
        let nodes = [parents.next(), parents.next()].map(|node| Some(node?.as_ref()?.id));
        if nodes != [None, None] {
            let found = B::parameter_grads(grad, images, kept, rest.fill, rest.cells, rest.grid);
            register::<B>(grads, nodes, found);
        }
    }
}
