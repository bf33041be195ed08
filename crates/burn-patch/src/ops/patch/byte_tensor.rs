//! Bytes from the host on any device.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Puts the bytes of pictures on a device, in the integers that it has: 8 bits each where it can compute with those,
/// else the device's usual integers.
///
/// LibTorch's and WebGPU's backends have no 8-bit integers, and Burn panics if asked for them there
/// (`Unsupported dtype U8`).
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
    let data = TensorData::new(bytes, shape);
    if device.supports_dtype(DType::U8) {
        Tensor::from_data(data, (device, DType::U8))
    } else {
        Tensor::from_data(data, device)
    }
}
