//! Models whose parameters Burn's `Quantizer` stored in eight bits.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, Quantizer};
use burn::tensor::quantization::{Calibration, QuantValue};
use burn::tensor::{Device, Tensor};
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbed;
use burn_patch_tests::{Golden, backends, golden_folder, largest_difference};
use burn_vit::Vit;
use burn_vit::import::{ImportedModel, Importer};

/// Largest difference over the largest value; eight bits hold a value to 0.4 % of the largest of its tensor.
const EIGHT_BITS: f64 = 0.05;

/// Bytes of all parameters.
fn bytes(model: &impl Module) -> usize {
    struct Bytes(usize);
    impl ModuleVisitor for Bytes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 += param.val().into_data().as_bytes().len();
        }
    }
    let mut bytes = Bytes(0);
    model.visit(&mut bytes);
    bytes.0
}

fn quantizer(device: &Device) -> Quantizer {
    let scheme = device.settings().quantization.scheme;
    Quantizer::new(Calibration::MinMax, scheme.with_value(QuantValue::Q8S))
}

fn timm_vit(name: &str, device: &Device) -> Vit<LinearPatchEmbed> {
    let folder = golden_folder().join("checkpoints").join(name);
    match Importer::new(folder).load(device).unwrap().model {
        ImportedModel::Vit(vit) => vit,
        ImportedModel::Mae(_) => panic!("expected a ViT"),
    }
}

/// All parameters, and the weights of the blocks' linear layers alone.
#[test]
fn a_quantized_vit_gives_nearly_the_same_from_a_quarter_of_the_bytes() {
    for backend in backends().iter().filter(|backend| backend.name == "flex") {
        for name in ["timm_vit", "timm_vit_map", "timm_vit_reg4_ls_qknorm"] {
            let device = &backend.device;
            let vit = timm_vit(name, device);
            let mut io = Golden::open(&format!("checkpoints/{name}/io.safetensors")).into_tensors();
            let images = Tensor::<4>::from_data(io.remove("images").unwrap(), device);
            let outputs = |vit: &Vit<LinearPatchEmbed>| {
                let tokens = vit.forward_features(images.clone(), Noise::None);
                [
                    tokens.embeddings().into_data(),
                    vit.head.forward(&tokens).into_data(),
                ]
            };
            let whole = bytes(&vit);
            let want = outputs(&vit);
            let linear = ParamGroup::from_regex(r"blocks\.\d+\..*weight$").unwrap();
            let all = vit.clone().quantize_weights(&mut quantizer(device));
            let some = vit.quantize_weights_group(&mut quantizer(device), linear);
            for (what, vit, share) in [("all", all, 0.27), ("linear", some, 0.6)] {
                let got = outputs(&vit);
                let apart = got
                    .iter()
                    .zip(&want)
                    .map(|(got, want)| largest_difference(got, want).0);
                let apart = apart.fold(0.0, f64::max);
                let bytes = bytes(&vit) as f64 / whole as f64;
                println!("{name}, {what}: {apart:.1e}, {bytes:.3} of the bytes");
                assert!(
                    apart > 0.0 && apart < EIGHT_BITS,
                    "{name}, {what}: {apart:.1e}"
                );
                assert!(bytes < share, "{name}, {what}: {bytes}");
            }
        }
    }
}
