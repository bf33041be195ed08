//! The parts of a model that hold parameters, by path and shape.

use crate::import::architecture::{Act, Architecture, Biases, Decoder, Pool, Rotary};

/// How a part's parameters are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `weight [input, output]` and perhaps `bias`; PyTorch has `[output, input]`.
    Linear,
    /// `weight [output, channels, height, width]` and perhaps `bias`.
    Conv,
    /// `gamma` and `beta`; PyTorch's `weight` and `bias`.
    Norm,
    /// A tensor by its own name.
    Tensor,
    /// A table of positions, prefix rows first.
    Table {
        /// Rows for prefix tokens.
        prefix: usize,
        /// Rows and columns of the grid.
        grid: [usize; 2],
    },
}

/// A part of a model that holds parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its path in the module.
    pub path: String,
    /// What the dialects' tables call it: its path in a `Vit`, or that of a decoder's part.
    pub key: String,
    /// How its parameters are laid out.
    pub kind: Kind,
    /// Shape of its weight, as the module has it.
    pub shape: Vec<usize>,
    /// Whether it has a bias.
    pub bias: bool,
}

impl Part {
    /// Path and shape of its weight.
    pub fn weight(&self) -> (String, Vec<usize>) {
        let path = match self.kind {
            Kind::Linear | Kind::Conv => format!("{}.weight", self.path),
            Kind::Norm => format!("{}.gamma", self.path),
            Kind::Tensor | Kind::Table { .. } => self.path.clone(),
        };
        (path, self.shape.clone())
    }

    /// Path and shape of its bias.
    pub fn bias(&self) -> Option<(String, Vec<usize>)> {
        let (name, width) = match self.kind {
            Kind::Linear => ("bias", self.shape[1]),
            Kind::Conv => ("bias", self.shape[0]),
            Kind::Norm => ("beta", self.shape[0]),
            Kind::Tensor | Kind::Table { .. } => return None,
        };
        self.bias
            .then(|| (format!("{}.{name}", self.path), vec![width]))
    }
}

/// All parts of a model, encoder first.
pub fn parts(arch: &Architecture) -> Vec<Part> {
    let mut list = List::default();
    let root = if arch.decoder.is_some() { "vit." } else { "" };
    list.root = root.to_owned();
    list.stem(arch);
    let block = Block {
        dim: arch.dim,
        hidden: arch.hidden,
        heads: arch.heads,
        arch,
    };
    for index in 0..arch.depth {
        list.block(&format!("encoder.blocks.{index}"), &block);
    }
    list.end(arch);
    if let Some(decoder) = &arch.decoder {
        list.root.clear();
        list.decoder(arch, decoder);
    }
    list.parts
}

/// Parameters of a model: the sum over its parts.
pub fn parameters(arch: &Architecture) -> usize {
    let all = parts(arch);
    let shapes = all
        .iter()
        .flat_map(|part| [Some(part.weight()), part.bias()].into_iter().flatten());
    shapes
        .map(|(_, shape)| {
            shape
                .iter()
                .fold(1usize, |product, side| product.saturating_mul(*side))
        })
        .fold(0, usize::saturating_add)
}

struct Block<'a> {
    dim: usize,
    hidden: usize,
    heads: usize,
    arch: &'a Architecture,
}

#[derive(Default)]
struct List {
    root: String,
    parts: Vec<Part>,
}

impl List {
    fn push(&mut self, path: &str, kind: Kind, shape: &[usize], bias: bool) {
        self.parts.push(Part {
            path: format!("{}{path}", self.root),
            key: path.to_owned(),
            kind,
            shape: shape.to_vec(),
            bias,
        });
    }

    fn norm(&mut self, path: &str, width: usize) {
        self.push(path, Kind::Norm, &[width], true);
    }

    fn linear(&mut self, path: &str, shape: [usize; 2]) {
        self.push(path, Kind::Linear, &shape, true);
    }

    fn tensor(&mut self, path: &str, shape: &[usize]) {
        self.push(path, Kind::Tensor, shape, false);
    }

    fn table(&mut self, path: &str, prefix: usize, arch: &Architecture, dim: usize) {
        let kind = Kind::Table {
            prefix,
            grid: arch.grid(),
        };
        self.push(path, kind, &[1, prefix + arch.cells(), dim], false);
    }

