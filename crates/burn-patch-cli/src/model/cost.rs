//! What a model costs: multiply-adds, and the memory of its activations.

use burn_vit::import::{Act, Architecture, Pool};

/// Bytes of a value.
const SINGLE: u128 = 4;

/// What one image costs, in 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Multiply-adds of products of matrices, attention's included; those of norms, activations and sums are not counted.
    pub(crate) multiply_adds: usize,
    /// Bytes that a block's widest step needs at once, besides the weights.
    pub(crate) inference_bytes: usize,
    /// Bytes that all steps keep for the gradients, attention's scores left out, which are computed again.
    pub(crate) training_bytes: usize,
}

/// Tokens through blocks of one kind.
#[derive(Debug, Clone, Copy)]
struct Blocks {
    tokens: u128,
    dim: u128,
    hidden: u128,
    depth: u128,
    /// Outputs of the MLP's first layer for each hidden unit.
    gates: u128,
}

impl Blocks {
    fn multiply_adds(self) -> u128 {
        let Self {
            tokens,
            dim,
            hidden,
            ..
        } = self;
        let projections = 4 * tokens * dim * dim;
        let attention = 2 * tokens * tokens * dim;
        let mlp = (self.gates + 1) * tokens * dim * hidden;
        self.depth * (projections + attention + mlp)
    }

    /// The residual stream beside query, key, value and what attention gives, or beside both sides of the activation.
    fn at_once(self) -> u128 {
        let mlp = (self.gates + 1) * self.hidden;
        self.tokens * (self.dim + (4 * self.dim).max(mlp))
    }

    /// Inputs of both norms, of four projections, and of attention and activation.
    fn kept(self) -> u128 {
        let mlp = (self.gates + 1) * self.hidden;
        self.depth * self.tokens * (8 * self.dim + mlp)
    }
}

/// What one image of a model's size costs; of a masked autoencoder, one step of its pre-training.
pub(crate) fn cost(arch: &Architecture) -> Cost {
    let wide = |size: usize| size as u128;
    let cells = wide(arch.cells());
    let gates = if arch.activation == Act::SwiGlu { 2 } else { 1 };
    let (prefix, dim) = (wide(arch.prefix()), wide(arch.dim));
    let visible = match &arch.decoder {
        Some(decoder) => (cells as f64 * (1.0 - decoder.mask_ratio)) as u128,
        None => cells,
    };
    let mut all = vec![Blocks {
        tokens: prefix + visible,
        dim,
        hidden: wide(arch.hidden),
        depth: wide(arch.depth),
        gates,
    }];
    let [height, width] = arch.patch.map(wide);
    let patch = wide(arch.channels) * height * width;
    let mut ends = visible * dim * patch;
    if let Some(decoder) = &arch.decoder {
        let narrow = wide(decoder.dim);
        ends += (prefix + visible) * dim * narrow + cells * narrow * patch;
        all.push(Blocks {
            tokens: prefix + cells,
            dim: narrow,
            hidden: wide(decoder.hidden),
            depth: wide(decoder.depth),
            gates,
        });
    } else {
        ends += head(arch);
    }
    let blocks = |count: fn(Blocks) -> u128| all.iter().map(move |blocks| count(*blocks));
    Cost {
        multiply_adds: whole(ends + blocks(Blocks::multiply_adds).sum::<u128>()),
        inference_bytes: whole(SINGLE * blocks(Blocks::at_once).max().unwrap_or(0)),
        training_bytes: whole(SINGLE * blocks(Blocks::kept).sum::<u128>()),
    }
}

fn head(arch: &Architecture) -> u128 {
    let (dim, hidden) = (arch.dim as u128, arch.hidden as u128);
    let tokens = arch.prefix() as u128 + arch.cells() as u128;
    let pool = match arch.pooling {
        Pool::Attention => {
            2 * dim * dim + 2 * tokens * dim * dim + 2 * tokens * dim + 2 * dim * hidden
        }
        _ => 0,
    };
    let classifiers = 1 + u128::from(arch.distilled_head);
    pool + arch.classes.unwrap_or(0) as u128 * classifiers * dim
}

/// The largest number where a file claims sizes beyond it.
pub(crate) fn whole(count: u128) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_vit::import::Preset;

    fn of(name: &str) -> Cost {
        cost(&Preset::by_name(name).unwrap().architecture().unwrap())
    }

    /// timm's table of results counts 17.58 and 4.61 billion for ViT-B/16 and ViT-S/16, norms included.
    #[test]
    fn multiply_adds_are_those_of_published_tables() {
        for (name, published) in [
            ("vit_base_patch16_224", 17.58e9),
            ("vit_small_patch16_224", 4.61e9),
            ("vit_large_patch16_224", 61.6e9),
        ] {
            let counted = of(name).multiply_adds as f64;
            assert!(
                (counted / published - 1.0).abs() < 5e-3,
                "{name}: {counted}"
            );
        }
    }

    #[test]
    fn training_keeps_what_every_block_needs() {
        let base = of("vit_base_patch16_224");
        // 197 tokens, 12 blocks of eight times 768 and twice 3072 floats.
        assert_eq!(base.training_bytes, 4 * 12 * 197 * (8 * 768 + 2 * 3072));
        assert_eq!(base.inference_bytes, 4 * 197 * (768 + 2 * 3072));
    }
}
