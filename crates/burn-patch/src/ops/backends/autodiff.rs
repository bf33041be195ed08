//! Hand-written gradients, first order.
//!
//! With windows `X = A(images)`, `A` linear, and tokens `T = X·Wᵀ + b`:
//! `∂W = ∂Tᵀ·X`, `∂b = Σ ∂T`, `∂images = Aᵀ(∂T·W)`. `Aᵀ` is [`PatchOps::fold_windows`].

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, TensorMetadata};
use burn::tensor::Shape;

use crate::grid::PatchGrid;
use crate::ops::{Bias, GeluOps, PatchOps};

impl<B: Backend + PatchOps, C: CheckpointStrategy> PatchOps for Autodiff<B, C> {
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
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let Bias::Present(bias) = bias else {
            return project_unbiased::<B, C>(images, weight, grid);
        };
        let nodes = [images.node(), weight.node(), bias.node()];
        let forward =
            |images, weight, bias| B::project_patches(images, weight, Bias::Present(bias), grid);
        match ProjectPatches
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prep) => {
                let state = (prep.checkpoint(&images), prep.checkpoint(&weight), grid);
                let tokens = forward(
                    images.into_primitive(),
                    weight.into_primitive(),
                    bias.into_primitive(),
                );
                prep.finish(state, tokens)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(
                images.into_primitive(),
                weight.into_primitive(),
                bias.into_primitive(),
            )),
        }
    }

    fn project_patches_images_grad(
        _grad: FloatTensor<Self>,
        _weight: FloatTensor<Self>,
        _grid: PatchGrid,
    ) -> FloatTensor<Self> {
        unreachable!("called on the inner backend: Burn's autodiff is first order")
    }

    fn project_patches_weight_grad(
        _grad: FloatTensor<Self>,
        _images: FloatTensor<Self>,
        _grid: PatchGrid,
    ) -> FloatTensor<Self> {
        unreachable!("called on the inner backend: Burn's autodiff is first order")
    }
}

fn project_unbiased<B: Backend + PatchOps, C: CheckpointStrategy>(
    images: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    grid: PatchGrid,
) -> FloatTensor<Autodiff<B, C>> {
    let nodes = [images.node(), weight.node()];
    match ProjectPatches
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(mut prep) => {
            let state = (prep.checkpoint(&images), prep.checkpoint(&weight), grid);
            let tokens = B::project_patches(
                images.into_primitive(),
                weight.into_primitive(),
                Bias::Absent,
                grid,
            );
            prep.finish(state, tokens)
        }
        OpsKind::UnTracked(prep) => prep.finish(B::project_patches(
            images.into_primitive(),
            weight.into_primitive(),
            Bias::Absent,
            grid,
        )),
    }
}

impl<B: Backend + GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
    fn gelu_forward(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Gelu.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::gelu_forward(x.into_primitive()))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gelu_forward(x.into_primitive())),
        }
    }

    fn gelu_grad(_x: FloatTensor<Self>, _grad: FloatTensor<Self>) -> FloatTensor<Self> {
        unreachable!("called on the inner backend: Burn's autodiff is first order")
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: Backend + GeluOps> Backward<B, 1> for Gelu {
    type State = NodeId;

    fn backward(self, ops: Ops<NodeId, 1>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(ops.state);
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::gelu_grad(x, grad));
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

type ProjectState = (NodeId, NodeId, PatchGrid);

/// Parents: images, weight and, for `N = 3`, bias.
impl<B: Backend + PatchOps, const N: usize> Backward<B, N> for ProjectPatches {
    type State = ProjectState;

    fn backward(
        self,
        ops: Ops<ProjectState, N>,
        grads: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (images, weight, grid) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let images: FloatTensor<B> = checkpointer.retrieve_node_output(images);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = &ops.parents[0] {
            let images_grad = B::project_patches_images_grad(grad.clone(), weight, grid);
            grads.register::<B>(node.id, images_grad);
        }
        if let Some(node) = &ops.parents[1] {
            let weight_grad = B::project_patches_weight_grad(grad.clone(), images, grid);
            grads.register::<B>(node.id, weight_grad);
        }
        if let Some(Some(node)) = ops.parents.get(2) {
            let [batch, tokens, dim] = grad.shape().dims();
            let flat = B::float_reshape(grad, Shape::new([batch * tokens, dim]));
            let bias_grad = B::float_reshape(B::float_sum_dim(flat, 0), Shape::new([dim]));
            grads.register::<B>(node.id, bias_grad);
        }
    }
}