    fn stem(&mut self, arch: &Architecture) {
        let [height, width] = arch.patch;
        let shape = [arch.dim, arch.channels, height, width];
        self.push("patch_embed.proj", Kind::Conv, &shape, arch.patch_bias);
        for (name, count) in [
            ("prefix.cls_token", usize::from(arch.class_token)),
            ("prefix.dist_token", usize::from(arch.distilled)),
            ("prefix.reg_token", arch.registers),
            ("mask_token", usize::from(arch.mask_token)),
        ] {
            if count > 0 {
                self.tensor(name, &[1, count, arch.dim]);
            }
        }
        if let Some(prefix) = arch.places.table {
            self.table("encoder.position.pos_embed", prefix, arch, arch.dim);
        }
        if let Some(Rotary::Mixed { .. }) = arch.places.rotary {
            let half = arch.dim / arch.heads.max(1) / 2;
            self.tensor(
                "encoder.position_within.freqs",
                &[2, arch.depth, arch.heads, half],
            );
        }
        if arch.pre_norm {
            self.norm("encoder.norm_pre", arch.dim);
        }
    }

    fn block(&mut self, path: &str, block: &Block<'_>) {
        let Block {
            dim, hidden, arch, ..
        } = *block;
        let at = |name: &str| format!("{path}.{name}");
        self.norm(&at("norm1"), dim);
        let all = arch.qkv_bias == Biases::All;
        self.push(&at("attn.qkv"), Kind::Linear, &[dim, 3 * dim], all);
        if arch.qkv_bias == Biases::NoKey {
            self.tensor(&at("attn.q_bias"), &[dim]);
            self.tensor(&at("attn.v_bias"), &[dim]);
        }
        if arch.qk_norm {
            self.norm(&at("attn.q_norm"), dim / block.heads.max(1));
            self.norm(&at("attn.k_norm"), dim / block.heads.max(1));
        }
        if arch.places.relative {
            let [rows, cols] = arch.grid();
            let offsets = (2 * rows).saturating_sub(1) * (2 * cols).saturating_sub(1);
            self.tensor(&at("attn.relative"), &[offsets + 3, block.heads]);
            // The encoder holds the tables of all blocks.
            if let (Some(table), Some(index)) = (self.parts.last_mut(), path.rsplit('.').next()) {
                let tables = "encoder.position_within.relative_position_bias_table";
                table.path = format!("{}{tables}.{index}", self.root);
            }
        }
        self.linear(&at("attn.proj"), [dim, dim]);
        if arch.layer_scale {
            self.tensor(&at("ls1.gamma"), &[dim]);
        }
        self.norm(&at("norm2"), dim);
        let inputs = if arch.activation == Act::SwiGlu { 2 } else { 1 };
        self.linear(&at("mlp.fc1"), [dim, inputs * hidden]);
        if arch.mlp_norm {
            self.norm(&at("mlp.norm"), hidden);
        }
        self.linear(&at("mlp.fc2"), [hidden, dim]);
        if arch.layer_scale {
            self.tensor(&at("ls2.gamma"), &[dim]);
        }
    }

    fn end(&mut self, arch: &Architecture) {
        let dim = arch.dim;
        match arch.pooling {
            Pool::ClassThenNorm | Pool::MeanThenNorm if arch.decoder.is_none() => {
                self.norm("head.fc_norm", dim);
            }
            _ => self.norm("encoder.norm", dim),
        }
        if arch.pooling == Pool::Attention {
            self.tensor("head.attn_pool.latent", &[1, 1, dim]);
            self.linear("head.attn_pool.q", [dim, dim]);
            self.linear("head.attn_pool.kv", [dim, 2 * dim]);
            self.linear("head.attn_pool.proj", [dim, dim]);
            self.norm("head.attn_pool.norm", dim);
            self.linear("head.attn_pool.mlp.fc1", [dim, arch.hidden]);
            self.linear("head.attn_pool.mlp.fc2", [arch.hidden, dim]);
        }
        if let Some(classes) = arch.classes {
            self.linear("head.fc", [dim, classes]);
            if arch.distilled_head {
                self.linear("head.fc_dist", [dim, classes]);
            }
        }
    }

    fn decoder(&mut self, arch: &Architecture, decoder: &Decoder) {
        let dim = decoder.dim;
        self.linear("decoder_embed", [arch.dim, dim]);
        self.tensor("mask_token", &[1, 1, dim]);
        if let Some(token) = self.parts.last_mut() {
            "decoder_mask_token".clone_into(&mut token.key);
        }
        self.table("decoder.position.pos_embed", arch.prefix(), arch, dim);
        let block = Block {
            dim,
            hidden: decoder.hidden,
            heads: decoder.heads,
            arch,
        };
        for index in 0..decoder.depth {
            self.block(&format!("decoder.blocks.{index}"), &block);
        }
        self.norm("decoder.norm", dim);
        let values = arch.channels * arch.patch[0] * arch.patch[1];
        self.linear("decoder_pred", [dim, values]);
    }
}
