//! The modules under test: every embedding of the catalogue, positions, masking and the models.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use burn_patch::Tokens;
use burn_patch::embed::{
    AnyPatchEmbedConfig, CropBox, DctLayout, DctPatchEmbedConfig, DownsampleKind, EMBEDDINGS,
    FourierPatchEmbedConfig, LinearPatchEmbed, LinearPatchEmbedConfig, MultiresPatchEmbedConfig,
    OverlapPatchEmbedConfig, PatchEmbed, PyramidLevel, PyramidPatchEmbedConfig,
    SignalPatchEmbedConfig, Spectrum, TubeletPatchEmbedConfig, Wavelet, WaveletDomain,
    WaveletPatchEmbedConfig,
};
use burn_patch::position::{
    AnyPosition, LearnedPositionConfig, SinCosDialect, SinCosPositionConfig,
};
use burn_patch::reduce::{
    AnyReduce, AnyReduceConfig, REDUCERS, RandomMask, Reduce, SlotAttention, SlotAttentionConfig,
    SlotInit, TokenFuser, TokenFuserConfig, TokenLearner, TokenLearnerConfig,
};
use burn_vit::{
    ClassToken, MaeConfig, Pooling, Position, ReconstructedPatches, ReduceAt, VitConfig,
};

use crate::det::{det, det_tensor};
use crate::subject::Subject;

const BATCH: usize = 2;
const CHANNELS: usize = 3;
const SIZE: [usize; 2] = [8, 12];
const STRIDE: [usize; 2] = [4, 2];
const DIM: usize = 16;
const CELLS: usize = 12;
/// Tokens that reducers leave: with the formula's parameters for this many, no gradient of theirs nearly cancels.
const RESULTS: usize = 7;

/// Every subject.
pub fn subjects() -> Vec<Subject> {
    let embeddings = EMBEDDINGS
        .iter()
        .flat_map(|info| [embedding(info.name), visible(info.name)]);
    let positions = [
        ("learned", learned as fn(&Device) -> AnyPosition),
        ("sincos", sincos as fn(&Device) -> AnyPosition),
    ];
    embeddings
        .chain(levels())
        .chain(positions.map(|(name, init)| position(name, init)))
        .chain([video(), signal(), crops()])
        .chain([gelu(), attend(), mask_and_restore(), vit(), mae()])
        .chain(spectral())
        .chain(REDUCERS.iter().map(|info| reduced(info.name)))
        .chain([gaussian_slots(), learned_and_fused()])
        .chain([reducing_vit(), windows_mae()])
        .collect()
}

fn images(device: &Device, dtype: DType) -> Tensor<4> {
    det_tensor([BATCH, CHANNELS, SIZE[0], SIZE[1]], 7, device, dtype)
}

fn embedding(name: &'static str) -> Subject {
    let init = move |device: &Device| {
        let config = AnyPatchEmbedConfig::for_stride(name, STRIDE, CHANNELS, DIM);
        config.expect("a name of the catalogue").init(device)
    };
    Subject::new(format!("embed::{name}"), init, |embed, device, dtype| {
        let images = images(device, dtype);
        vec![embed.forward(images).into_embeddings()]
    })
}

fn visible(name: &'static str) -> Subject {
    let init = move |device: &Device| {
        let config = AnyPatchEmbedConfig::for_stride(name, STRIDE, CHANNELS, DIM);
        config.expect("a name of the catalogue").init(device)
    };
    Subject::new(
        format!("embed::{name}, visible only"),
        init,
        |embed, device, dtype| {
            let last = embed.tokens(SIZE).expect("it fits") as i32 - 1;
            let cells = Tensor::from_ints([[3, 0, last], [2, 4, 2]], device);
            vec![
                embed
                    .forward_visible(images(device, dtype), cells)
                    .into_embeddings(),
            ]
        },
    )
}

fn video() -> Subject {
    let tubelet = [2, STRIDE[0], STRIDE[1]];
    let init =
        move |device: &Device| TubeletPatchEmbedConfig::new(tubelet, CHANNELS, DIM).init(device);
    Subject::new("embed::tubelet, video", init, |embed, device, dtype| {
        let shape = [BATCH, CHANNELS, 4, SIZE[0], SIZE[1]];
        let video = det_tensor(shape, 7, device, dtype);
        vec![embed.forward_video(video).into_embeddings()]
    })
}

fn signal() -> Subject {
    let init = |device: &Device| SignalPatchEmbedConfig::new(6, 3, CHANNELS, DIM).init(device);
    Subject::new("embed::signal", init, |embed, device, dtype| {
        let signals = det_tensor([BATCH, CHANNELS, 21], 7, device, dtype);
        vec![embed.forward(signals).into_embeddings()]
    })
}

