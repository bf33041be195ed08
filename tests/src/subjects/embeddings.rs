//! Every embedding as the catalogue sets it up, and what those settings leave out.

use burn::tensor::{Device, Int, Tensor};
use burn_patch::Tokens;
use burn_patch::embed::{
    AnyPatchEmbedConfig, CropBox, DctLayout, DctPatchEmbedConfig, DownsampleKind, EMBEDDINGS,
    FourierPatchEmbedConfig, LinearPatchEmbedConfig, MultiresPatchEmbedConfig, PatchEmbed,
    PyramidLevel, PyramidPatchEmbedConfig, SignalPatchEmbedConfig, Spectrum,
    TubeletPatchEmbedConfig, Wavelet, WaveletDomain, WaveletPatchEmbedConfig,
};
use burn_patch::ops::{Images, PixelOrder, byte_tensor};

use super::{BATCH, CHANNELS, DIM, SIZE, STRIDE, images};
use crate::det::det_tensor;
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    let catalogue = EMBEDDINGS
        .iter()
        .flat_map(|info| [embedding(info.name), visible(info.name)]);
    catalogue
        .chain([host_bytes(), video(), signal(), crops()])
        .chain(spectral())
        .chain(levels())
        .collect()
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

/// Bytes from the host, all cells and some, whatever integers the backend has.
fn host_bytes() -> Subject {
    let init = |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new(
        "embed::linear, bytes from the host",
        init,
        |embed, device, _| {
            let shape = [BATCH, SIZE[0], SIZE[1], CHANNELS];
            let bytes = (0..shape.iter().product()).map(|i: usize| (i * 7919 % 251) as u8);
            let photos = byte_tensor(bytes.collect(), shape, device);
            let photos = Images::Bytes(photos, PixelOrder::ChannelsLast);
            let cells = Tensor::<2, Int>::from_ints([[3, 0, 11], [2, 4, 2]], device);
            let visible = embed.forward_images(photos.clone(), Some(cells));
            let all = embed.forward_images(photos, None);
            vec![all.into_embeddings(), visible.into_embeddings()]
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
