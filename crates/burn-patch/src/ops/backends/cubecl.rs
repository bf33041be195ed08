//! CubeCL (wgpu, CUDA): the composed defaults.

use burn::backend::wgpu::CubeBackend;

use crate::ops::{LayerGrads, LayerOps, PatchGrads, PatchOps};

impl PatchOps for CubeBackend {}

impl PatchGrads for CubeBackend {}

impl LayerOps for CubeBackend {}

impl LayerGrads for CubeBackend {}