fn crops() -> Subject {
    let init = |device: &Device| MultiresPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new("embed::multires, crops", init, |embed, device, dtype| {
        let crops =
            [[0.0, 1.25, 5.5, 3.0], [2.0, 4.0, 6.0, 8.0]].map(|[y, x, height, width]| CropBox {
                y,
                x,
                height,
                width,
            });
        let tokens = embed.forward_with_crops(images(device, dtype), &crops);
        vec![tokens.expect("they fit").into_embeddings()]
    })
}

/// What the catalogue's settings leave out of the spectral embeddings.
fn spectral() -> [Subject; 3] {
    let polar = FourierPatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM)
        .with_spectrum(Spectrum::AmplitudePhase { epsilon: 1e-2 })
        .with_global_filter(Some([2, 6]));
    let image = WaveletPatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM)
        .with_wavelet(Wavelet::DaubechiesFourTaps)
        .with_domain(WaveletDomain::Image);
    let jpeg = DctPatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM).with_layout(DctLayout::Jpeg);
    [
        configured(
            "fourier, polar, filtered",
            AnyPatchEmbedConfig::Fourier(polar),
        ),
        configured("wavelet, image", AnyPatchEmbedConfig::Wavelet(image)),
        configured("dct, jpeg", AnyPatchEmbedConfig::Dct(jpeg)),
    ]
}

fn configured(name: &'static str, config: AnyPatchEmbedConfig) -> Subject {
    let init = move |device: &Device| config.init(device);
    Subject::new(format!("embed::{name}"), init, |embed, device, dtype| {
        let cells = Tensor::from_ints([[3, 0, 11], [2, 4, 2]], device);
        let visible = embed.forward_visible(images(device, dtype), cells);
        let all = embed.forward(images(device, dtype));
        vec![all.into_embeddings(), visible.into_embeddings()]
    })
}

/// Coarser levels over a first embedding; the plain pyramid has batch norms.
fn levels() -> [Subject; 4] {
    let patches = DownsampleKind::Patches;
    [
        ("merging", patches, DownsampleKind::SwinMerge),
        ("merging, version 2", patches, DownsampleKind::SwinV2Merge),
        (
            "ConvNeXt levels",
            DownsampleKind::ConvNextStem,
            DownsampleKind::ConvNext,
        ),
        (
            "convolutional levels",
            DownsampleKind::ConvBatchNorm,
            DownsampleKind::ConvBatchNorm,
        ),
    ]
    .map(|(name, first, second)| {
        let init = move |device: &Device| {
            let level = |kind, stride, dim| PyramidLevel { kind, stride, dim };
            // The first level is 4×3, so that merging pads.
            let levels = vec![level(first, [2, 4], 8), level(second, [2, 2], DIM)];
            PyramidPatchEmbedConfig::new(CHANNELS, levels).init(device)
        };
        Subject::new(format!("embed::{name}"), init, |embed, device, dtype| {
            let levels = embed.forward_levels(images(device, dtype));
            levels.into_iter().map(Tokens::into_embeddings).collect()
        })
    })
}

fn learned(device: &Device) -> AnyPosition {
    AnyPosition::Learned(
        LearnedPositionConfig::new([2, 6], DIM)
            .with_prefix(1)
            .init(device),
    )
}

fn sincos(device: &Device) -> AnyPosition {
    AnyPosition::SinCos(SinCosPositionConfig::new([2, 6], DIM).init(device))
}

/// An encoding over an embedding, which gives `sincos` a parameter to differentiate.
#[derive(Module, Debug)]
struct Placed {
    embed: LinearPatchEmbed,
    position: AnyPosition,
}

fn position(name: &'static str, init: fn(&Device) -> AnyPosition) -> Subject {
    let init = move |device: &Device| Placed {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        position: init(device),
    };
    Subject::new(
        format!("position::{name}"),
        init,
        |placed, device, dtype| {
            let class = det_tensor([1, 1, DIM], 3, device, dtype);
            let tokens = placed
                .embed
                .forward(images(device, dtype))
                .with_prefix(class);
            vec![placed.position.forward(tokens).into_embeddings()]
        },
    )
}

fn gelu() -> Subject {
    let init = |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new("ops::gelu", init, |embed, device, dtype| {
        let tokens = embed.forward(images(device, dtype)).into_embeddings();
        vec![burn_patch::ops::gelu(tokens * 3.0)]
    })
}

fn attend() -> Subject {
    let init =
        |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, 3 * DIM).init(device);
    Subject::new("ops::attention", init, |embed, device, dtype| {
        let qkv = embed.forward(images(device, dtype)).into_embeddings();
        vec![burn_patch::ops::attention(qkv, 4)]
    })
}

