//! The mean and standard deviation of the pixels that a model was trained with.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::ops::at_least_single;

/// The mean and standard deviation, per channel, that a model's pictures are normalised by.
///
/// `x̂ = (x − mean)/std` in the units of the pictures: `0..1`, or bytes after [`for_bytes`](Self::for_bytes).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Mean per channel.
    pub mean: Vec<f32>,
    /// Standard deviation per channel.
    pub std: Vec<f32>,
}

impl Normalization {
    /// ImageNet's, of pictures in `0..1`: timm's `IMAGENET_DEFAULT_MEAN` and `IMAGENET_DEFAULT_STD`.
    pub fn imagenet() -> Self {
        Self {
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.229, 0.224, 0.225],
        }
    }

    /// From `0..1` to `−1..1`: timm's `IMAGENET_INCEPTION_MEAN` and `IMAGENET_INCEPTION_STD`, which the ViTs
    /// trained with JAX expect.
    pub fn inception() -> Self {
        Self {
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
        }
    }

    /// The same for pictures in `0..255`.
    #[must_use]
    pub fn for_bytes(&self) -> Self {
        let bytes = |values: &[f32]| values.iter().map(|value| value * 255.0).collect();
        Self {
            mean: bytes(&self.mean),
            std: bytes(&self.std),
        }
    }

    /// # Errors
    ///
    /// [`Error::Shape`] for another number of channels, [`Error::Range`] for a standard deviation that is not
    /// positive.
    fn check(&self, channels: usize) -> Result<(), Error> {
        for values in [&self.mean, &self.std] {
            if values.len() != channels {
                return Err(Error::Shape {
                    what: "mean and standard deviation (channels)",
                    expected: vec![channels],
                    got: vec![values.len()],
                });
            }
        }
        match self
            .std
            .iter()
            .find(|std| !(std.is_finite() && **std > 0.0))
        {
            Some(&std) => Err(Error::Range {
                what: "standard deviation",
                expected: "a positive number".into(),
                got: std.into(),
            }),
            None => Ok(()),
        }
    }

    /// Moves the normalisation into a projection: `W·(x − μ)/σ + b = (W/σ)·x + (b − (W/σ)·μ)`. Padding, which
    /// was 0 after normalising, is `μ` before: that is the second result. Half precision is folded in
    /// `f32`.
    pub(crate) fn fold(&self, mut proj: Conv2d) -> Result<(Conv2d, Param<Tensor<1>>), Error> {
        let weight = proj.weight.val();
        let [_, channels, ..] = weight.dims();
        self.check(channels)?;
        let (device, dtype) = (weight.device(), weight.dtype());
        let precise = at_least_single(dtype);
        let along = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [channels]);
            Tensor::<1>::from_data(data, (&device, precise))
        };
        let [mean, std] = [along(&self.mean), along(&self.std)];
        let weight = weight.cast(precise) / std.reshape([1, channels, 1, 1]);
        let moved = (weight.clone() * mean.clone().reshape([1, channels, 1, 1]))
            .sum_dims_squeeze::<1, _>(&[1, 2, 3]);
        let bias = match &proj.bias {
            Some(bias) => bias.val().cast(precise) - moved,
            None => -moved,
        };
        proj.weight = Param::from_tensor(weight.cast(dtype));
        proj.bias = Some(Param::from_tensor(bias.cast(dtype)));
        let fill = mean.cast(dtype).set_require_grad(false);
        Ok((proj, Param::from_tensor(fill)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::conv::Conv2dConfig;
    use burn::tensor::{DType, Device};

    /// What two channels move is more than half precision holds, what both together do is not.
    #[test]
    fn folding_in_half_precision_has_room_for_the_sum_over_a_patch() {
        let device = Device::flex();
        let mut proj = Conv2dConfig::new([2, 1], [32, 32]).init(&device);
        let channel = |value: f32| Tensor::<4>::full([1, 1, 32, 32], value, (&device, DType::F16));
        proj.weight = Param::from_tensor(Tensor::cat(vec![channel(1.0), channel(-1.0)], 1));
        proj.bias = None;
        let bytes = Normalization {
            mean: vec![100.0, 99.0],
            std: vec![1.0, 1.0],
        };
        let (folded, _) = bytes.fold(proj).unwrap();
        let bias = folded.bias.unwrap().val().cast(DType::F32);
        assert_eq!(bias.into_scalar::<f32>(), -1024.0);
    }
}
