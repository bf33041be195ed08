//! ViT and MAE, plain and with their options.

use burn::tensor::{Device, Tensor};
use burn_patch::Noise;
use burn_patch::embed::{
    LinearPatchEmbedConfig, OverlapPatchEmbedConfig, PatchEmbed, QuadtreePatchEmbedConfig,
};
use burn_patch::layers::Activation;
use burn_patch::pack::Packer;
use burn_patch::position::{AnyPositionConfig, BlockWindows, SinCosPositionConfig};
use burn_patch::reduce::{
    AnyReduceConfig, DynamicVitConfig, EVitConfig, MergeSchedule, RandomMaskConfig, ToMeConfig,
};
use burn_vit::layers::QkvBias;
use burn_vit::{
    EncoderConfig, HeadConfig, MaeConfig, Pooling, PrefixConfig, ReconstructedPatches, ReduceAt,
    Stage, VitConfig,
};

use super::{BATCH, CELLS, CHANNELS, DIM, SIZE, STRIDE, images};
use crate::det::{det, det_tensor};
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let rotary = ["rotary-axial", "rotary-mixed", "rotary-dinov3", "m-rope"].map(rotary_vit);
    let others = [
        vit(),
        optional_vit(),
        windowed_vit(),
        mae(),
        reducing_vit(),
        merging_vit(),
        pruning_vit(),
        windows_mae(),
        packing_vit(),
    ];
    others.into_iter().chain(rotary).collect()
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

/// A block within windows, which the grid of 2×6 cells does not fill, and one over the whole grid.
fn windowed_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let position = AnyPositionConfig::by_name("decomposed").expect("a name of the catalogue");
        let windows = BlockWindows {
            size: [2, 4],
            global_every: 2,
        };
        let encoder = encoder()
            .with_position(position)
            .with_windows(Some(windows));
        VitConfig::new(SIZE, encoder)
            .with_prefix(PrefixConfig::none())
            .with_head(HeadConfig::classes(5).with_pooling(Pooling::Mean))
            .init(embed, device)
    };
    Subject::new("Vit of windows", init, |vit, device, dtype| {
        vec![vit.forward(images(device, dtype)).unsqueeze_dim(1)]
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

/// Merging in every block, with proportional attention, and unmerging.
fn merging_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let tome = AnyReduceConfig::ToMe(ToMeConfig::new(MergeSchedule::Constant(3)));
        let encoder = encoder().with_reducers(ReduceAt::every(&tome, 2));
        VitConfig::new(SIZE, encoder).init(embed, device)
    };
    Subject::new("Vit with ToMe", init, |vit, device, dtype| {
        let encoded = vit.forward_taps(images(device, dtype), &[], Noise::None);
        let restore = encoded.restore.expect("a way back");
        vec![restore.apply(encoded.tokens, None).into_embeddings()]
    })
}

/// Pruning by the class token's attention, then by a predictor.
fn pruning_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let evit = AnyReduceConfig::EVit(EVitConfig::new(0.6));
        let pruning = AnyReduceConfig::DynamicVit(DynamicVitConfig::new(0.7, DIM));
        let at = |reducer, stage| ReduceAt { reducer, stage };
        let encoder = encoder().with_reducers(vec![
            at(evit, Stage::AfterAttention(0)),
            at(pruning, Stage::BeforeBlock(1)),
        ]);
        VitConfig::new(SIZE, encoder).init(embed, device)
    };
    Subject::new("Vit with pruning", init, |vit, device, dtype| {
        let encoded = vit.forward_taps(images(device, dtype), &[], Noise::None);
        let scores = encoded.scores.into_iter();
        let scores = scores.map(|scores| scores.unsqueeze_dim(2));
        // Half precision does not have the digits that tell which tokens stay: what comes before that choice is left.
        if dtype.size() == 2 {
            return scores.take(1).collect();
        }
        let tokens = encoded.tokens.into_embeddings();
        scores.chain([tokens]).collect()
    })
}

/// Images of three sizes, packed into two rows and padded.
fn packing_vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
        VitConfig::new(SIZE, encoder().with_position(position))
            .with_head(HeadConfig::classes(5))
            .init(embed, device)
    };
    Subject::new("Vit of packs", init, |vit, device, dtype| {
        let sizes = [[8, 12], [4, 8], [12, 6], [8, 12]].into_iter().zip(7..);
        let images = sizes.map(|([height, width], seed)| {
            det_tensor([CHANNELS, height, width], seed, device, dtype)
        });
        let images: Vec<Tensor<3>> = images.collect();
        let packed = vit.forward_packed(&images, &Packer::new(24), Noise::None);
        let padded = vit.forward_padded(&images, Noise::None);
        vec![packed.unsqueeze_dim(1), padded.unsqueeze_dim(1)]
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

/// Rotary positions of patches of several sizes, behind a class token and registers, half of them masked between blocks.
fn rotary_vit(name: &'static str) -> Subject {
    let init = move |device: &Device| {
        let embed = QuadtreePatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM).init(device);
        let mask = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
        let encoder = EncoderConfig::new(2, 2)
            .with_layer_scale(Some(0.5))
            .with_position(AnyPositionConfig::by_name(name).expect("a name of the catalogue"))
            .with_reducers(vec![ReduceAt {
                reducer: mask,
                stage: Stage::BeforeBlock(1),
            }]);
        VitConfig::new(SIZE, encoder)
            .with_prefix(PrefixConfig::new().with_registers(2))
            .init(embed, device)
    };
    Subject::new(format!("Vit, {name}"), init, |vit, device, dtype| {
        let tokens = vit.patch_embed.tokens(SIZE).expect("a size that fits");
        let noise = det(BATCH * tokens, 9);
        let features = vit.forward_features(images(device, dtype), &noise);
        vec![features.into_embeddings()]
    })
}
