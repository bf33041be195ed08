//! Bytes from the host on any device.

use burn::backend::Dispatch;
use burn::tensor::{DType, Device, Element, Int, Tensor, TensorData};

use crate::ops::PatchOps;

/// Puts the bytes of pictures on a device, in the integers that it has: 8 bits each where it can compute with those
/// and on LibTorch, else the device's usual integers.
///
/// LibTorch's and WebGPU's backends have no 8-bit integers, and Burn panics if asked for them there
/// (`Unsupported dtype U8`). So bytes travel to them several in an integer, as many as there are, and are taken apart
/// on the device ([`PatchOps::unpack_bytes`]).
///
/// # Panics
///
/// If there are not as many bytes as the shape says.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::embed::{LinearPatchEmbedConfig, Normalization, PatchEmbed};
/// use burn_patch::ops::{PixelOrder, byte_tensor};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::for_stride([4, 4], 3, 16).init(&device);
/// let embed = embed.fold_normalization(&Normalization::imagenet().for_bytes()).unwrap();
/// // Rows of red, green and blue, as a decoder gives them.
/// let photo = byte_tensor(vec![128; 8 * 12 * 3], [1, 8, 12, 3], &device);
/// let tokens = embed.forward_bytes(photo, PixelOrder::ChannelsLast);
/// assert_eq!(tokens.embeddings().dims(), [1, 6, 16]);
/// ```
pub fn byte_tensor(bytes: Vec<u8>, shape: [usize; 4], device: &Device) -> Tensor<4, Int> {
    if device.supports_dtype(DType::U8) {
        return Tensor::from_data(TensorData::new(bytes, shape), (device, DType::U8));
    }
    let count: usize = shape.iter().product();
    assert_eq!(bytes.len(), count, "bytes and shape {shape:?}");
    let packed = match Tensor::<1, Int>::empty([0], device).dtype() {
        DType::I64 => words(&bytes, i64::from_le_bytes),
        _ => words(&bytes, i32::from_le_bytes),
    };
    let packed = Tensor::<1, Int>::from_data(packed, device).into_dispatch();
    Tensor::from_dispatch(<Dispatch as PatchOps>::unpack_bytes(packed, shape))
}

/// So many bytes in each integer, the first in the lowest; zeros at the end.
fn words<const N: usize, T: Element>(bytes: &[u8], join: fn([u8; N]) -> T) -> TensorData {
    let words: Vec<T> = bytes
        .chunks(N)
        .map(|chunk| {
            let mut word = [0; N];
            word[..chunk.len()].copy_from_slice(chunk);
            join(word)
        })
        .collect();
    let len = words.len();
    TensorData::new(words, [len])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes with the highest bit, of which a shift copies the sign, and not a whole number of words.
    #[test]
    fn bytes_come_out_of_words_as_they_went_in() {
        let bytes: Vec<u8> = (0..54).map(|i| (i * 37 % 256) as u8).collect();
        let device = Device::flex();
        for (packed, dtype) in [
            (words(&bytes, i32::from_le_bytes), DType::I32),
            (words(&bytes, i64::from_le_bytes), DType::I64),
        ] {
            let packed = Tensor::<1, Int>::from_data(packed, (&device, dtype)).into_dispatch();
            let got = <Dispatch as PatchOps>::unpack_bytes(packed, [2, 3, 3, 3]);
            let got = Tensor::<4, Int>::from_dispatch(got).into_data();
            assert_eq!(got.shape().as_slice(), [2, 3, 3, 3]);
            assert_eq!(got.try_to_vec_as::<u8>().unwrap(), bytes, "{dtype:?}");
        }
    }
}
