//! Parity with PyTorch, and with the classes that are its convolutions: `golden/motion.safetensors`.

use burn::tensor::{DType, Int, Tensor, TensorData};
use burn_patch::embed::{
    CropBox, DeformablePatchEmbedConfig, MultiresPatchEmbedConfig, PatchEmbed,
    SignalPatchEmbedConfig, TubeletPatchEmbedConfig,
};
use burn_patch_tests::{det_tensor, fill};

use crate::parity::{assert_golden, golden};

const SEED: u64 = 1;

const FILE: &str = "motion.safetensors";

#[test]
fn tubelets_as_vivit() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let embed = fill(
            TubeletPatchEmbedConfig::new([2, 8, 8], 3, 16).init(device),
            SEED,
        );
        let frames = det_tensor([1, 4, 3, 16, 16], 0, device, DType::F32);
        let tokens = embed.forward_video(frames.swap_dims(1, 2));
        assert_golden(
            "vivit_tubelet",
            tokens.into_embeddings(),
            golden.take("vivit_tubelet"),
        );
    });
}

#[test]
fn tubelets_as_qwen2_vl() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let config = TubeletPatchEmbedConfig::new([2, 4, 4], 3, 16).with_bias(false);
        let embed = fill(config.init(device), SEED);
        // Each row is a clip of one tubelet.
        let rows = det_tensor([10, 3, 2, 4, 4], 0, device, DType::F32);
        let tokens = embed.forward_video(rows).into_embeddings();
        assert_golden(
            "qwen2vl_tubelet",
            tokens.squeeze_dim::<2>(1),
            golden.take("qwen2vl_tubelet"),
        );

        let frames = det_tensor([4, 3, 16, 24], 0, device, DType::F32);
        let video = frames.swap_dims(0, 1).unsqueeze_dim(0);
        let blocks = merge_blocks([2, 4, 6], 2);
        let index =
            Tensor::<2, Int>::from_data(TensorData::new(blocks.clone(), [1, blocks.len()]), device);
        let tokens = embed.forward_video(video).select(index);
        assert_golden(
            "qwen2vl_blocks",
            tokens.into_embeddings(),
            golden.take("qwen2vl_blocks"),
        );
    });
}

/// Row-major tokens of `[times, rows, cols]` in Qwen2-VL's order: time, blocks, and inside a block row-major.
fn merge_blocks([times, rows, cols]: [usize; 3], block: usize) -> Vec<i32> {
    let mut tokens: Vec<usize> = (0..times * rows * cols).collect();
    tokens.sort_by_key(|token| {
        let (row, col) = (token / cols, token % cols);
        (row / block, col / block, row % block, col % block)
    });
    tokens.into_iter().map(|token| token as i32).collect()
}

#[test]
fn signals_as_a_one_dimensional_convolution() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let embed = fill(SignalPatchEmbedConfig::new(5, 3, 2, 16).init(device), SEED);
        let tokens = embed.forward(det_tensor([2, 2, 20], 0, device, DType::F32));
        assert_golden(
            "signal_k5s3",
            tokens.into_embeddings(),
            golden.take("signal_k5s3"),
        );
    });
}

#[test]
fn deformable_patches_as_dpt_with_grid_sample() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let cases = [
            (
                ["deformable_2x2", "deformable_2x2_boxes"],
                [2, 4, 6, 10],
                [2, 2],
                8,
                SEED,
            ),
            (
                ["deformable_4x2", "deformable_4x2_boxes"],
                [2, 3, 8, 12],
                [4, 2],
                16,
                19,
            ),
        ];
        for ([name, boxes], shape, patch, dim, seed) in cases {
            let config = DeformablePatchEmbedConfig::new(patch, shape[1], dim);
            let embed = fill(config.init(device), seed);
            let tokens = embed.forward(det_tensor(shape, 0, device, DType::F32));
            assert_golden(boxes, tokens.boxes_px(), golden.take(boxes));
            assert_golden(name, tokens.into_embeddings(), golden.take(name));
        }
    });
}

#[test]
fn several_resolutions_as_pooled_and_resized_images() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let config = MultiresPatchEmbedConfig::new([4, 2], 3, 8)
            .with_levels(2)
            .with_crop(Some([8, 6]));
        let embed = fill(config.init(device), SEED);
        let images = det_tensor([2, 3, 16, 24], 0, device, DType::F32);
        let levels = embed.forward(images.clone());
        assert_golden(
            "multires_levels",
            levels.into_embeddings(),
            golden.take("multires_levels"),
        );

        let crops = [[3.0, 5.0, 4.0, 9.0], [0.0, 0.0, 16.0, 24.0]];
        let crops = crops.map(|[y, x, height, width]| CropBox {
            y,
            x,
            height,
            width,
        });
        let tokens = embed.forward_with_crops(images, &crops).unwrap();
        let tokens = tokens.into_embeddings().slice_dim(1, 63..);
        assert_golden("multires_crops", tokens, golden.take("multires_crops"));
    });
}
