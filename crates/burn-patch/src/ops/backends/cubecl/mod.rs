//! CubeCL, which runs wgpu and CUDA: kernels for windows, rows and AdamW; the rest is composed.
//!
//! Where windows tile the image, gathering is a permuted copy, which was faster than a kernel. Where they overlap or leave gaps,
//! one kernel gathers them and one adds them back (`windows`), and Burn's Fusion defers both like operations of its own.
//! Picked cells have a kernel that gathers their windows alone.
//!
//! A driver compiles each kernel when it is first run, which takes a GPU's first minute. So what a training step does most
//! has few kernels: softmax and layer norm by row take their sizes at run time (`rows`), a step of AdamW is one kernel for
//! parameters of every shape (`adamw`), and products are tuned only where a program wants it (`parts`); there, attention too
//! is run in the way that was measured to be the faster one (`flash`). What else the layers do is composed, and Burn's
//! Fusion makes kernels of it. `benches/record/gpu` has the counts.
//!
//! What was measured is in `benches/record/windows` and `benches/record/peers`, on a software driver.

mod adamw;
mod flash;
mod like;
mod loss;
mod parts;
mod rows;
mod windows;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_cubecl::CubeBackend;

use crate::grid::PatchGrid;
use crate::ops::patch::composed;
use crate::ops::{LayerGrads, LayerOps, PatchGrads, PatchOps};

impl PatchOps for CubeBackend {
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        match grid.is_partition() {
            true => composed::patch_windows::<Self>(images, &grid),
            false => windows::gather(images, &grid),
        }
    }

    fn picked_windows(
        images: FloatTensor<Self>,
        cells: IntTensor<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        windows::gather_picked(images, cells, &grid)
    }

    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        match grid.is_partition() {
            true => composed::fold_windows::<Self>(windows, &grid),
            false => windows::fold(windows, &grid),
        }
    }
}

impl PatchGrads for CubeBackend {}

impl LayerOps for CubeBackend {}

impl LayerGrads for CubeBackend {}
