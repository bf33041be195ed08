//! CubeCL, which runs wgpu and CUDA: kernels for gathering windows and adding them back; the rest is composed.
//!
//! Where windows tile the image, gathering is a permuted copy, which was faster than a kernel. Where they overlap or leave gaps,
//! one kernel gathers them and one adds them back (`windows`), and Burn's Fusion defers both like operations of its own.
//! The product after them is the one that autotune picks. All windows are gathered before cells are picked.
//!
//! What was measured is in `benches/record/windows` and `benches/record/peers`, on a software driver.

mod windows;

use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;

use crate::grid::PatchGrid;
use crate::ops::patch::composed;
use crate::ops::{AdamWOps, LayerGrads, LayerOps, PatchGrads, PatchOps};

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

impl LayerOps for CubeBackend {}

impl LayerGrads for CubeBackend {}

impl AdamWOps for CubeBackend {}
