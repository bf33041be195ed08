//! Biases of the scores between patch tokens, with room for a prefix.

use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;

/// `bias` (`[1 or batch, 1 or heads, queries, keys]`, of the patch tokens) with zeros for `prefix` queries and keys in
/// front.
pub(crate) fn bias_behind_prefix(bias: Tensor<4>, prefix: usize) -> Tensor<4> {
    match prefix {
        0 => bias,
        // Left, right, top, bottom.
        prefix => bias.pad((prefix, 0, prefix, 0), PadMode::Constant(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn prefix_tokens_have_no_bias() {
        let bias = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &Device::flex());
        let want = [[[[0.0f32, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 4.0]]]];
        let got = bias_behind_prefix(bias, 1).into_data();
        got.assert_eq(&want.into(), true);
    }
}
