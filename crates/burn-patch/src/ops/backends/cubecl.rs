//! CubeCL (wgpu, CUDA): the composed defaults.

use burn::backend::wgpu::CubeBackend;

use crate::ops::{GeluOps, PatchOps};

impl PatchOps for CubeBackend {}

impl GeluOps for CubeBackend {}
