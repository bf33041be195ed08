//! How much memory does an embedding take beyond its input and output, and a training step with and without gradient
//! checkpointing?
//!
//! Tables, not times: `cargo bench -p burn-patch-bench --bench memory`.

#[path = "common/backends.rs"]
mod backends;

use backends::backends;
use std::time::Instant;

use burn::tensor::{Device, Tensor};
use burn_patch::embed::{
    AnyPatchEmbedConfig, EMBEDDINGS, LinearPatchEmbedConfig, OverlapPatchEmbedConfig, PatchEmbed,
    PatchNorm,
};
use burn_vit::{EncoderConfig, HeadConfig, VitConfig};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Backends whose tensors live in this process's heap.
const MEASURED: [&str; 2] = ["flex", "ndarray"];
const MIB: f64 = (1 << 20) as f64;

fn main() {
    println!("peak memory beyond input and output, MiB (input, output)");
    for (backend, device) in backends() {
        if !MEASURED.contains(&backend) {
            println!("{backend}: not measured, its tensors are not in this process's heap");
            continue;
        }
        let overlap = OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, 64)
            .with_norm(PatchNorm::None)
            .init(&device);
        row(
            "overlap 7×7 stride 4 → 64, 8×3×1024×1024",
            backend,
            &overlap,
            [8, 3, 1024, 1024],
            &device,
        );
        for info in EMBEDDINGS {
            let config = AnyPatchEmbedConfig::for_stride(info.name, [16, 16], 3, 768);
            let embed = config.expect("a name of the catalogue").init(&device);
            let name = format!("{}, stride 16 → 768, 8×3×224×224", info.name);
            row(&name, backend, &embed, [8, 3, 224, 224], &device);
        }
    }
    println!(
        "peak memory of forward and backward pass, ViT-S/16 (dim 384, 12 blocks), 8×3×224×224, MiB (seconds)"
    );
    for (backend, device) in backends() {
        if MEASURED.contains(&backend) {
            let device = device.autodiff();
            step("as usual", backend, &device);
            step(
                "gradient checkpointing",
                backend,
                &device.gradient_checkpointing(),
            );
        }
    }
}

fn step(name: &str, backend: &str, device: &Device) {
    let embed = LinearPatchEmbedConfig::new([16, 16], 3, 384).init(device);
    let vit = VitConfig::new([224, 224], EncoderConfig::new(12, 6))
        .with_head(HeadConfig::classes(1000))
        .init(embed, device);
    let images = Tensor::<4>::ones([8, 3, 224, 224], device);
    let run = || vit.forward(images.clone()).square().sum().backward();
    // The first call builds what stays: lazy parameters, thread pools.
    drop(run());
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    drop(run());
    let seconds = start.elapsed().as_secs_f64();
    let peak = (MEMORY.peak_usage() - before) as f64 / MIB;
    println!("{name:<48} {backend:<8} {peak:>8.1} ({seconds:.2})");
}

fn row(name: &str, backend: &str, embed: &impl PatchEmbed, shape: [usize; 4], device: &Device) {
    let images = Tensor::<4>::zeros(shape, device);
    // The first call builds what stays: lazy parameters, thread pools.
    drop(embed.forward(images.clone()));
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let tokens = embed.forward(images);
    let [input, output] = [
        shape.iter().product(),
        tokens.embeddings().dims().iter().product(),
    ]
    .map(|values: usize| (values * size_of::<f32>()) as f64);
    let extra = MEMORY.peak_usage().saturating_sub(before) as f64 - output;
    println!(
        "{name:<48} {backend:<8} {:>8.1} ({:.1}, {:.1})",
        extra.max(0.0) / MIB,
        input / MIB,
        output / MIB
    );
}
