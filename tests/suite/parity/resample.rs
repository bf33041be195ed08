//! Parity of resampling with timm, transformers and PyTorch: `golden/resample.safetensors`.

use std::sync::Arc;

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::Tokens;
use burn_patch::embed::{FlatOrder, LinearPatchEmbedConfig, PatchEmbed, patchify};
use burn_patch::grid::{PatchGrid, Remainder, Window};
use burn_patch::position::{
    BucketedPositionConfig, FactorizedPositionConfig, LearnedPositionConfig, Position, Site,
};
use burn_patch::resample::{Align, ChannelMap, Filter, Profile, resize, resize_kernel, sample};
use burn_patch::tokens::{Layout, Places};
use burn_patch_tests::{BackendDevice, Golden, det_tensor, fill};

use crate::parity::{assert_golden, golden};

const FILE: &str = "resample.safetensors";

const LINEAR: Filter = Filter::Linear(Align::Edges);

/// Parameters of the references: det with seeds from 1 on, in their order.
fn parameter<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    det_tensor(shape, seed, device, DType::F32)
}

fn grid([rows, cols]: [usize; 2]) -> PatchGrid {
    Window::patch([1, 1], Remainder::Reject)
        .layout([rows, cols])
        .unwrap()
}

/// The first `count` tokens of image `index` from token `from`.
fn part(want: &TensorData, index: usize, from: usize, count: usize) -> TensorData {
    let [_, tokens, dim] = [0, 1, 2].map(|axis| want.shape()[axis]);
    let values: Vec<f32> = want.try_to_vec_as().unwrap();
    let start = (index * tokens + from) * dim;
    TensorData::new(values[start..start + count * dim].to_vec(), [1, count, dim])
}

#[test]
fn kernels_are_resized_as_by_timm() {
    let cases = [
        ("pi_resize_16to8x8_bicubic_aa1", [8, 8], Filter::SmoothCubic),
        ("pi_resize_16to8x8_bilinear_aa0", [8, 8], LINEAR),
        (
            "pi_resize_16to8x8_bilinear_aa1",
            [8, 8],
            Filter::SmoothLinear,
        ),
        (
            "pi_resize_16to14x14_bicubic_aa1",
            [14, 14],
            Filter::SmoothCubic,
        ),
        ("pi_resize_16to14x14_bilinear_aa0", [14, 14], LINEAR),
        (
            "pi_resize_16to14x14_bilinear_aa1",
            [14, 14],
            Filter::SmoothLinear,
        ),
        (
            "pi_resize_16to32x32_bicubic_aa1",
            [32, 32],
            Filter::SmoothCubic,
        ),
        ("pi_resize_16to32x32_bilinear_aa0", [32, 32], LINEAR),
        (
            "pi_resize_16to32x32_bilinear_aa1",
            [32, 32],
            Filter::SmoothLinear,
        ),
        (
            "pi_resize_16to12x20_bicubic_aa1",
            [12, 20],
            Filter::SmoothCubic,
        ),
        ("pi_resize_16to12x20_bilinear_aa0", [12, 20], LINEAR),
        (
            "pi_resize_16to12x20_bilinear_aa1",
            [12, 20],
            Filter::SmoothLinear,
        ),
    ];
    golden(FILE, |backend, golden| {
        for (name, to, filter) in cases {
            let weight = parameter([4, 3, 16, 16], 0, &backend.device);
            let got = resize_kernel(weight, to, filter).unwrap();
            assert_golden(name, got, golden.take(name));
        }
    });
}

#[test]
fn channels_are_adapted_as_by_timm() {
    let cases = [
        ("in_chans_3to1", 1),
        ("in_chans_3to4", 4),
        ("in_chans_3to5", 5),
        ("in_chans_3to7", 7),
    ];
    golden(FILE, |backend, golden| {
        for (name, to) in cases {
            let weight = parameter([2, 3, 4, 4], 0, &backend.device);
            let got = ChannelMap::repeat(3, to).unwrap().apply(weight).unwrap();
            assert_golden(name, got, golden.take(name));
        }
    });
}

/// A table with a class row, resized once, and added to zeros forward by forward.
#[test]
fn tables_with_prefix_rows_are_resized_as_by_timm_and_transformers() {
    let cases = [
        ("abs_pos_timm_16x16_bicubic_aa", [16, 16], Profile::Timm),
        ("abs_pos_timm_10x20_bicubic_aa", [10, 20], Profile::Timm),
        ("abs_pos_timm_7x7_bicubic_aa", [7, 7], Profile::Timm),
        ("abs_pos_timm_24x24_bicubic_aa", [24, 24], Profile::Timm),
        (
            "abs_pos_hf_16x16_bicubic_noaa",
            [16, 16],
            Profile::HuggingFace,
        ),
        (
            "abs_pos_hf_10x20_bicubic_noaa",
            [10, 20],
            Profile::HuggingFace,
        ),
        ("abs_pos_hf_7x7_bicubic_noaa", [7, 7], Profile::HuggingFace),
        (
            "abs_pos_hf_24x24_bicubic_noaa",
            [24, 24],
            Profile::HuggingFace,
        ),
    ];
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, to, profile) in cases {
            let config = LearnedPositionConfig::new().with_resample(Some(profile));
            let site = Site::new([14, 14], 8).with_prefix(1);
            let position = fill(config.init(&site, device), 0);
            let want = golden.take(name);
            let resized = position.resized(to, profile).unwrap();
            assert_golden(name, resized.pos_embed.val(), want.clone());
            let zeros = Tensor::zeros([1, to[0] * to[1], 8], device);
            let tokens = Tokens::from_grid(zeros, grid(to));
            let tokens = tokens.with_prefix(Tensor::zeros([1, 1, 8], device));
            assert_golden(name, position.add(tokens, 0).into_embeddings(), want);
        }
    });
}

