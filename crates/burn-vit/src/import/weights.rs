//! What weights say of their model by names and shapes.

use std::collections::HashMap;

use crate::import::architecture::{Act, Biases, Decoder, Rotary};
use crate::import::dialect::{Dialect, FlaxOrder, How, Row, Which};
use crate::import::facts::{Facts, MAX_DEPTH};
use crate::import::file::Entry;
use crate::import::part::Kind;

/// Stored tensors under the names of a dialect.
pub(crate) struct Weights<'a> {
    dialect: Dialect,
    by_name: HashMap<&'a str, &'a Entry>,
}

/// The line of a dialect's table that names a parameter, and the tensors that it names, their axes in PyTorch's order.
pub(crate) struct Found {
    pub(crate) how: How,
    pub(crate) entries: Vec<Entry>,
}

impl<'a> Weights<'a> {
    pub(crate) fn new(dialect: Dialect, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let table = dialect.table();
        Self {
            dialect,
            by_name: entries
                .map(|entry| (table.bare(&entry.name), entry))
                .collect(),
        }
    }

    /// The first line of the table for a parameter of part `key` whose names are all there.
    pub(crate) fn find(&self, key: &str, kind: Kind, which: Which) -> Option<Found> {
        let (how, stored) = self.stored(key, kind, which)?;
        let turned = |entry: &Entry| match how {
            How::Flax => Entry {
                shape: FlaxOrder::of(&entry.name, &entry.shape).shape(),
                ..entry.clone()
            },
            _ => entry.clone(),
        };
        let entries = stored.into_iter().map(turned).collect();
        Some(Found { how, entries })
    }

    fn stored(&self, key: &str, kind: Kind, which: Which) -> Option<(How, Vec<&'a Entry>)> {
        self.dialect.table().rows().find_map(|row: &Row| {
            let names = row.names(key, kind, which)?;
            let entries: Option<Vec<&Entry>> = names
                .iter()
                .map(|name| self.by_name.get(name.as_str()).copied())
                .collect();
            Some((row.how, entries?))
        })
    }

    fn shape(&self, key: &str, kind: Kind) -> Option<Vec<usize>> {
        let found = self.find(key, kind, Which::Weight)?;
        found.entries.into_iter().next().map(|entry| entry.shape)
    }

    fn tensor(&self, key: &str) -> Option<Vec<usize>> {
        self.shape(key, Kind::Tensor)
    }

    fn norm(&self, key: &str) -> bool {
        self.shape(key, Kind::Norm).is_some()
    }

    fn bias(&self, key: &str) -> bool {
        self.find(key, Kind::Linear, Which::Bias).is_some()
    }

    fn blocks(&self, root: &str) -> usize {
        // One beyond what is refused as too deep: a file may name a million.
        (0..=MAX_DEPTH)
            .take_while(|index| self.norm(&format!("{root}.{index}.norm1")))
            .count()
    }

    /// Everything that names and shapes say.
    pub(crate) fn facts(&self) -> Facts {
        let depth = self.blocks("encoder.blocks");
        let mut facts = Facts {
            depth: (depth > 0).then_some(depth),
            pre_norm: Some(self.norm("encoder.norm_pre")),
            class_token: Some(self.tensor("prefix.cls_token").is_some()),
            distilled: Some(self.tensor("prefix.dist_token").is_some()),
            registers: Some(
                self.tensor("prefix.reg_token")
                    .map_or(0, |shape| rows(&shape)),
            ),
            mask_token: Some(self.tensor("mask_token").is_some()),
            attention_pool: Some(self.tensor("head.attn_pool.latent").is_some()),
            fc_norm: Some(self.norm("head.fc_norm")),
            classes: Some(self.outputs("head.fc")),
            ..Facts::default()
        };
        if facts.classes.flatten().is_some() {
            facts.distilled_head = Some(self.outputs("head.fc_dist").is_some());
        }
        self.stem(&mut facts);
        self.block(&mut facts);
        self.places(&mut facts);
        facts.decoder = Some(self.decoder());
        facts
    }

    /// Outputs of a linear layer, `[output, input]` there.
    fn outputs(&self, key: &str) -> Option<usize> {
        self.shape(key, Kind::Linear)?.first().copied()
    }

