//! Quantized parameters as floats.

use burn::tensor::{DType, Tensor};

/// The values of a tensor that Burn's `Quantizer` stored in few bits, as floats; any other tensor as it is.
///
/// ```
/// use burn::tensor::quantization::QuantValue;
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::ops::dequantized;
///
/// let device = Device::flex();
/// let weight = Tensor::<2>::from_floats([[0.5, -1.0], [0.25, 1.0]], &device);
/// let scheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
/// let back = dequantized(weight.clone().quantize_dynamic(&scheme));
/// let apart: f32 = (back - weight).abs().max().into_scalar();
/// assert!(apart < 0.005, "{apart}");
/// ```
pub fn dequantized<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match tensor.dtype() {
        DType::QFloat(_) => tensor.dequantize(),
        _ => tensor,
    }
}
