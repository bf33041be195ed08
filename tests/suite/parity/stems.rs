//! Parity of stems and hybrids with timm and pycls: `golden/stems.safetensors` and three checkpoints.

use burn::module::{Module, RunningState};
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::{DType, Tensor};
use burn_patch::embed::{
    Backbone, ConvNextStemConfig, ConvStemPatchEmbed, ConvStemPatchEmbedConfig, ConvStemPreset,
    ConvStep, HybridPatchEmbedConfig, HybridPreset, PatchEmbed, ResNetV2Config, StemActivation,
    StemEnd,
};
use burn_patch_tests::{BackendDevice, Golden, backends, det_tensor, fill, golden_folder};

use crate::parity::{assert_golden, golden};

const FILE: &str = "stems.safetensors";

fn filled(backend: &BackendDevice, config: &ConvStemPatchEmbedConfig) -> ConvStemPatchEmbed {
    let device = &backend.device;
    let mut embed = fill(config.init(device), 1);
    for step in &mut embed.stem {
        let bn = step.bn.as_mut().expect("a norm");
        let [dim] = bn.gamma.val().dims();
        let values = |seed| det_tensor::<1>([dim], seed, device, DType::F32);
        bn.running_mean = RunningState::new(values(7));
        bn.running_var = RunningState::new(values(8).abs() + 0.5);
    }
    embed
}

#[test]
fn levit_stem_and_its_fused_form() {
    golden(FILE, |backend, golden| {
        let config = ConvStemPatchEmbedConfig::for_stride([16, 16], 3, 64);
        let embed = filled(backend, &config);
        let images: Tensor<4> = det_tensor([1, 3, 64, 64], 0, &backend.device, DType::F32);
        let map = embed.forward(images.clone()).to_feature_map().unwrap();
        assert_golden("levit", map, golden.take("levit_stem16_64"));
        let map = embed.fold().forward(images).to_feature_map().unwrap();
        assert_golden("fused", map, golden.take("levit_stem16_64_fused"));
    });
}

#[test]
fn early_convolutions() {
    golden(FILE, |backend, golden| {
        let steps = [(2, 8), (1, 8), (2, 16)];
        let steps = steps.map(|(stride, dim)| ConvStep::new([3; 2], [stride; 2], dim));
        let config = ConvStemPatchEmbedConfig::new(steps.into(), 3)
            .with_activation(StemActivation::Relu)
            .with_end(StemEnd::Projection { dim: 24 });
        let images = det_tensor([2, 3, 21, 32], 0, &backend.device, DType::F32);
        let embed = filled(backend, &config);
        let want = golden.take("vit_c_stem");
        for embed in [embed.fold(), embed] {
            let map = embed.forward(images.clone()).to_feature_map().unwrap();
            assert_golden("vit_c", map, want.clone());
        }
    });
}

#[test]
fn resnet_with_its_gradients() {
    golden(FILE, |backend, golden| {
        let device = backend.device.clone().autodiff();
        let config = ResNetV2Config::new([2, 1].into())
            .with_stem_dim(16)
            .with_stage_dims([32, 64].into())
            .with_groups(8);
        let resnet = fill(config.init(&device), 1);
        let images = det_tensor([2, 3, 30, 33], 0, &device, DType::F32).require_grad();
        let features = resnet.forward(images.clone());
        let factor = det_tensor(features.dims(), 901, &device, DType::F32);
        let grads = (features.clone() * factor).sum().backward();
        assert_golden("features", features, golden.take("resnet_v2_features"));
        assert_golden(
            "images",
            images.grad(&grads).unwrap(),
            golden.take("resnet_v2_images_grad"),
        );
        assert_golden(
            "stem.conv",
            resnet.stem.conv.weight.val().grad(&grads).unwrap(),
            golden.take("resnet_v2_stem_conv_grad"),
        );
        let shortcut = resnet.stages[1].blocks[0].downsample.as_ref().unwrap();
        let gamma = shortcut.norm.gamma.as_ref().unwrap();
        assert_golden(
            "downsample.norm",
            gamma.val().grad(&grads).unwrap(),
            golden.take("resnet_v2_downsample_norm_grad"),
        );
    });
}

/// Loads a checkpoint under renamed keys; nothing but the norms' counters of batches may be left.
fn load<M: Module>(module: &mut M, name: &str, renamed: &[(&str, &str)]) {
    let file = golden_folder().join(format!("checkpoints/{name}/model.safetensors"));
    let mut store = SafetensorsStore::from_file(file)
        .with_from_adapter(PyTorchToBurnAdapter)
        .skip_enum_variants(true);
    for (theirs, ours) in renamed {
        store = store.with_key_remapping(*theirs, *ours);
    }
    let report = module.load_from(&mut store).unwrap();
    let unused = report.unused.iter();
    let unused: Vec<_> = unused
        .filter(|name| !name.ends_with("num_batches_tracked"))
        .collect();
    assert!(unused.is_empty(), "{name}: {unused:?}");
}

fn assert_io<const D: usize>(
    name: &str,
    output: &str,
    backend: &BackendDevice,
    run: impl Fn(Tensor<4>) -> Tensor<D>,
) {
    let mut io = Golden::open(&format!("checkpoints/{name}/io.safetensors"));
    let images = Tensor::from_data(io.take("images"), &backend.device);
    assert_golden(name, run(images), io.take(output));
    assert!(io.into_tensors().is_empty(), "{name}");
}

/// timm counts its convolutions from 1.
#[test]
fn timm_levit_stem_checkpoint() {
    const NAME: &str = "timm_levit_stem";
    for backend in backends() {
        let config = ConvStemPatchEmbedConfig::preset(ConvStemPreset::Levit128S, 3);
        let mut embed = config.init(&backend.device);
        let renamed = [
            (r"^stem\.conv1\.", "stem.0."),
            (r"^stem\.conv2\.", "stem.1."),
            (r"^stem\.conv3\.", "stem.2."),
            (r"^stem\.conv4\.", "stem.3."),
        ];
        load(&mut embed, NAME, &renamed);
        for embed in [embed.fold(), embed] {
            assert_io(NAME, "stem_nchw", &backend, |images| {
                embed.forward(images).to_feature_map().unwrap()
            });
        }
    }
}

#[test]
fn timm_convnext_stem_checkpoint() {
    const NAME: &str = "timm_convnext_stem";
    for backend in backends() {
        let mut stem = ConvNextStemConfig::new(3, 40).init(&backend.device);
        load(
            &mut stem,
            NAME,
            &[(r"^stem\.0\.", "conv."), (r"^stem\.1\.", "norm.")],
        );
        assert_io(NAME, "stem_nchw", &backend, |images| stem.forward(images));
    }
}

/// timm's backbone is here the stem itself, whose names lie one level higher.
#[test]
fn timm_hybrid_r_s16_p8_checkpoint() {
    const NAME: &str = "timm_hybrid_r_s16_p8";
    for backend in backends() {
        let config = HybridPatchEmbedConfig::preset(HybridPreset::RTiS16P8, 3);
        let mut embed = config.init(&backend.device);
        let renamed = [
            (r"^patch_embed\.backbone\.", "backbone.stem."),
            (r"^patch_embed\.", ""),
        ];
        load(&mut embed, NAME, &renamed);
        assert_io(NAME, "embed", &backend, |images| {
            embed.forward(images).into_embeddings()
        });
    }
}
