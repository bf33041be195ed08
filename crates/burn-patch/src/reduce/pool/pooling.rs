//! Weighted sums over the places of tokens, padding left out.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Tensor};

use crate::Tokens;
use crate::ops::at_least_single;
use crate::reduce::whole_images::whole_images;
use crate::tokens::Places;

/// Softmax of `scores` (`[batch, results, tokens]`) over the places, padding left out and merged tokens counted as
/// often as the patches that they stand for. Half precision is computed in `f32`, which has room for as many places as
/// there are pixels.
pub(crate) fn softmax_over_places(scores: Tensor<3>, tokens: &Tokens) -> Tensor<3> {
    let shape = scores.dims();
    let dtype = scores.dtype();
    let precise = at_least_single(dtype);
    let scores = scores.cast(precise);
    let scores = match tokens.sizes() {
        Some(sizes) => scores + sizes.cast(precise).log().unsqueeze_dim::<3>(1),
        None => scores,
    };
    let scores = match tokens.valid() {
        Some(valid) => {
            let hidden = valid.bool_not().unsqueeze_dim::<3>(1).expand(shape);
            scores.mask_fill(hidden, f32::NEG_INFINITY)
        }
        None => scores,
    };
    softmax(scores, 2).cast(dtype)
}

/// What each place counts, `[batch, 1, tokens]`: 0 for padding, else the patches that it stands for; none where
/// all count 1.
pub(crate) fn place_weights(tokens: &Tokens, dtype: DType) -> Option<Tensor<3>> {
    let valid = tokens.valid().map(|valid| valid.float().cast(dtype));
    let sizes = tokens.sizes().map(|sizes| sizes.cast(dtype));
    let weights = match (valid, sizes) {
        (Some(valid), Some(sizes)) => Some(valid * sizes),
        (valid, sizes) => valid.or(sizes),
    };
    weights.map(|weights| weights.unsqueeze_dim::<3>(1))
}

/// Pooled `embeddings` (`[batch, results, dim]`) as tokens over the whole image, behind `prefix`.
pub(crate) fn pooled(tokens: &Tokens, embeddings: Tensor<3>, prefix: Option<Tensor<3>>) -> Tokens {
    let [batch, results, _] = embeddings.dims();
    let boxes_px = whole_images(tokens).expand([batch, results, 4]);
    let pooled = Tokens::new(embeddings, tokens.layout().clone(), Places::Boxes(boxes_px));
    match prefix {
        Some(prefix) => pooled.with_prefix(prefix),
        None => pooled,
    }
}

/// `[1, results, dim]` for every image of the batch.
pub(crate) fn for_each_image(rows: Tensor<3>, batch: usize) -> Tensor<3> {
    let [_, results, dim] = rows.dims();
    rows.expand([batch, results, dim])
}

/// Scores of `queries` (`[results, dim]`) against places `[batch, tokens, dim]`: `[batch, results, tokens]`.
pub(crate) fn score(places: Tensor<3>, queries: Tensor<2>) -> Tensor<3> {
    crate::ops::linear(places, queries.transpose(), None).swap_dims(1, 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Device, Distribution, Tolerance};

    fn tokens(cols: usize, device: &Device) -> Tokens {
        let grid = Window::patch([2, 2], Remainder::Reject)
            .layout([2, 2 * cols])
            .unwrap();
        Tokens::from_grid(Tensor::zeros([1, cols, 3], device), grid)
    }

    #[test]
    fn a_token_that_stands_for_two_weighs_as_much_as_two() {
        let device = Device::flex();
        let counts = Tensor::from_floats([[1.0, 2.0]], &device);
        let merged = tokens(2, &device).with_sizes(counts);
        let got = softmax_over_places(Tensor::from_floats([[[0.3, -1.0]]], &device), &merged);
        let apart = Tensor::from_floats([[[0.3, -1.0, -1.0]]], &device);
        let want = softmax_over_places(apart, &tokens(3, &device));
        let want = Tensor::cat(
            vec![
                want.clone().slice_dim(2, 0..1),
                want.slice_dim(2, 1..).sum_dim(2),
            ],
            2,
        );
        got.into_data()
            .assert_approx_eq(&want.into_data(), Tolerance::<f32>::rel_abs(1e-6, 1e-7));
    }

    #[test]
    fn padding_has_no_weight_however_high_it_scores() {
        let device = Device::flex();
        let padded =
            tokens(3, &device).with_valid(Tensor::from_bool([[true, false, true]], &device));
        let scores = Tensor::from_floats([[[0.5, 1e9, 0.5]]], &device);
        softmax_over_places(scores, &padded)
            .into_data()
            .assert_eq(&[[[0.5f32, 0.0, 0.5]]].into(), true);
        place_weights(&padded, DType::F32)
            .unwrap()
            .into_data()
            .assert_eq(&[[[1.0f32, 0.0, 1.0]]].into(), true);
    }

    #[test]
    fn half_precision_shares_evenly_among_as_many_places_as_a_picture_has_pixels() {
        let device = Device::flex();
        let places = 256 * 256;
        let scores = Tensor::<3>::zeros([1, 1, places], (&device, DType::F16));
        let weights = softmax_over_places(scores, &tokens(places, &device));
        assert_eq!(weights.dtype(), DType::F16);
        let sum: f32 = weights.cast(DType::F32).sum().into_scalar();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }

    #[test]
    fn pooled_tokens_lie_on_the_whole_image_behind_the_prefix() {
        let device = Device::flex();
        let embeddings = Tensor::random([1, 4, 3], Distribution::Default, &device);
        let prefix = Some(Tensor::ones([1, 2, 3], &device));
        let pooled = pooled(&tokens(3, &device), embeddings, prefix);
        assert_eq!((pooled.prefix(), pooled.tokens()), (2, 4));
        assert!(pooled.to_feature_map().is_err());
        let last = pooled.boxes_px().slice_dim(1, 3..).reshape([4]);
        last.into_data()
            .assert_eq(&[1.0f32, 3.0, 2.0, 6.0].into(), true);
    }
}