#[test]
fn maps_are_resized_as_by_siglip_dinov2_radio_and_qwen() {
    let cases = [
        (
            "abs_pos_siglip2_16x16_bilinear_aa",
            [16, 16],
            Profile::SigLip2,
        ),
        (
            "abs_pos_siglip2_10x20_bilinear_aa",
            [10, 20],
            Profile::SigLip2,
        ),
        ("abs_pos_siglip2_7x7_bilinear_aa", [7, 7], Profile::SigLip2),
        (
            "abs_pos_siglip2_24x24_bilinear_aa",
            [24, 24],
            Profile::SigLip2,
        ),
        ("abs_pos_dinov2_16x16_offset0.1", [16, 16], Profile::DinoV2),
        ("abs_pos_dinov2_10x20_offset0.1", [10, 20], Profile::DinoV2),
        ("abs_pos_dinov2_7x7_offset0.1", [7, 7], Profile::DinoV2),
        ("abs_pos_dinov2_24x24_offset0.1", [24, 24], Profile::DinoV2),
        ("abs_pos_corners_10x20", [10, 20], Profile::Qwen3Vl),
        ("abs_pos_radio_10x20", [10, 20], Profile::Radio),
        (
            "abs_pos_radio_corners_10x20",
            [10, 20],
            Profile::RadioCorners,
        ),
    ];
    golden(FILE, |backend, golden| {
        for (name, to, profile) in cases {
            // The corners' tables are whole ones, the others' what lies behind a class row.
            let behind = if name.contains("corners") || name.contains("radio") {
                0
            } else {
                1
            };
            let table = parameter([1, 196 + behind, 8], 0, &backend.device);
            let table = table.slice_dim(1, behind..).reshape([1, 14, 14, 8]);
            let got = resize(table, to, profile).permute([0, 3, 1, 2]);
            assert_golden(name, got, golden.take(name));
        }
        let name = "abs_pos_rect_2x8_to_4x4";
        let table = parameter([1, 2, 8, 8], 0, &backend.device);
        let got = resize(table, [4, 4], Profile::Timm).reshape([1, 16, 8]);
        assert_golden(name, got, golden.take(name));
    });
}

/// Patches of three images of different grids, the class token and two registers before them.
fn naflex_tokens(device: &Device, seed: u64) -> (Tokens, [PatchGrid; 3]) {
    let sizes = [[24, 40], [40, 16], [32, 32]];
    let weight = parameter([16, 192], seed, device).transpose();
    let bias = parameter([16], seed + 1, device).reshape([1, 1, 16]);
    let mut grids = Vec::new();
    let images = sizes.iter().enumerate().map(|(index, [height, width])| {
        let image = parameter([1, 3, *height, *width], index as u64, device);
        let patches = patchify(image, [8, 8], FlatOrder::ChannelsLast).unwrap();
        grids.push(*patches.grid());
        let count = patches.tokens();
        let tokens = patches.into_embeddings().matmul(weight.clone().unsqueeze()) + bias.clone();
        let padding = Tensor::zeros([1, 16 - count, 16], device);
        match 16 - count {
            0 => tokens,
            _ => Tensor::cat(vec![tokens, padding], 1),
        }
    });
    let embeddings = Tensor::cat(images.collect(), 0);
    let grids: [PatchGrid; 3] = grids.try_into().unwrap();
    let tokens = Tokens::new(embeddings, Layout::Each(Arc::from(grids)), Places::Cells);
    let prefix = [
        parameter([1, 1, 16], 1, device),
        parameter([1, 2, 16], 2, device),
    ];
    (tokens.with_prefix(Tensor::cat(prefix.to_vec(), 1)), grids)
}

fn assert_naflex(name: &str, tokens: Tokens, grids: &[PatchGrid; 3], golden: &mut Golden) {
    let want = golden.take(name);
    let got = tokens.into_embeddings();
    for (index, grid) in grids.iter().enumerate() {
        let count = 3 + grid.tokens();
        let got = got.clone().slice([index..index + 1, 0..count, 0..16]);
        assert_golden(name, got, part(&want, index, 0, count));
    }
}

