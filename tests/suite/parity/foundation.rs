//! Parity with timm, transformers and vit-pytorch: `golden/foundation.safetensors`.

use burn::tensor::{DType, Tensor, TensorData};
use burn_patch::embed::{
    FlatOrder, LinearPatchEmbedConfig, OverlapPatchEmbedConfig, OverlapPreset, PatchEmbed,
    PatchNorm, patchify,
};
use burn_patch::grid::Remainder;
use burn_patch::position::{SinCosDialect, sincos_table};
use burn_patch::reduce::RandomMask;
use burn_patch_tests::{
    BackendDevice, Golden, det, det_tensor, fill, largest_difference, tolerance,
};
use burn_vit::{EncoderConfig, MaeConfig, VitConfig};

use crate::parity::{assert_golden, golden, kept_ids};

const SEED: u64 = 1;

const FILE: &str = "foundation.safetensors";

fn embedded(
    backend: &BackendDevice,
    config: &LinearPatchEmbedConfig,
    shape: [usize; 4],
) -> burn_patch::Tokens {
    let embed = fill(config.init(&backend.device), SEED);
    embed.forward(det_tensor(shape, 0, &backend.device, DType::F32))
}

#[test]
fn linear_embedding_as_timm() {
    golden(FILE, |backend, golden| {
        let config = LinearPatchEmbedConfig::new([8, 16], 3, 32);
        let tokens = embedded(backend, &config, [2, 3, 32, 48]);
        let map = tokens.to_feature_map().unwrap();
        assert_golden("NLC", tokens.embeddings(), golden.take("patch_embed_NLC"));
        assert_golden("NCHW", map.clone(), golden.take("patch_embed_NCHW"));
        assert_golden(
            "NHWC",
            map.permute([0, 2, 3, 1]),
            golden.take("patch_embed_NHWC"),
        );

        let padded = config.with_remainder(Remainder::Pad);
        let tokens = embedded(backend, &padded, [1, 3, 30, 45]);
        assert_golden(
            "dynamic_img_pad",
            tokens.embeddings(),
            golden.take("patch_embed_dynpad_30x45"),
        );

        let normed = LinearPatchEmbedConfig::new([8, 8], 3, 32)
            .with_bias(false)
            .with_norm(PatchNorm::Layer { epsilon: 1e-5 });
        let tokens = embedded(backend, &normed, [1, 3, 32, 32]);
        assert_golden(
            "norm, no bias",
            tokens.embeddings(),
            golden.take("patch_embed_ln_nobias"),
        );
    });
}

#[test]
fn overlapping_embedding_as_pvt_v2() {
    golden(FILE, |backend, golden| {
        let cases = [
            (
                "pvtv2_overlap_k7s4_33x47",
                OverlapPreset::PvtV2Stem,
                [1, 3, 33, 47],
                16,
            ),
            (
                "pvtv2_overlap_k3s2",
                OverlapPreset::PvtV2Stage,
                [1, 16, 9, 12],
                32,
            ),
        ];
        for (name, preset, shape, dim) in cases {
            let config = OverlapPatchEmbedConfig::preset(preset, shape[1], dim);
            let embed = fill(config.init(&backend.device), SEED);
            let tokens = embed.forward(det_tensor(shape, 0, &backend.device, DType::F32));
            let map = tokens.to_feature_map().unwrap().permute([0, 2, 3, 1]);
            assert_golden(name, map, golden.take(name));
        }
    });
}

#[test]
fn sine_cosine_dialects() {
    let mut golden = Golden::open(FILE);
    let cases = [
        ("sincos2d_timm_2x3_d16", SinCosDialect::Timm),
        ("sincos2d_timm_interleave", SinCosDialect::RowsFirst),
        ("sincos2d_hf_hw", SinCosDialect::RowsFirst),
        ("sincos2d_mae_wh", SinCosDialect::Mae),
        ("sincos2d_bigvision_2x3_d16", SinCosDialect::BigVision),
    ];
    for (name, dialect) in cases {
        let table = sincos_table([2, 3], 16, dialect).unwrap();
        let got = TensorData::new(table, [6, 16]);
        let apart = largest_difference(&got, &golden.take(name)).0;
        assert!(apart <= tolerance::F32, "{name}: {apart:.1e}");
    }
}

#[test]
fn masking_target_and_loss_as_mae() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let images: Tensor<4> = det_tensor([2, 3, 16, 16], 0, device, DType::F32);
        let patches = patchify(images.clone(), [4, 4], FlatOrder::ChannelsLast).unwrap();
        assert_golden(
            "patchify",
            patches.embeddings(),
            golden.take("mae_patchify_p4"),
        );

        let tokens = patches.map(|_| det_tensor([2, 16, 4], 0, device, DType::F32));
        let (visible, restore) = RandomMask::new(0.75).apply(tokens, &det(32, 9));
        assert_golden("keep", visible.embeddings(), golden.take("mae_keep"));
        assert_golden("mask", restore.mask(), golden.take("mae_mask"));
        let ids = golden.take("mae_ids_restore");
        let want = kept_ids(Tensor::from_data(ids, device), &restore);
        assert_golden("ids_restore", restore.owner().float(), want.into_data());

        let embed = LinearPatchEmbedConfig::new([4, 4], 3, 8).init(device);
        let mae = MaeConfig::new(VitConfig::new([16, 16], EncoderConfig::new(1, 2)), 8, 1, 2)
            .init(embed, device);
        let target = mae.target(images.clone());
        assert_golden("target", target, golden.take("mae_normpix_target_unbiased"));

        let output = mae.forward(images.clone(), &det(32, 9));
        let prediction = output
            .prediction
            .map(|_| det_tensor([2, 16, 48], 11, device, DType::F32));
        let loss = mae.loss(images, &prediction, restore.mask());
        assert_golden("loss", loss, golden.take("mae_loss"));
    });
}
