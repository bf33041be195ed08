//! CubeCL, which runs wgpu and CUDA: kernels for windows, rows and AdamW; the rest is composed.
//!
//! Where windows tile the image, gathering is a permuted copy, which was faster than a kernel. Where they overlap or leave gaps,
//! one kernel gathers them and one adds them back (`windows`), and Burn's Fusion defers both like operations of its own.
//! All windows are gathered before cells are picked.
//!
//! A driver compiles each kernel when it is first run, which takes a GPU's first minute. So what a training step does most
//! has few kernels: softmax and layer norm by row take their sizes at run time (`rows`), a step of AdamW is one kernel for
//! parameters of every shape (`adamw`), and products are tuned only where a program wants it (`parts`). What else the layers
//! do is composed, and Burn's Fusion makes kernels of it. `benches/record/gpu` has the counts.
//!
//! What was measured is in `benches/record/windows` and `benches/record/peers`, on a software driver.

mod adamw;
mod like;
mod loss;
mod parts;
mod rows;
mod windows;

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;

use crate::grid::PatchGrid;
use crate::ops::layer::composed as composed_layers;
use crate::ops::patch::composed;
use crate::ops::{Bias, LayerGrads, LayerOps, ParameterGrads, PartOps, PatchGrads, PatchOps};

impl PatchOps for CubeBackend {
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        match grid.is_partition() {
            true => composed::patch_windows::<Self>(images, &grid),
            false => windows::gather(images, &grid),
        }
    }

    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        match grid.is_partition() {
            true => composed::fold_windows::<Self>(windows, &grid),
            false => windows::fold(windows, &grid),
        }
    }
}

impl PatchGrads for CubeBackend {}

impl LayerOps for CubeBackend {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        composed_layers::linear_by_product::<Self>(x, weight, bias)
    }
}

impl LayerGrads for CubeBackend {
    fn linear_x_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::product(grad, Self::float_transpose(weight))
    }

    fn linear_parameter_grads(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> ParameterGrads<Self> {
        composed_layers::linear_parameter_grads_by_product::<Self>(x, grad)
    }
}