#[test]
fn naflex_tables_are_those_of_timm() {
    let cases = [
        (
            "naflex_learned_ar0_gs0",
            Profile::Custom(Filter::SmoothLinear),
        ),
        ("naflex_learned_ar0_gs1", Profile::Custom(LINEAR)),
        (
            "naflex_learned_ar1_gs0",
            Profile::Square(Filter::SmoothLinear),
        ),
        ("naflex_learned_ar1_gs1", Profile::Square(LINEAR)),
    ];
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, profile) in cases {
            let (tokens, grids) = naflex_tokens(device, 4);
            let config = LearnedPositionConfig::new().with_resample(Some(profile));
            let position = fill(config.init(&Site::new([6, 6], 16), device), 3);
            let got = position.add(tokens.clone(), 0);
            assert_naflex(name, got, &grids, golden);
            // Again at the boxes over the cells, by weights from the device.
            let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
            let got = position.add(boxed, 0);
            assert_naflex(name, got, &grids, &mut Golden::open(FILE));
        }
    });
}

#[test]
fn naflex_factorized_tables_are_those_of_timm() {
    let cases = [
        ("naflex_factorized_ar0_gs0", false),
        ("naflex_factorized_ar0_gs1", false),
        ("naflex_factorized_ar1_gs0", true),
        ("naflex_factorized_ar1_gs1", true),
    ];
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, aspect) in cases {
            let (tokens, grids) = naflex_tokens(device, 5);
            let config = FactorizedPositionConfig::new().with_aspect(aspect);
            let position = fill(config.init(&Site::new([6, 6], 16), device), 3);
            assert_naflex(name, position.add(tokens, 0), &grids, golden);
        }
    });
}

/// The reference puts the first position into the padding; here nothing is.
#[test]
fn siglip2_embeds_as_transformers() {
    let name = "siglip2_embed";
    golden(FILE, |backend: &BackendDevice, golden: &mut Golden| {
        let device = &backend.device;
        let patches = parameter([2, 20, 48], 0, device);
        let weight = parameter([16, 48], 1, device).transpose();
        let bias = parameter([16], 2, device).reshape([1, 1, 16]);
        let grids = [[3, 6], [5, 4]].map(grid);
        let embeddings = patches.matmul(weight.unsqueeze()) + bias;
        let tokens = Tokens::new(embeddings, Layout::Each(Arc::from(grids)), Places::Cells);
        let config = LearnedPositionConfig::new().with_resample(Some(Profile::SigLip2));
        let position = fill(config.init(&Site::new([4, 4], 16), device), 3);
        let got = position.add(tokens, 0).into_embeddings();
        let want = golden.take(name);
        for (index, grid) in grids.iter().enumerate() {
            let count = grid.tokens();
            let got = got.clone().slice([index..index + 1, 0..count, 0..16]);
            assert_golden(name, got, part(&want, index, 0, count));
        }
    });
}

/// The second image fills 2×4 cells of the 3×5; the reference gives the others the first position.
#[test]
fn idefics2_embeds_as_transformers() {
    let name = "idefics2_bucket_embed";
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let embed = fill(LinearPatchEmbedConfig::new([8, 8], 3, 16).init(device), 1);
        let position = fill(
            BucketedPositionConfig::new().init(&Site::new([4, 4], 16), device),
            3,
        );
        let images = parameter([2, 3, 24, 40], 0, device);
        let want = golden.take(name);
        let run = |images| position.add(embed.forward(images), 0).into_embeddings();
        let first = run(images.clone().slice_dim(0, 0..1));
        assert_golden(name, first, part(&want, 0, 0, 15));
        let second = run(images.slice([1..2, 0..3, 0..16, 0..32]));
        for row in 0..2 {
            let got = second.clone().slice_dim(1, row * 4..row * 4 + 4);
            assert_golden(name, got, part(&want, 1, row * 5, 4));
        }
    });
}

/// Weights from the device at the places of another grid: those from the host.
#[test]
fn sampling_at_a_grids_places_is_resizing_on_every_backend() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let table = parameter([1, 197, 8], 0, device)
            .slice_dim(1, 1..)
            .reshape([1, 14, 14, 8]);
        let place = |at: usize, to: usize| (at as f32 + 0.5) * 14.0 / to as f32 - 0.5;
        let places: Vec<f32> = (0..49)
            .flat_map(|cell| [place(cell / 7, 7), place(cell % 7, 7)])
            .collect();
        let places = TensorData::new(places, [1, 49, 2]);
        let places = Tensor::<3>::from_data(places, (device, DType::F32));
        let steps = Tensor::full([1, 49, 2], 2.0, (device, DType::F32));
        let got = sample(table, places, Some(steps), Filter::SmoothLinear);
        let got = got.reshape([1, 7, 7, 8]).permute([0, 3, 1, 2]);
        let name = "abs_pos_siglip2_7x7_bilinear_aa";
        assert_golden(name, got, golden.take(name));
    });
}
