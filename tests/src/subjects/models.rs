//! ViT and MAE, plain and with their options.

use burn::tensor::Device;
use burn_patch::Noise;
use burn_patch::embed::{LinearPatchEmbedConfig, OverlapPatchEmbedConfig};
use burn_patch::layers::Activation;
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::reduce::AnyReduceConfig;
use burn_vit::layers::QkvBias;
use burn_vit::{
    EncoderConfig, HeadConfig, MaeConfig, Pooling, PrefixConfig, ReconstructedPatches, ReduceAt,
    VitConfig,
};

use super::{BATCH, CELLS, CHANNELS, DIM, SIZE, STRIDE, images};
use crate::det::det;
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    vec![vit(), optional_vit(), mae(), reducing_vit(), windows_mae()]
}

fn encoder() -> EncoderConfig {
    EncoderConfig::new(2, 4).with_layer_scale(Some(0.5))
}

fn vit_config() -> VitConfig {
    VitConfig::new(SIZE, encoder())
}

fn vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        vit_config()
            .with_head(HeadConfig::classes(5))
            .init(embed, device)
    };
    Subject::new("Vit", init, |vit, device, dtype| {
        let images = images(device, dtype);
        let tokens = vit
            .forward_features(images.clone(), Noise::None)
            .into_embeddings();
        vec![tokens, vit.forward(images).unsqueeze_dim(1)]
    })
}

/// Every option that a published model asks for.
fn optional_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let within = AnyPositionConfig::by_name("rotary-axial");
        let encoder = encoder()
            .with_activation(Activation::SwiGlu)
            .with_mlp_norm(true)
            .with_mlp_hidden(Some(12))
            .with_qkv_bias(QkvBias::NoKey)
            .with_qk_norm(true)
            .with_pre_norm(true)
            .with_position_within(within);
        let head = HeadConfig::classes(5)
            .with_pooling(Pooling::ClassTokenBeforeNorm)
            .with_distilled(true);
        VitConfig::new(SIZE, encoder)
            .with_prefix(PrefixConfig::new().with_dist_token(true).with_registers(1))
            .with_head(head)
            .init(embed, device)
    };
    Subject::new("Vit with options", init, |vit, device, dtype| {
        let tokens = vit.forward_features(images(device, dtype), Noise::None);
        let logits = vit.head.forward(&tokens);
        vec![tokens.into_embeddings(), logits.unsqueeze_dim(1)]
    })
}

fn mae() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
        let vit = VitConfig::new(SIZE, encoder().with_position(position))
            .with_prefix(PrefixConfig::none())
            .with_head(HeadConfig::new().with_pooling(Pooling::Mean));
        MaeConfig::new(vit, 8, 1, 2).init(embed, device)
    };
    Subject::new("Mae", init, |mae, device, dtype| {
        let output = mae.forward(images(device, dtype), &det(BATCH * CELLS, 9));
        vec![
            output.prediction.into_embeddings(),
            output.loss.reshape([1, 1, 1]),
        ]
    })
}

fn reducing_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let reducer = AnyReduceConfig::for_tokens("patch-merger", 4, DIM);
        let reducer = reducer.expect("a name of the catalogue");
        let encoder = encoder().with_reducers(vec![ReduceAt::middle(reducer, 2)]);
        VitConfig::new(SIZE, encoder).init(embed, device)
    };
    Subject::new("Vit with a reducer", init, |vit, device, dtype| {
        vec![
            vit.forward_features(images(device, dtype), Noise::None)
                .into_embeddings(),
        ]
    })
}

fn windows_mae() -> Subject {
    let init = |device: &Device| {
        let embed = OverlapPatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM).init(device);
        MaeConfig::new(vit_config(), 8, 1, 2)
            .with_patches(ReconstructedPatches::Windows)
            .init(embed, device)
    };
    Subject::new("Mae of windows", init, |mae, device, dtype| {
        let images = images(device, dtype);
        let output = mae.forward(images.clone(), &det(BATCH * CELLS, 9));
        let painted = mae.paint(images, &output);
        vec![
            output.prediction.into_embeddings(),
            output.loss.reshape([1, 1, 1]),
            painted.flatten(1, 2),
        ]
    })
}