fn mask_and_restore() -> Subject {
    let init = |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new("reduce::RandomMask", init, |embed, device, dtype| {
        let tokens = embed.forward(images(device, dtype));
        let (visible, restore) = RandomMask::new(0.75).apply(tokens, &det(BATCH * CELLS, 9));
        let fill = det_tensor([1, 1, DIM], 4, device, dtype);
        vec![
            visible.embeddings(),
            restore.apply(visible, fill).into_embeddings(),
        ]
    })
}

/// An embedding and what reduces its tokens, behind a class token and with padding.
#[derive(Module, Debug)]
struct Reduced {
    embed: LinearPatchEmbed,
    reduce: AnyReduce,
}

fn ragged(embed: &LinearPatchEmbed, device: &Device, dtype: DType) -> Tokens {
    let valid = Tensor::<2>::from_floats([[1.0; CELLS], [1.0; CELLS]], device);
    let valid = valid.slice_fill([1..2, 9..CELLS], 0.0).greater_elem(0.5);
    let class = det_tensor([1, 1, DIM], 3, device, dtype);
    embed
        .forward(images(device, dtype))
        .with_valid(valid)
        .with_prefix(class)
}

fn reduced(name: &'static str) -> Subject {
    let init = move |device: &Device| Reduced {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        reduce: AnyReduceConfig::for_tokens(name, RESULTS, DIM)
            .expect("a name of the catalogue")
            .init(device),
    };
    Subject::new(format!("reduce::{name}"), init, |reduced, device, dtype| {
        let tokens = ragged(&reduced.embed, device, dtype);
        let (tokens, weights) = reduced.reduce.forward_with_weights(tokens);
        vec![tokens.into_embeddings(), weights]
    })
}

/// Slots that start from a Gaussian, whose deviation the catalogue's learned starts have none of.
#[derive(Module, Debug)]
struct GaussianSlots {
    embed: LinearPatchEmbed,
    slots: SlotAttention,
}

fn gaussian_slots() -> Subject {
    let init = |device: &Device| GaussianSlots {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        slots: SlotAttentionConfig::new(4, DIM)
            .with_start(SlotInit::Gaussian)
            .init(device),
    };
    Subject::new(
        "reduce::slot-attention, Gaussian",
        init,
        |module, device, dtype| {
            let tokens = ragged(&module.embed, device, dtype);
            let noise = det(BATCH * 4 * DIM, 5);
            let given = module.slots.forward_with_noise(tokens.clone(), &noise);
            let fixed = module.slots.forward(tokens);
            vec![given.into_embeddings(), fixed.into_embeddings()]
        },
    )
}

#[derive(Module, Debug)]
struct LearnedAndFused {
    embed: LinearPatchEmbed,
    learner: TokenLearner,
    fuser: TokenFuser,
}

fn learned_and_fused() -> Subject {
    let init = |device: &Device| LearnedAndFused {
        embed: LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device),
        learner: TokenLearnerConfig::new(RESULTS, DIM).init(device),
        fuser: TokenFuserConfig::new(RESULTS, DIM).init(device),
    };
    Subject::new("reduce::TokenFuser", init, |module, device, dtype| {
        let original = ragged(&module.embed, device, dtype);
        let learned = module.learner.forward(original.clone());
        vec![module.fuser.forward(learned, original).into_embeddings()]
    })
}

fn vit_config() -> VitConfig {
    VitConfig::new(SIZE, 2, 4).with_layer_scale(Some(0.5))
}

fn vit() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        vit_config().with_classes(Some(5)).init(embed, device)
    };
    Subject::new("Vit", init, |vit, device, dtype| {
        let images = images(device, dtype);
        let tokens = vit.forward_features(images.clone()).into_embeddings();
        vec![tokens, vit.forward(images).unsqueeze_dim(1)]
    })
}

fn mae() -> Subject {
    let init = |device: &Device| {
        let embed = LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
        let encoder = vit_config()
            .with_class_token(ClassToken::Absent)
            .with_pooling(Pooling::Mean)
            .with_position(Position::SinCos(SinCosDialect::Mae));
        MaeConfig::new(encoder, 8, 1, 2).init(embed, device)
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
        vit_config()
            .with_reduce(Some(ReduceAt::middle(reducer, 2)))
            .init(embed, device)
    };
    Subject::new("Vit with a reducer", init, |vit, device, dtype| {
        vec![
            vit.forward_features(images(device, dtype))
                .into_embeddings(),
        ]
    })
}

fn windows_mae() -> Subject {
    let init = |device: &Device| {
        let embed = OverlapPatchEmbedConfig::for_stride(STRIDE, CHANNELS, DIM).init(device);
        MaeConfig::new(vit_config(), 8, 1, 2)
            .with_patches(Some(ReconstructedPatches::Windows))
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
