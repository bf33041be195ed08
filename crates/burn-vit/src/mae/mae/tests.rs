//! Tests of the masked autoencoder.

use super::*;
use crate::encoder::EncoderConfig;
use crate::reduce_at::{ReduceAt, Stage};
use crate::vit_config::VitConfig;
use burn::tensor::{DType, Distribution, Tolerance};
use burn_patch::embed::{LinearPatchEmbed, LinearPatchEmbedConfig, OverlapPatchEmbedConfig};
use burn_patch::reduce::{
    AnyMaskConfig, AnyReduceConfig, BlockMaskConfig, GridMaskConfig, RandomMask, RandomMaskConfig,
};

fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 37 % 101) as f32).collect()
}

fn mae(target: Target, device: &Device) -> Mae<LinearPatchEmbed> {
    let embed = LinearPatchEmbedConfig::new([4, 4], 2, 16).init(device);
    MaeConfig::new(VitConfig::new([8, 16], EncoderConfig::new(2, 4)), 8, 1, 2)
        .with_target(target)
        .init(embed, device)
}

#[test]
fn projecting_the_visible_patches_equals_embedding_all_and_masking() {
    let device = Device::flex();
    let mae = mae(Target::NormalizedPixels, &device);
    let images = Tensor::random([3, 2, 8, 16], Distribution::Default, &device);
    let (latent, _) = mae.encode_visible(images.clone(), &noise(24));
    let all = mae.vit.patch_embed.forward(images);
    let (visible, _) = RandomMask::new(0.75).apply(all, &noise(24));
    let want = mae.vit.encode(visible, Noise::None).tokens;
    latent.into_embeddings().into_data().assert_approx_eq(
        &want.into_embeddings().into_data(),
        Tolerance::<f32>::rel_abs(1e-5, 1e-6),
    );
}

#[test]
fn any_mask_hides_its_patches_from_the_encoder_and_a_wrong_one_is_refused() {
    let device = Device::flex();
    let model = |mask: AnyMaskConfig, side| {
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 16).init(&device);
        MaeConfig::new(VitConfig::new([side; 2], EncoderConfig::new(2, 4)), 8, 1, 2)
            .with_mask(mask)
            .try_init(embed, &device)
    };
    for (mask, values) in [
        (AnyMaskConfig::Random(RandomMaskConfig::new(0.75)), 16),
        (AnyMaskConfig::Block(BlockMaskConfig::new(0.75)), 5 * 16),
        (AnyMaskConfig::Grid(GridMaskConfig::new()), 0),
    ] {
        let mae = model(mask.clone(), 16).unwrap();
        assert_eq!(mae.noise(2, [16, 16]).unwrap(), 2 * values);
        let drawn: Vec<f32> = noise(2 * values)
            .iter()
            .map(|value| value / 101.0)
            .collect();
        let images = Tensor::random([2, 1, 16, 16], Distribution::Default, &device);
        let output = mae.forward(images.clone(), &drawn[..]);
        let masked = output.mask.clone().sum_dim(1).into_data();
        masked.assert_eq(&[[12.0f32], [12.0]].into(), true);
        // Other pixels under the mask give the same prediction.
        let pixels = output.mask.clone().reshape([2, 1, 4, 1, 4, 1]);
        let pixels = pixels.expand([2, 1, 4, 4, 4, 4]).reshape([2, 1, 16, 16]);
        let other = mae.forward(images + pixels * 3.0, &drawn[..]);
        let prediction = output.prediction.into_embeddings().into_data();
        let other = other.prediction.into_embeddings().into_data();
        other.assert_eq(&prediction, true);
    }
    let odd = model(AnyMaskConfig::Grid(GridMaskConfig::new()), 12);
    assert!(matches!(odd, Err(Error::Patch(_))), "{odd:?}");
}

#[test]
fn painting_copies_visible_patches_and_a_perfect_prediction_gives_the_image() {
    let device = Device::flex();
    for target in [Target::NormalizedPixels, Target::Pixels] {
        let mae = mae(target, &device);
        let images = Tensor::random([2, 2, 8, 16], Distribution::Default, &device);
        let mut output = mae.forward(images.clone(), &noise(16));
        output.prediction = output.prediction.map(|_| mae.target(images.clone()));
        mae.paint(images.clone(), &output)
            .into_data()
            .assert_approx_eq(&images.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }
}

#[test]
fn targets_of_bytes_in_half_precision_have_variance_one() {
    let device = Device::flex();
    let mae = mae(Target::NormalizedPixels, &device);
    let bytes = Distribution::Uniform(0.0, 255.0);
    let images = Tensor::<4>::random([2, 2, 8, 16], bytes, &device);
    let target = mae.target(images.cast(DType::F16)).cast(DType::F32);
    let variance = target.var(2);
    let ones = variance.ones_like().into_data();
    variance
        .into_data()
        .assert_approx_eq(&ones, Tolerance::<f32>::absolute(5e-3));
}

#[test]
fn steps_that_do_not_tile_the_image_are_an_error() {
    let device = Device::flex();
    let embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 1, 8).init(&device);
    let error = MaeConfig::new(VitConfig::new([7, 8], EncoderConfig::new(1, 2)), 8, 1, 2)
        .try_init(embed, &device);
    assert_eq!(
        error.unwrap_err(),
        Error::Untiled {
            expected: [8, 8],
            got: [7, 8]
        }
    );
}

