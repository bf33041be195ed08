//! The projection never holds all its windows: memory beyond input and output, measured.

use burn::tensor::{DType, Tensor};
use burn_patch::grid::Window;
use burn_patch::ops::project_patches;
use burn_patch_tests::{backends, det_tensor};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const LIMIT: usize = 64 << 20;
/// Backends whose tensors live in this process's heap and whose kernel is ours.
const MEASURED: [&str; 2] = ["flex", "ndarray"];

#[test]
fn overlapping_windows_of_large_pictures_take_a_block_per_thread() {
    const BATCH: usize = 8;
    const SIDE: usize = 1024;
    const DIM: usize = 64;
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
