//! Biases of the scores between patch tokens, with room for a prefix.

use burn::tensor::ops::PadMode;
use burn::tensor::{Bool, Tensor};

/// `bias` (`[1 or batch, 1 or heads, queries, keys]`, of the patch tokens) with zeros for `prefix` queries and keys in
/// front, and for those that are not `placed` (`[batch, tokens]`; none: all are).
pub(crate) fn bias_behind_prefix(
    bias: Tensor<4>,
    placed: Option<Tensor<2, Bool>>,
    prefix: usize,
) -> Tensor<4> {
    let bias = match placed {
        None => bias,
        Some(placed) => between_placed(bias, placed),
    };
    match prefix {
        0 => bias,
        // Left, right, top, bottom.
        prefix => bias.pad((prefix, 0, prefix, 0), PadMode::Constant(0.0)),
    }
}

fn between_placed(bias: Tensor<4>, placed: Tensor<2, Bool>) -> Tensor<4> {
    let ([batch, tokens], [_, heads, ..]) = (placed.dims(), bias.dims());
    let placed = placed.int();
    let queries = placed.clone().reshape([batch, 1, tokens, 1]);
    let pairs = queries * placed.reshape([batch, 1, 1, tokens]);
    let shape = [batch, heads, tokens, tokens];
    let none = pairs.equal_elem(0).expand(shape);
    bias.expand(shape).mask_fill(none, 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn prefix_tokens_and_tokens_without_a_place_have_no_bias() {
        let device = Device::flex();
        let bias = || Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &device);
        let all = [[0.0f32, 0.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 4.0]];
        let got = bias_behind_prefix(bias(), None, 1).into_data();
        got.assert_eq(&[[all]].into(), true);

        let placed = Tensor::from_bool([[true, true], [false, true]], &device);
        let got = bias_behind_prefix(bias(), Some(placed), 1).into_data();
        let second = [[0.0f32, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 4.0]];
        got.assert_eq(&[[all], [second]].into(), true);
    }
}
