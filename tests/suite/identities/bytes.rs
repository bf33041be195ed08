//! Pictures of bytes, padding that is not zero, and the normalisation that moved into the weights.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_patch::embed::{
    LinearPatchEmbedConfig, Normalization, OverlapPatchEmbedConfig, PatchEmbed,
};
use burn_patch::grid::{PatchGrid, Remainder};
use burn_patch::ops::{
    Images, PixelOrder, byte_tensor, gather_rows, patch_windows, project_pixels,
};
use burn_patch_tests::{backends, det_tensor, fill, largest_difference, to_dtype, tolerance};
use proptest::prelude::*;

use crate::identities::{assert_close, cases, each_embedding, window};

const ORDERS: [PixelOrder; 2] = [PixelOrder::ChannelsFirst, PixelOrder::ChannelsLast];

/// The same pictures `[batch, channels, height, width]` as numbers and as bytes in `order`.
fn pictures(
    [batch, channels, height, width]: [usize; 4],
    order: PixelOrder,
    device: &Device,
    dtype: DType,
) -> (Tensor<4>, Images) {
    let first: Vec<u8> = (0..batch * channels * height * width)
        .map(|i| (i * 7919 % 251) as u8)
        .collect();
    let floats: Vec<f32> = first.iter().map(|&byte| byte.into()).collect();
    let floats = TensorData::new(floats, [batch, channels, height, width]);
    let (bytes, shape) = match order {
        PixelOrder::ChannelsFirst => (first, [batch, channels, height, width]),
        PixelOrder::ChannelsLast => {
            let area = height * width;
            let at = |i: usize| {
                let (image, pixel, channel) =
                    (i / (area * channels), i / channels % area, i % channels);
                first[(image * channels + channel) * area + pixel]
            };
            (
                (0..first.len()).map(at).collect(),
                [batch, height, width, channels],
            )
        }
    };
    (
        Tensor::from_data(floats, (device, dtype)),
        Images::Bytes(byte_tensor(bytes, shape, device), order),
    )
}

/// `Σ W·(x − fill) + (b + Σ W·fill)` with zeros as padding: what padding of `fill` means.
fn reference(
    images: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    fill: Tensor<1>,
    grid: &PatchGrid,
) -> Tensor<3> {
    let [dim, channels, kh, kw] = weight.dims();
    let fill = fill.reshape([1, channels, 1, 1]);
    let moved = (weight.clone() * fill.clone()).sum_dims_squeeze::<1, _>(&[1, 2, 3]);
    let matrix = weight.reshape([1, dim, channels * kh * kw]).swap_dims(1, 2);
    patch_windows(images - fill, grid).matmul(matrix) + (bias + moved).reshape([1, 1, dim])
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn bytes_are_the_numbers_that_they_are_with_their_gradients(
        (window, size, channels, dim) in window(),
        order in prop::sample::select(ORDERS.to_vec()),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        double in any::<bool>(),
    ) {
        let grid = window.layout(size).unwrap();
        let [kh, kw] = window.kernel;
        let dtype = if double { DType::F64 } else { DType::F32 };
        for backend in backends() {
            if !backend.device.supports_dtype(dtype) {
                continue;
            }
            let device = backend.device.clone().autodiff();
            let (floats, bytes) = pictures([2, channels, size[0], size[1]], order, &device, dtype);
            let weight = det_tensor([dim, channels, kh, kw], 1, &device, dtype).require_grad();
            let bias = det_tensor([dim], 2, &device, dtype).require_grad();
            let fill = det_tensor([channels], 3, &device, dtype) * 200.0;
            let kept = picks.len() / 2;
            let cells = (kept > 0).then(|| {
                let cells = picks[..2 * kept].iter().map(|pick| pick.index(grid.tokens()) as i32);
                Tensor::<2, Int>::from_data(TensorData::new(cells.collect::<Vec<_>>(), [2, kept]), &device)
            });

            let expected = || {
                let (weight, bias) = (weight.clone(), bias.clone());
                let all = reference(floats.clone(), weight, bias, fill.clone(), &grid);
                match &cells {
                    Some(cells) => gather_rows(all, cells.clone()),
                    None => all,
                }
            };
            for images in [bytes, Images::Floats(floats.clone())] {
                let theirs = expected();
                let (weight_, bias_) = (weight.clone(), Some(bias.clone()));
                let ours = project_pixels(images, weight_, bias_, Some(fill.clone()), cells.clone(), &grid);
                prop_assert_eq!(ours.dtype(), dtype);
                assert_close(backend.name, ours.clone(), theirs.clone());
                let factor = det_tensor(ours.dims(), 4, &device, dtype);
                let [ours, theirs] = [ours, theirs].map(|out| (out * factor.clone()).sum().backward());
                assert_close(backend.name, weight.grad(&ours).unwrap(), weight.grad(&theirs).unwrap());
                assert_close(backend.name, bias.grad(&ours).unwrap(), bias.grad(&theirs).unwrap());
            }
        }
    }
}

