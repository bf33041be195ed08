//! Memory, measured: the projection never holds all its windows, and gradient checkpointing keeps less of a forward pass.

use std::sync::{Mutex, PoisonError};

use burn::tensor::{DType, Device, Tensor};
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::grid::Window;
use burn_patch::ops::project_patches;
use burn_patch_tests::{backends, det_tensor};
use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// One test measures at a time.
static MEASURING: Mutex<()> = Mutex::new(());

const LIMIT: usize = 64 << 20;
/// Backends whose tensors live in this process's heap and whose kernel is ours.
const MEASURED: [&str; 2] = ["flex", "ndarray"];

#[test]
fn overlapping_windows_of_large_pictures_take_a_block_per_thread() {
    const BATCH: usize = 8;
    const SIDE: usize = 1024;
    const DIM: usize = 64;
    let _measuring = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    let grid = Window::symmetric([7, 7], [4, 4], [3, 3])
        .layout([SIDE, SIDE])
        .unwrap();
    let output = BATCH * grid.tokens() * DIM * size_of::<f32>();
    let windows = BATCH * grid.tokens() * 3 * 7 * 7 * size_of::<f32>();
    for backend in backends() {
        if !MEASURED.contains(&backend.name) {
            continue;
        }
        let images = Tensor::zeros([BATCH, 3, SIDE, SIDE], &backend.device);
        let weight = det_tensor([DIM, 3, 7, 7], 1, &backend.device, DType::F32);
        let bias = det_tensor([DIM], 2, &backend.device, DType::F32);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let tokens = project_patches(images, weight, Some(bias), &grid);
        let extra = MEMORY.peak_usage() - before - output;
        assert!(
            extra < LIMIT,
            "{}: {} MiB beyond input and output, all windows would be {} MiB",
            backend.name,
            extra >> 20,
            windows >> 20
        );
        assert_eq!(tokens.dims(), [BATCH, grid.tokens(), DIM]);
    }
}

/// Peak bytes of a forward and backward pass beyond what is there before.
fn step(device: &Device) -> usize {
    let embed = LinearPatchEmbedConfig::new([8, 8], 3, 64).init(device);
    let vit = VitConfig::new([64, 64], EncoderConfig::new(4, 4))
        .with_head(HeadConfig::classes(10))
        .init(embed, device);
    let run = || {
        let images = det_tensor([16, 3, 64, 64], 1, device, DType::F32);
        vit.forward(images).square().sum().backward()
    };
    // The first call builds what stays: lazy parameters, thread pools.
    drop(run());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    drop(run());
    MEMORY.peak_usage() - before
}

/// GELU's and the norms' outputs, 6 of the 16 widths that a block keeps for each token, are computed again.
#[test]
fn gradient_checkpointing_keeps_less() {
    let _measuring = MEASURING.lock().unwrap_or_else(PoisonError::into_inner);
    for backend in backends() {
        if !MEASURED.contains(&backend.name) {
            continue;
        }
        let device = backend.device.autodiff();
        let [kept, again] = [device.clone(), device.gradient_checkpointing()].map(|d| step(&d));
        assert!(
            again < kept / 4 * 3,
            "{}: {again} bytes where {kept} are kept without",
            backend.name
        );
    }
}