#[test]
fn a_mask_ratio_of_one_is_an_error() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let config = MaeConfig::new(VitConfig::new([8, 8], EncoderConfig::new(1, 2)), 8, 1, 2)
        .with_mask_ratio(1.0);
    assert!(matches!(
        config.try_init(embed, &device),
        Err(Error::Patch(burn_patch::Error::MaskRatio { .. }))
    ));
}

fn overlapping(image: [usize; 2], target: Target) -> MaeConfig {
    MaeConfig::new(VitConfig::new(image, EncoderConfig::new(1, 2)), 8, 1, 2)
        .with_target(target)
        .with_patches(ReconstructedPatches::Windows)
}

#[test]
fn a_perfect_prediction_of_overlapping_windows_paints_the_image() {
    let device = Device::flex();
    for target in [Target::NormalizedPixels, Target::Pixels] {
        let embed = OverlapPatchEmbedConfig::new([5, 3], [4, 2], 2, 8).init(&device);
        let mae = overlapping([9, 12], target).init(embed, &device);
        let images = Tensor::random([2, 2, 9, 12], Distribution::Default, &device);
        let mut output = mae.forward(images.clone(), &noise(36));
        assert_eq!(output.prediction.embeddings().dims(), [2, 18, 30]);
        output.prediction = output.prediction.map(|_| mae.target(images.clone()));
        let loss = mae.loss(images.clone(), &output.prediction, output.mask.clone());
        assert_eq!(loss.into_scalar::<f32>(), 0.0);
        mae.paint(images.clone(), &output)
            .into_data()
            .assert_approx_eq(&images.into_data(), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    }
}

#[test]
fn where_windows_tile_the_image_they_are_the_cells() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 2, 8).init(&device);
    let config = overlapping([8, 16], Target::NormalizedPixels);
    let windows = config.init(embed.clone(), &device);
    let mut cells = windows.clone();
    cells.patches = ReconstructedPatches::Cells;
    let images = Tensor::random([2, 2, 8, 16], Distribution::Default, &device);
    let [one, two] = [windows, cells].map(|mae| {
        let output = mae.forward(images.clone(), &noise(16));
        (output.loss.clone(), mae.paint(images.clone(), &output))
    });
    one.0.into_data().assert_eq(&two.0.into_data(), true);
    one.1.into_data().assert_eq(&two.1.into_data(), true);
}

#[test]
fn windows_that_leave_pixels_unread_are_an_error() {
    let device = Device::flex();
    let embed = OverlapPatchEmbedConfig::new([3, 3], [2, 2], 1, 8)
        .with_padding(Some([0, 0]))
        .init(&device);
    let error = overlapping([8, 9], Target::Pixels).try_init(embed, &device);
    assert_eq!(
        error.unwrap_err(),
        Error::Unread {
            unread: 1,
            got: [8, 9]
        }
    );
}

fn reducing(reducer: AnyReduceConfig) -> MaeConfig {
    let at = ReduceAt {
        reducer,
        stage: Stage::BeforeBlock(1),
    };
    let encoder = EncoderConfig::new(2, 2).with_reducers(vec![at]);
    MaeConfig::new(VitConfig::new([8, 16], encoder), 8, 1, 2)
}

#[test]
fn an_encoder_that_pools_is_an_error() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let pool = AnyReduceConfig::for_tokens("patch-merger", 2, 8).unwrap();
    let error = reducing(pool).try_init(embed, &device).unwrap_err();
    assert!(matches!(error, Error::NotRestorable { .. }), "{error}");
}

#[test]
fn what_the_encoder_drops_on_its_way_is_restored_as_masked() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let drop = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
    let mae = reducing(drop).with_mask_ratio(0.5).init(embed, &device);
    assert_eq!(mae.noise(1, [8, 16]).unwrap(), 8 + 4);
    let images = Tensor::random([1, 1, 8, 16], Distribution::Default, &device);
    let (latent, restore) = mae.encode_visible(images, &noise(8 + 4));
    assert_eq!(latent.tokens(), 2);
    assert_eq!(restore.mask().sum().into_scalar::<f32>(), 6.0);
    assert_eq!(mae.decode(latent, &restore).embeddings().dims(), [1, 8, 16]);
}

#[test]
fn a_decoder_that_reduces_is_an_error() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let reducer = AnyReduceConfig::for_tokens("random-mask", 2, 8).unwrap();
    let stage = Stage::BeforeBlock(0);
    let config = MaeConfig::new(VitConfig::new([8, 16], EncoderConfig::new(1, 2)), 8, 1, 2);
    let decoder = config.decoder.clone();
    let decoder = decoder.with_reducers(vec![ReduceAt { reducer, stage }]);
    let error = config.with_decoder(decoder).try_init(embed, &device);
    assert!(matches!(error.unwrap_err(), Error::NotRestorable { .. }));
}

#[test]
fn pre_training_keeps_the_norm_that_fine_tuning_moves_behind_the_mean() {
    let device = Device::flex();
    let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
    let head = HeadConfig::classes(3).with_pooling(Pooling::MeanBeforeNorm);
    let vit = VitConfig::new([8, 16], EncoderConfig::new(1, 2)).with_head(head.clone());
    let vit = MaeConfig::new(vit, 8, 1, 2).init(embed, &device).into_vit();
    assert!(vit.encoder.norm.is_some() && vit.head.fc_norm.is_none());
    let vit = vit.with_head(&head, &device).unwrap();
    assert!(vit.encoder.norm.is_none() && vit.head.fc_norm.is_some());
    let logits = vit.forward(Tensor::zeros([2, 1, 8, 16], &device));
    assert_eq!(logits.dims(), [2, 3]);
}
