//! Whole hierarchical backbones with timm's weights.

use burn::module::Module;
use burn::store::{ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::{Device, Tensor};
use burn_patch_tests::{Golden, backends, golden_folder, largest_difference, tolerance};
use burn_vit::{Pvt, PvtConfig, Swin, SwinConfig, SwinVersion};

fn load<M: Module>(model: &mut M, name: &str, names: &[(&str, &str)]) {
    let file = golden_folder().join(format!("checkpoints/{name}/model.safetensors"));
    let store = SafetensorsStore::from_file(file)
        .with_from_adapter(PyTorchToBurnAdapter)
        .skip_enum_variants(true);
    let mut store = names.iter().fold(store, |store, (theirs, ours)| {
        store.with_key_remapping(*theirs, *ours)
    });
    let report = model.load_from(&mut store).unwrap();
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    assert!(report.missing.is_empty(), "{:?}", report.missing);
}

fn assert_close<const D: usize>(name: &str, got: Tensor<D>, io: &mut Golden) {
    let apart = largest_difference(&got.into_data(), &io.take(name)).0;
    assert!(apart <= tolerance::MODEL, "{name}: {apart:.1e}");
}

fn swin(version: SwinVersion, device: &Device) -> Swin {
    SwinConfig::new([64, 64], 24, vec![2, 2], vec![2, 4])
        .with_window([4, 4])
        .with_version(version)
        .with_classes(Some(10))
        .init(device)
}

#[test]
fn swin_of_both_versions_agrees_with_timm() {
    let second = SwinVersion::V2 {
        pretrained_window: None,
    };
    for backend in backends() {
        let device = &backend.device;
        for (name, version) in [("timm_swin", SwinVersion::V1), ("timm_swinv2", second)] {
            let mut model = swin(version, device);
            load(&mut model, name, Swin::TIMM_NAMES);
            let mut io = Golden::open(&format!("checkpoints/{name}/io.safetensors"));
            let images = Tensor::<4>::from_data(io.take("images"), device);
            let map = model.forward_features(images.clone()).to_feature_map();
            let map = map.unwrap().permute([0, 2, 3, 1]);
            assert_close("tokens_nhwc", map, &mut io);
            assert_close("logits", model.forward(images), &mut io);
        }
    }
}

#[test]
fn pvt_v2_agrees_with_timm() {
    for backend in backends() {
        let device = &backend.device;
        let mut model = PvtConfig::new([16, 32, 40, 64], [1; 4], [1, 2, 5, 8])
            .with_classes(Some(10))
            .init(device);
        load(&mut model, "timm_pvt_v2", Pvt::TIMM_NAMES);
        let mut io = Golden::open("checkpoints/timm_pvt_v2/io.safetensors");
        let images = Tensor::<4>::from_data(io.take("images"), device);
        let map = model.forward_features(images.clone()).to_feature_map();
        assert_close("features_nchw", map.unwrap(), &mut io);
        assert_close("logits", model.forward(images), &mut io);
    }
}
