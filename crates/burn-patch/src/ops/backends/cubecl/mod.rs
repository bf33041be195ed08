//! CubeCL (wgpu, CUDA): windows are gathered and added back by one kernel each, the rest is the composed defaults.

mod windows;

use burn::backend::tensor::FloatTensor;
use burn_cubecl::CubeBackend;

use crate::grid::PatchGrid;
use crate::ops::{LayerGrads, LayerOps, PatchGrads, PatchOps};

impl PatchOps for CubeBackend {
    fn patch_windows(images: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        windows::gather(images, &grid)
    }

    fn fold_windows(windows: FloatTensor<Self>, grid: PatchGrid) -> FloatTensor<Self> {
        windows::fold(windows, &grid)
    }
}

impl PatchGrads for CubeBackend {}

impl LayerOps for CubeBackend {}

impl LayerGrads for CubeBackend {}
