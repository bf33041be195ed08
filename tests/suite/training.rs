//! Parts of a model trained while others stay: frozen, unfrozen, adapted by LoRA, through this repository's operations.

use burn::module::{Lora, Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
use burn_patch::ops::FusedAdamWConfig;
use burn_patch_tests::{backends, det_tensor, fill, gradients, largest_difference, tolerance};
use burn_vit::{EncoderConfig, HeadConfig, ParamGroups, Vit, VitConfig};

fn vit(device: &Device) -> Vit<LinearPatchEmbed> {
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(device);
    let vit = VitConfig::new([8, 12], EncoderConfig::new(2, 2))
        .with_head(HeadConfig::classes(3))
        .init(embed, device);
    fill(vit, 1)
}

fn loss(vit: &Vit<LinearPatchEmbed>, device: &Device) -> Tensor<1> {
    let images = det_tensor([2, 1, 8, 12], 90, device, DType::F32);
    vit.forward(images).square().sum()
}

/// The paths of the parameters that have a gradient.
fn learning(vit: &Vit<LinearPatchEmbed>, device: &Device) -> Vec<String> {
    let grads = loss(vit, device).backward();
    let all = gradients(vit, &grads).into_iter();
    all.filter_map(|(path, grad)| grad.map(|_| path)).collect()
}

#[test]
fn what_is_frozen_has_no_gradient_and_stays() {
    for backend in backends() {
        let device = backend.device.autodiff();
        let whole = vit(&device);
        let mut frozen = whole.clone().no_grad();
        frozen.head = whole.head.clone();
        assert_eq!(
            learning(&frozen, &device),
            ["head.fc.weight", "head.fc.bias"]
        );

        let groups = ParamGroups::of(&frozen).with_weight_decay(0.5);
        let adamw = FusedAdamWConfig::new();
        let mut optimizer =
            groups.optimizer(|decay| adamw.clone().with_weight_decay(decay).build());
        let grads = GradientsParams::from_grads(loss(&frozen, &device).backward(), &frozen);
        let after = optimizer.step(0.1, frozen, grads);
        let trunk =
            |vit: &Vit<LinearPatchEmbed>| vit.encoder.blocks[0].norm1.gamma.val().into_data();
        trunk(&after).assert_eq(&trunk(&whole), true);

        let unfrozen = after.unfreeze();
        let all = ParamGroups::of(&unfrozen);
        assert_eq!(learning(&unfrozen, &device).len(), all.params().len());
    }
}

#[test]
fn lora_trains_its_factors_alone_and_is_merged() {
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        let whole = vit(&device);
        let attention = ParamGroup::from_predicate(".attn.");
        let adapted = whole
            .clone()
            .apply_lora(Lora::new(2, 4.0).set_param_group(attention));
        let start = loss(&adapted, &device).into_data();
        start.assert_eq(&loss(&whole, &device).into_data(), true);
        let learning = learning(&adapted, &device);
        assert_eq!(learning.len(), 2 * 2 * 2, "{learning:?}");
        assert!(
            learning.iter().all(|path| path.contains(".attn.")),
            "{learning:?}"
        );

        let groups = ParamGroups::of(&adapted).with_layer_decay(0.5);
        let of_first = groups
            .params()
            .iter()
            .filter(|param| param.path.contains("blocks.0.attn.qkv.weight"));
        let of_first: Vec<_> = of_first.map(|param| (param.layer, param.decays)).collect();
        assert_eq!(of_first, [(1, true); 3], "weight and factors");
        let mut optimizer = groups.optimizer(|_| FusedAdamWConfig::new().build());
        let mut rates = groups.rates(0.01).init().expect("a rate");
        let mut trained = adapted;
        for _ in 0..3 {
            let grads = GradientsParams::from_grads(loss(&trained, &device).backward(), &trained);
            trained = optimizer.step(rates.step(), trained, grads);
        }
        let after = loss(&trained, &device);
        assert!(after.clone().into_scalar::<f32>() < start.try_to_vec_as::<f32>().unwrap()[0]);
        let merged = trained.valid().materialize();
        let apart = largest_difference(
            &loss(&merged, &backend.device).into_data(),
            &after.into_data(),
        );
        assert!(apart.0 <= tolerance::F32, "{}: {apart:?}", backend.name);
        assert_eq!(merged.num_params(), whole.num_params());
    }
}
