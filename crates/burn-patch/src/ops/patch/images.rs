//! Pictures as numbers or as bytes.

use burn::backend::Dispatch;
use burn::tensor::{DType, Int, Tensor};
use serde::{Deserialize, Serialize};

use crate::ops::Pixels;
use crate::ops::patch::composed;

/// How the bytes of a picture follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum PixelOrder {
    /// `[batch, channels, height, width]`.
    #[default]
    ChannelsFirst,
    /// `[batch, height, width, channels]`, as decoders give them.
    ChannelsLast,
}

/// Images to embed: numbers, or the bytes that a decoder gives.
///
/// Bytes are an integer tensor; [`byte_tensor`](crate::ops::byte_tensor) makes it on any device. Where the backend has
/// 8-bit integers (`DType::U8`), they are a quarter of the memory of `f32`; its usual integers do as well.
#[derive(Debug, Clone)]
pub enum Images {
    /// `[batch, channels, height, width]`.
    Floats(Tensor<4>),
    /// Integers in the order that is named.
    Bytes(Tensor<4, Int>, PixelOrder),
}

impl From<Tensor<4>> for Images {
    fn from(images: Tensor<4>) -> Self {
        Self::Floats(images)
    }
}

impl Images {
    /// `[batch, channels, height, width]`, whatever the order in memory.
    pub fn dims(&self) -> [usize; 4] {
        match self {
            Self::Floats(images) => images.dims(),
            Self::Bytes(bytes, PixelOrder::ChannelsFirst) => bytes.dims(),
            Self::Bytes(bytes, PixelOrder::ChannelsLast) => {
                let [batch, height, width, channels] = bytes.dims();
                [batch, channels, height, width]
            }
        }
    }

    /// As numbers `[batch, channels, height, width]` of type `dtype`; numbers stay as they are.
    pub fn into_floats(self, dtype: DType) -> Tensor<4> {
        match self {
            Self::Floats(images) => images,
            bytes => {
                Tensor::from_dispatch(composed::floats::<Dispatch>(bytes.into_pixels(), dtype))
            }
        }
    }

    pub(super) fn into_pixels(self) -> Pixels<Dispatch> {
        match self {
            Self::Floats(images) => Pixels::Floats(images.into_dispatch()),
            Self::Bytes(bytes, PixelOrder::ChannelsFirst) => {
                Pixels::BytesChannelsFirst(bytes.into_dispatch())
            }
            Self::Bytes(bytes, PixelOrder::ChannelsLast) => {
                Pixels::BytesChannelsLast(bytes.into_dispatch())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::byte_tensor;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn bytes_of_both_orders_become_the_same_numbers() {
        let device = Device::flex();
        let bytes = |values: [u8; 6], shape| byte_tensor(values.to_vec(), shape, &device);
        let first = Images::Bytes(
            bytes([1, 2, 3, 250, 5, 6], [1, 3, 1, 2]),
            PixelOrder::ChannelsFirst,
        );
        let last = Images::Bytes(
            bytes([1, 3, 5, 2, 250, 6], [1, 1, 2, 3]),
            PixelOrder::ChannelsLast,
        );
        assert_eq!(first.dims(), last.dims());
        let want = TensorData::new(vec![1.0f32, 2.0, 3.0, 250.0, 5.0, 6.0], [1, 3, 1, 2]);
        for images in [first, last] {
            images
                .into_floats(DType::F32)
                .into_data()
                .assert_eq(&want, true);
        }
    }
}
