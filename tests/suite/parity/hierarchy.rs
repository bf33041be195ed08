//! Parity with timm and PyTorch: `golden/hierarchy.safetensors`, and the first levels of timm's Swin and PVTv2.

use burn::module::{Module, ModuleMapper, Param};
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::{DType, Device, Tensor};
use burn_patch::Tokens;
use burn_patch::embed::{
    DownsampleConfig, DownsampleKind, MergeOrder, PatchEmbed, PatchMergingConfig, PyramidLevel,
    PyramidPatchEmbed, PyramidPatchEmbedConfig, SoftSplit, T2tBlockKind, T2tPatchEmbedConfig,
};
use burn_patch_tests::{
    Golden, backends, det_tensor, fill, golden_folder, largest_difference, tolerance,
};

use crate::parity::{assert_golden, golden};

const FILE: &str = "hierarchy.safetensors";

/// The formula values as PyTorch has them: the weights of linear layers lie `[output, input]` there.
fn fill_as_torch<M: Module>(module: M) -> M {
    struct Transpose(String);
    impl ModuleMapper for Transpose {
        fn enter_module(&mut self, name: &str, _: &str) {
            name.clone_into(&mut self.0);
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if D != 2 || self.0 != "weight" {
                return param;
            }
            param.map(|value| {
                let dims = value.dims();
                let theirs = value.reshape([dims[1], dims[0]]);
                theirs.transpose().reshape(dims)
            })
        }
    }
    fill(module, 1).map(&mut Transpose(String::new()))
}

fn nhwc(tokens: &Tokens) -> Tensor<4> {
    tokens.to_feature_map().unwrap().permute([0, 2, 3, 1])
}

fn images<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    det_tensor(shape, 0, device, DType::F32)
}

#[test]
fn merging_as_swin() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let map = |rows, cols| images([1, rows, cols, 8], device).permute([0, 3, 1, 2]);
        let merging = fill_as_torch(PatchMergingConfig::new(8).init(device));
        let tokens = merging.forward(map(5, 7));
        assert_golden("v1", nhwc(&tokens), golden.take("swin_merge_5x7"));

        // Version 2 has its matrix first, so that the formula counts it first.
        let config = PatchMergingConfig::new(8).with_order(MergeOrder::ReduceFirst);
        let mut merging = config.init(device);
        let param = |seed| Param::from_tensor(det_tensor([16], seed, device, DType::F32));
        let weight = det_tensor([16, 32], 1, device, DType::F32).transpose();
        merging.reduction.weight = Param::from_tensor(weight);
        merging.norm.gamma = param(2);
        merging.norm.beta = Some(param(3));
        let cases = [("swinv2_merge_4x6", [4, 6]), ("swinv2_merge_5x7", [5, 7])];
        for (name, [rows, cols]) in cases {
            let tokens = merging.forward(map(rows, cols));
            assert_golden(name, nhwc(&tokens), golden.take(name));
        }
    });
}

#[test]
fn levels_as_convnext() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let cases = [
            (
                "convnext_stem_22x31",
                DownsampleKind::ConvNextStem,
                4,
                [2, 3, 22, 31],
                8,
            ),
            (
                "convnext_downsample_7x9",
                DownsampleKind::ConvNext,
                2,
                [2, 8, 7, 9],
                16,
            ),
        ];
        for (name, kind, stride, shape, dim) in cases {
            let config = DownsampleConfig::new(kind, [stride; 2], shape[1], dim);
            let tokens = fill_as_torch(config.init(device)).forward(images(shape, device));
            assert_golden(name, tokens.to_feature_map().unwrap(), golden.take(name));
        }
    });
}

#[test]
fn levels_as_the_plain_convolutional_pyramid() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let level = |dim| PyramidLevel {
            kind: DownsampleKind::ConvBatchNorm,
            stride: [2, 2],
            dim,
        };
        let config = PyramidPatchEmbedConfig::new(3, vec![level(6), level(10)]);
        let embed = fill_as_torch(config.init(device));
        let levels = embed.forward_levels(images([2, 3, 13, 18], device));
        for (tokens, name) in levels
            .iter()
            .zip(["conv_pyramid_level0", "conv_pyramid_level1"])
        {
            assert_golden(name, tokens.to_feature_map().unwrap(), golden.take(name));
        }
    });
}

#[test]
fn tokens_to_token_as_published() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let cases = [
            ("t2t_transformer_40x56", T2tBlockKind::Transformer),
            ("t2t_performer_40x56", T2tBlockKind::Performer),
        ];
        for (name, block) in cases {
            let config = T2tPatchEmbedConfig::new(SoftSplit::PUBLISHED.to_vec(), 3, 12)
                .with_token_dim(8)
                .with_block(block);
            let embed = fill_as_torch(config.init(device));
            let tokens = embed.forward(images([2, 3, 40, 56], device));
            assert_golden(name, tokens.into_embeddings(), golden.take(name));
        }
    });
}

/// Two levels with the weights in `checkpoints/NAME`; `keys` renames theirs to ours.
fn load(
    name: &str,
    keys: [(&str, &str); 2],
    kinds: [DownsampleKind; 2],
    dims: [usize; 2],
    device: &Device,
) -> PyramidPatchEmbed {
    let level = |index: usize, step| PyramidLevel {
        kind: kinds[index],
        stride: [step; 2],
        dim: dims[index],
    };
    let mut embed = PyramidPatchEmbedConfig::new(3, vec![level(0, 4), level(1, 2)]).init(device);
    let file = golden_folder().join(format!("checkpoints/{name}/model.safetensors"));
    let mut store = SafetensorsStore::from_file(file)
        .with_from_adapter(PyTorchToBurnAdapter)
        .skip_enum_variants(true)
        .with_key_remapping(keys[0].0, keys[0].1)
        .with_key_remapping(keys[1].0, keys[1].1);
    let report = embed.load_from(&mut store).unwrap();
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    embed
}

fn assert_levels(name: &str, embed: &PyramidPatchEmbed, outputs: [&str; 2], device: &Device) {
    let mut io = Golden::open(&format!("checkpoints/{name}/io.safetensors"));
    let images = Tensor::from_data(io.take("images"), device);
    for (tokens, output) in embed.forward_levels(images).iter().zip(outputs) {
        let apart = largest_difference(&nhwc(tokens).into_data(), &io.take(output)).0;
        assert!(apart <= tolerance::MODEL, "{name}, {output}: {apart:.1e}");
    }
}

#[test]
fn timm_swin_embedding_and_first_merging() {
    const NAME: &str = "timm_swin_embed_merge";
    for backend in backends() {
        let embed = load(
            NAME,
            [
                (r"^patch_embed\.", "levels.0."),
                (r"^layers\.1\.downsample\.", "levels.1."),
            ],
            [DownsampleKind::Patches, DownsampleKind::SwinMerge],
            [24, 48],
            &backend.device,
        );
        assert_levels(NAME, &embed, ["embed_nhwc", "merged_nhwc"], &backend.device);
    }
}

#[test]
fn timm_pvt_v2_embedding_and_first_downsampling() {
    const NAME: &str = "timm_pvt_v2_b0_embed";
    for backend in backends() {
        let embed = load(
            NAME,
            [
                (r"^patch_embed\.", "levels.0."),
                (r"^stages\.1\.downsample\.", "levels.1."),
            ],
            [DownsampleKind::Overlap, DownsampleKind::Overlap],
            [32, 64],
            &backend.device,
        );
        assert_levels(NAME, &embed, ["stage1", "stage2"], &backend.device);
    }
}
