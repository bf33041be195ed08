//! With windows `X = A(images)`, `A` linear, and tokens `T = X·Wᵀ + b`:
//! `∂W = ∂Tᵀ·X`, `∂b = Σ ∂T`, `∂images = Aᵀ(∂T·W)`. `Aᵀ` is [`PatchOps::fold_windows`].

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend};

use super::register;
use crate::grid::PatchGrid;
use crate::ops::{Bias, Cells, PatchGrads, PatchOps};

impl<B: Backend + PatchOps + PatchGrads, C: CheckpointStrategy> PatchOps for Autodiff<B, C> {
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

    fn project_patches(
        images: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let cells = match cells {
            Cells::All => Cells::All,
            Cells::Picked(cells) => Cells::Picked(cells),
        };
        match bias {
            Bias::Absent => {
                let nodes = [images.node(), weight.node()];
                project::<B, C, 2>(nodes, images, weight, Bias::Absent, cells, grid)
            }
            Bias::Present(bias) => {
                let nodes = [images.node(), weight.node(), bias.node()];
                let bias = Bias::Present(bias.into_primitive());
                project::<B, C, 3>(nodes, images, weight, bias, cells, grid)
            }
        }
    }
}

fn project<B: Backend + PatchOps + PatchGrads, C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    images: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    bias: Bias<B>,
    cells: Cells<B>,
    grid: PatchGrid,
) -> FloatTensor<Autodiff<B, C>> {
    match ProjectPatches
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            let state = ProjectState {
                images: prep.checkpoint(&images),
                weight: prep.checkpoint(&weight),
                cells: cells.clone(),
                grid,
            };
            let (images, weight) = (images.into_primitive(), weight.into_primitive());
            let tokens = B::project_patches(images, weight, bias, cells, grid);
            prep.finish(state, tokens)
        }
        OpsKind::UnTracked(prep) => {
            let (images, weight) = (images.into_primitive(), weight.into_primitive());
            prep.finish(B::project_patches(images, weight, bias, cells, grid))
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

#[derive(Debug, Clone)]
struct ProjectState<B: Backend> {
    images: NodeId,
    weight: NodeId,
    cells: Cells<B>,
    grid: PatchGrid,
}

/// Parents: images, weight and, for `N = 3`, bias.
impl<B: Backend + PatchGrads, const N: usize> Backward<B, N> for ProjectPatches {
    type State = ProjectState<B>;

    fn backward(
        self,
        ops: Ops<ProjectState<B>, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let state = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let images: FloatTensor<B> = checkpointer.retrieve_node_output(state.images);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(state.weight);
        if let Some(node) = &ops.parents[0] {
            let grad = B::images_grad(grad.clone(), weight, state.cells.clone(), state.grid);
            grads.register::<B>(node.id, grad);
        }
        let nodes = [1, 2].map(|parent| Some(ops.parents.get(parent)?.as_ref()?.id));
        if nodes != [None, None] {
            register::<B>(
                grads,
                nodes,
                B::parameter_grads(grad, images, state.cells, state.grid),
            );
        }
    }
}
