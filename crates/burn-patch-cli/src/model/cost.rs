//! What a model costs: multiply-adds, and the memory of its activations.

use burn_vit::import::{Act, Architecture, Pool};

/// Bytes of a value.
const SINGLE: usize = 4;

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
    tokens: usize,
    dim: usize,
    hidden: usize,
    depth: usize,
    /// Outputs of the MLP's first layer for each hidden unit.
    gates: usize,
}

impl Blocks {
    fn multiply_adds(self) -> usize {
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
    fn at_once(self) -> usize {
        let mlp = (self.gates + 1) * self.hidden;
        self.tokens * (self.dim + (4 * self.dim).max(mlp))
    }

    /// Inputs of both norms, of four projections, and of attention and activation.
    fn kept(self) -> usize {
        let mlp = (self.gates + 1) * self.hidden;
        self.depth * self.tokens * (8 * self.dim + mlp)
    }
}

/// What one image of a model's size costs; of a masked autoencoder, one step of its pre-training.
pub(crate) fn cost(arch: &Architecture) -> Cost {
    let cells = arch.cells();
    let gates = if arch.activation == Act::SwiGlu { 2 } else { 1 };
    let visible = match &arch.decoder {
        Some(decoder) => (cells as f64 * (1.0 - decoder.mask_ratio)) as usize,
        None => cells,
    };
    let mut all = vec![Blocks {
        tokens: arch.prefix() + visible,
        dim: arch.dim,
        hidden: arch.hidden,
        depth: arch.depth,
        gates,
    }];
    let patch = arch.channels * arch.patch[0] * arch.patch[1];
    let mut ends = visible * arch.dim * patch;
    if let Some(decoder) = &arch.decoder {
        ends += (arch.prefix() + visible) * arch.dim * decoder.dim + cells * decoder.dim * patch;
        all.push(Blocks {
            tokens: arch.prefix() + cells,
            dim: decoder.dim,
            hidden: decoder.hidden,
            depth: decoder.depth,
            gates,
        });
    } else {
        ends += head(arch);
    }
    let blocks = |count: fn(Blocks) -> usize| all.iter().map(move |blocks| count(*blocks));
    Cost {
        multiply_adds: ends + blocks(Blocks::multiply_adds).sum::<usize>(),
        inference_bytes: SINGLE * blocks(Blocks::at_once).max().unwrap_or(0),
        training_bytes: SINGLE * blocks(Blocks::kept).sum::<usize>(),
    }
}

fn head(arch: &Architecture) -> usize {
    let (dim, tokens) = (arch.dim, arch.prefix() + arch.cells());
    let pool = match arch.pooling {
        Pool::Attention => {
            2 * dim * dim + 2 * tokens * dim * dim + 2 * tokens * dim + 2 * dim * arch.hidden
        }
        _ => 0,
    };
    let classifiers = 1 + usize::from(arch.distilled_head);
    pool + arch.classes.unwrap_or(0) * classifiers * dim
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
