//! Patch projection on host memory, shared by the CPU backends.
//!
//! Threads take blocks of windows, gather them into a buffer that stays in cache and multiply there
//! with faer, which picks its kernel for the processor at run time. Nothing as large as all windows
//! is ever made: beyond input and output it takes `threads × (block + weight)` values.

mod block;
mod gather;
mod grads;
mod host;
mod project;

pub(super) use host::{Host, images_grad, parameter_grads, project_patches};

use faer::traits::RealField;

/// A float type that the kernel computes in.
pub(super) trait Real:
    RealField + Copy + Default + Send + Sync + core::ops::AddAssign
{
}

impl Real for f32 {}
impl Real for f64 {}