#[test]
fn every_embedding_takes_bytes_as_the_numbers_that_they_are_all_or_some() {
    each_embedding(|name, embed, images| {
        let (shape, device) = (images.dims(), images.device());
        let last = embed.tokens([8, 12]).unwrap() as i32 - 1;
        let cells = Tensor::<2, Int>::from_ints([[3, 0], [2, 2], [1, last]], &device);
        for order in ORDERS {
            let (floats, bytes) = pictures(shape, order, &device, DType::F32);
            let want = embed.forward(floats);
            let all = embed.forward_images(bytes.clone(), None);
            assert_close(name, all.boxes_px(), want.boxes_px());
            assert_close(name, all.embeddings(), want.embeddings());
            let visible = embed.forward_images(bytes, Some(cells.clone()));
            let want = want.select(cells.clone());
            assert_close(name, visible.boxes_px(), want.boxes_px());
            assert_close(name, visible.into_embeddings(), want.into_embeddings());
        }
    });
}

#[test]
fn bytes_become_numbers_of_the_weights_type() {
    each_embedding(|name, embed, images| {
        let (shape, device) = (images.dims(), images.device());
        if !device.supports_dtype(DType::F16) {
            return;
        }
        let half = to_dtype(embed, DType::F16);
        let (_, bytes) = pictures(shape, PixelOrder::ChannelsLast, &device, DType::F32);
        let tokens = half.forward_images(bytes, None);
        assert_eq!(tokens.embeddings().dtype(), DType::F16, "{name}");
    });
}

#[test]
fn half_precision_projects_like_single() {
    let grid = OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, 8)
        .init(&Device::flex())
        .layout([13, 18])
        .unwrap();
    for backend in backends() {
        if !backend.device.supports_dtype(DType::F16) {
            continue;
        }
        let device = &backend.device;
        let project = |dtype| {
            let images = det_tensor([2, 3, 13, 18], 1, device, dtype);
            let weight = det_tensor([8, 3, 7, 7], 2, device, dtype);
            project_pixels(images.into(), weight, None, None, None, &grid)
        };
        let [half, single] = [project(DType::F16), project(DType::F32)];
        assert_eq!(half.dtype(), DType::F16);
        let apart = largest_difference(&half.into_data(), &single.into_data()).0;
        assert!(apart <= tolerance::F16, "{}: {apart:.1e}", backend.name);
    }
}

/// Normalise, then embed: the same as embedding the bytes with the folded weights, borders included.
#[test]
fn a_folded_normalisation_gives_the_same_tokens() {
    let size = [13, 18];
    for backend in backends() {
        let device = &backend.device;
        let normalization = Normalization::imagenet();
        let along = |values: &[f32]| Tensor::<1>::from_floats(values, device).reshape([1, 3, 1, 1]);
        let (mean, std) = (along(&normalization.mean), along(&normalization.std));
        for order in ORDERS {
            let (floats, bytes) = pictures([2, 3, size[0], size[1]], order, device, DType::F32);
            let Images::Bytes(bytes, _) = bytes else {
                unreachable!()
            };
            let normalized = (floats.clone() / 255.0 - mean.clone()) / std.clone();

            let config = OverlapPatchEmbedConfig::new([7, 7], [4, 4], 3, 8).with_pointwise(true);
            let overlap = fill(config.init(device), 1);
            let want = overlap.forward(normalized.clone()).into_embeddings();
            let folded = overlap
                .fold_normalization(&normalization.for_bytes())
                .unwrap();
            assert_close(
                backend.name,
                folded.forward(floats.clone()).into_embeddings(),
                want.clone(),
            );
            assert_close(
                backend.name,
                folded.forward_bytes(bytes.clone(), order).into_embeddings(),
                want,
            );

            let config = LinearPatchEmbedConfig::new([4, 5], 3, 8)
                .with_bias(false)
                .with_remainder(Remainder::Pad);
            let linear = fill(config.init(device), 1);
            let want = linear.forward(normalized).into_embeddings();
            let folded = linear
                .fold_normalization(&normalization.for_bytes())
                .unwrap();
            assert_close(
                backend.name,
                folded.forward(floats).into_embeddings(),
                want.clone(),
            );
            assert_close(
                backend.name,
                folded.forward_bytes(bytes, order).into_embeddings(),
                want,
            );
        }
    }
}

#[test]
fn a_normalisation_for_other_channels_or_without_spread_is_an_error() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let refused = |normalization: &Normalization| {
        let error = embed.clone().fold_normalization(normalization).unwrap_err();
        error.to_string()
    };
    assert!(refused(&Normalization::imagenet()).contains("expected [1], got [3]"));
    let flat = Normalization {
        mean: vec![0.5],
        std: vec![0.0],
    };
    assert!(refused(&flat).contains("expected a positive number, got 0"));
}
