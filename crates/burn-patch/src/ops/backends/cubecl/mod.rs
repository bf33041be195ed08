//! CubeCL (wgpu, CUDA): windows that do not tile are gathered and added back by one kernel each, the rest is the
//! composed defaults.

mod windows;

use burn::backend::tensor::FloatTensor;
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
