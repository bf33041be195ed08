//! The addition of positions to tokens.

use burn::tensor::Tensor;

use crate::Tokens;

/// Adds `patches` (`[1 or batch, tokens, dim]`) to the patch tokens and `prefix` (`[1, placed, dim]`) to the
/// first prefix tokens; prefix tokens beyond them get none, nor do tokens without a place.
pub(crate) fn add(tokens: Tokens, patches: Tensor<3>, prefix: Option<Tensor<3>>) -> Tokens {
    let (count, dim) = (tokens.prefix(), tokens.dim());
    let patches = tokens.where_placed(patches);
    let [rows, ..] = patches.dims();
    let device = patches.device();
    let row = |count| Tensor::zeros([rows, count, dim], (&device, patches.dtype()));
    let offset = match (count, prefix) {
        (0, _) => patches,
        (_, None) => Tensor::cat(vec![row(count), patches], 1),
        (_, Some(prefix)) => {
            let [_, placed, _] = prefix.dims();
            let prefix = prefix.expand([rows, placed, dim]);
            match count - placed {
                0 => Tensor::cat(vec![prefix, patches], 1),
                rest => Tensor::cat(vec![prefix, row(rest), patches], 1),
            }
        }
    };
    tokens.map(|embeddings| embeddings + offset)
}
