//! Rotary positions: queries and keys turned by angles.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::ops::at_least_single;

/// Which values of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RotationPairs {
    /// Value `i` with value `i + width/2` (LLaMA in transformers, DINOv3).
    #[default]
    Halves,
    /// Value `2i` with value `2i + 1` (RoFormer, EVA-02).
    Interleaved,
}

/// Turns pairs of a head's values by angles that depend on the token's place.
///
/// Su et al., [RoFormer](https://arxiv.org/abs/2104.09864), eq. 34.
///
/// # Equation
///
/// `x' = x·cos + partner(x)·sin`, where `partner` exchanges the values of a pair `(a, b)` for `(−b, a)`. The turned
/// values are computed in single precision at least, and given back in the type of `x`.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Cosines, `[1 or batch, 1 or heads, tokens, width]`, prefix tokens (angle 0) included; both values of a pair
    /// have the same.
    pub cos: Tensor<4>,
    /// Sines, of the same shape.
    pub sin: Tensor<4>,
    /// Which values make a pair.
    pub pairs: RotationPairs,
}

impl Rotation {
    /// Turns `x` (`[batch, tokens, heads·width]`, queries or keys).
    ///
    /// # Panics
    ///
    /// If the number of tokens or the width of a head differs, or that width is odd.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::tokens::{Rotation, RotationPairs};
    ///
    /// // A quarter turn of the second token, none of the first.
    /// let device = Device::flex();
    /// let rotation = Rotation {
    ///     cos: Tensor::from_floats([[[[1.0, 1.0], [0.0, 0.0]]]], &device),
    ///     sin: Tensor::from_floats([[[[0.0, 0.0], [1.0, 1.0]]]], &device),
    ///     pairs: RotationPairs::Halves,
    /// };
    /// let x = Tensor::<3>::from_floats([[[1.0, 2.0], [3.0, 4.0]]], &device);
    /// let turned = rotation.apply(x, 1);
    /// turned.into_data().assert_eq(&[[[1.0f32, 2.0], [-4.0, 3.0]]].into(), true);
    /// ```
    #[track_caller]
    pub fn apply(&self, x: Tensor<3>, heads: usize) -> Tensor<3> {
        let [batch, tokens, dim] = x.dims();
        let width = dim / heads;
        let [_, _, places, angles] = self.cos.dims();
        assert_eq!(
            [places, angles],
            [tokens, width],
            "rotation: tokens and width of a head"
        );
        assert!(
            width.is_multiple_of(2),
            "rotation: an even width of a head, got {width}"
        );
        let dtype = x.dtype();
        let precise = at_least_single(dtype);
        let x = x
            .cast(precise)
            .reshape([batch, tokens, heads, width])
            .swap_dims(1, 2);
        let [cos, sin] = [&self.cos, &self.sin].map(|part| part.clone().cast(precise));
        let turned = x.clone() * cos + self.partner(x) * sin;
        turned
            .swap_dims(1, 2)
            .reshape([batch, tokens, dim])
            .cast(dtype)
    }

    fn partner(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, tokens, width] = x.dims();
        let half = width / 2;
        match self.pairs {
            RotationPairs::Halves => {
                let [a, b] = [x.clone().slice_dim(3, ..half), x.slice_dim(3, half..)];
                Tensor::cat(vec![b.neg(), a], 3)
            }
            RotationPairs::Interleaved => {
                let pairs = x.reshape([batch, heads, tokens, half, 2]);
                let [a, b] = [pairs.clone().slice_dim(4, 0..1), pairs.slice_dim(4, 1..2)];
                Tensor::cat(vec![b.neg(), a], 4).reshape([batch, heads, tokens, width])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, Distribution, Tolerance};

    /// Angles `place·ωᵢ`, both values of a pair alike.
    fn rotation(places: &[f32], width: usize, pairs: RotationPairs, device: &Device) -> Rotation {
        let half = width / 2;
        let angles = places.iter().flat_map(|place| {
            (0..width).map(move |value| {
                let pair = match pairs {
                    RotationPairs::Halves => value % half,
                    RotationPairs::Interleaved => value / 2,
                };
                place / (1.0 + pair as f32)
            })
        });
        let angles: Vec<f32> = angles.collect();
        let angles = Tensor::<1>::from_floats(angles.as_slice(), device);
        let angles = angles.reshape([1, 1, places.len(), width]);
        Rotation {
            cos: angles.clone().cos(),
            sin: angles.sin(),
            pairs,
        }
    }

    #[test]
    fn products_of_queries_and_keys_depend_on_differences_of_places_alone() {
        let device = Device::flex();
        for pairs in [RotationPairs::Halves, RotationPairs::Interleaved] {
            let draw = || Tensor::<3>::random([2, 3, 8], Distribution::Default, &device);
            let (query, key) = (draw(), draw());
            let scores = |shift: f32| {
                let places = [0.0, 1.5, 4.0].map(|place: f32| place + shift);
                let rotation = rotation(&places, 4, pairs, &device);
                let [query, key] = [query.clone(), key.clone()].map(|x| rotation.apply(x, 2));
                query.matmul(key.transpose())
            };
            scores(0.0).into_data().assert_approx_eq(
                &scores(7.0).into_data(),
                Tolerance::<f32>::rel_abs(1e-5, 1e-5),
            );
        }
    }

    #[test]
    fn half_precision_is_turned_in_single_and_given_back_in_half() {
        let device = Device::flex();
        for pairs in [RotationPairs::Halves, RotationPairs::Interleaved] {
            let rotation = rotation(&[0.0, 1.5, 400.0], 4, pairs, &device);
            let half = Tensor::<3>::random([2, 3, 8], Distribution::Default, &device);
            let half = half.cast(DType::F16);
            let got = rotation.apply(half.clone(), 2);
            assert_eq!(got.dtype(), DType::F16);
            let want = rotation.apply(half.cast(DType::F32), 2).cast(DType::F16);
            got.into_data().assert_eq(&want.into_data(), true);
        }
    }
}
