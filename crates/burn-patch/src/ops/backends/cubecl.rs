//! CubeCL (wgpu, CUDA): the composed defaults.

use burn::backend::wgpu::CubeBackend;

use crate::ops::{GeluOps, PatchGrads, PatchOps};

impl PatchOps for CubeBackend {}

impl PatchGrads for CubeBackend {}

impl GeluOps for CubeBackend {}