    fn stem(&self, facts: &mut Facts) {
        let Some(shape) = self.shape("patch_embed.proj", Kind::Conv) else {
            return;
        };
        match shape[..] {
            [dim, channels, height, width] => {
                (facts.dim, facts.channels) = (Some(dim), Some(channels));
                facts.patch = Some([height, width]);
            }
            [dim, values] => {
                facts.dim = Some(dim);
                let side = (values / 3).isqrt();
                if side * side * 3 == values {
                    (facts.channels, facts.patch) = (Some(3), Some([side, side]));
                }
            }
            _ => {}
        }
        facts.patch_bias = Some(
            self.find("patch_embed.proj", Kind::Conv, Which::Bias)
                .is_some(),
        );
    }

    fn block(&self, facts: &mut Facts) {
        let at = |name: &str| format!("encoder.blocks.0.{name}");
        let fc2 = self.shape(&at("mlp.fc2"), Kind::Linear);
        facts.hidden = fc2.and_then(|shape| shape.get(1).copied());
        let fc1 = self.find(&at("mlp.fc1"), Kind::Linear, Which::Weight);
        let outputs = fc1.map(|fc1| {
            fc1.entries
                .iter()
                .map(|entry| rows(&entry.shape))
                .fold(0, usize::saturating_add)
        });
        if let (Some(outputs), Some(hidden)) = (outputs, facts.hidden)
            && hidden.checked_mul(2) == Some(outputs)
        {
            facts.activation = Some(Act::SwiGlu);
        }
        facts.mlp_norm = Some(self.norm(&at("mlp.norm")));
        facts.qk_norm = Some(self.norm(&at("attn.q_norm")));
        facts.layer_scale = Some(self.tensor(&at("ls1.gamma")).is_some());
        facts.qkv_bias = Some(if self.bias(&at("attn.qkv")) {
            Biases::All
        } else if self.tensor(&at("attn.q_bias")).is_some() {
            Biases::NoKey
        } else {
            Biases::None
        });
        let head = self.shape(&at("attn.q_norm"), Kind::Norm);
        if let (Some(dim), Some([width])) = (facts.dim, head.as_deref()) {
            facts.heads = dim.checked_div(*width);
        }
        if let Some([_, heads]) = self.tensor(&at("attn.relative")).as_deref() {
            (facts.relative, facts.heads) = (Some(true), Some(*heads));
        }
        let qkv = self.stored(&at("attn.qkv"), Kind::Linear, Which::Weight);
        if let Some((How::Flax, entries)) = qkv
            && let [_, heads, _] = entries[0].shape[..]
        {
            facts.heads = Some(heads);
        }
    }

    fn places(&self, facts: &mut Facts) {
        let table = self.tensor("encoder.position.pos_embed");
        facts.table = Some(table.is_some());
        if let (Some(shape), Some(dim)) = (table, facts.dim) {
            let values = shape
                .iter()
                .fold(1usize, |product, side| product.saturating_mul(*side));
            facts.table_rows = values.checked_div(dim);
        }
        let freqs = self.tensor("encoder.position_within.freqs");
        if let Some([2, _, heads, _]) = freqs.as_deref() {
            facts.rotary = Some(Some(Rotary::Mixed { base: 10.0 }));
            facts.heads = Some(*heads);
        }
    }

    /// The decoder, as far as it is known. Published ones, 512 wide, have 16 heads; those of others are open, which 0 says.
    fn decoder(&self) -> Option<Decoder> {
        let dim = self.outputs("decoder_embed")?;
        let fc2 = self.shape("decoder.blocks.0.mlp.fc2", Kind::Linear)?;
        Some(Decoder {
            dim,
            depth: self.blocks("decoder.blocks"),
            heads: if dim == 512 { 16 } else { 0 },
            hidden: *fc2.get(1)?,
            mask_ratio: 0.75,
            normalized: false,
        })
    }
}

/// The longest axis but the last, or the only one: rows of a token or of a linear layer.
fn rows(shape: &[usize]) -> usize {
    match shape {
        [] => 0,
        [_, count, _] => *count,
        [count, ..] => *count,
    }
}
