//! What is known of a model so far.

use crate::import::architecture::{Act, Architecture, Biases, Decoder, Places, Pool, Rotary};
use crate::import::error::ImportError;

/// Most blocks that any model has.
pub(crate) const MAX_DEPTH: usize = 1 << 12;

/// Writes the struct of optional facts and how two sets of them are joined.
macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// What is known of a model so far, from weights, a configuration, a preset or the caller.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Facts {
            $($(#[$doc])* pub $name: Option<$type>,)*
        }

        impl Facts {
            /// These facts, and those of `other` where there are none.
            #[must_use]
            pub fn or(self, other: Self) -> Self {
                Self { $($name: self.$name.or(other.$name),)* }
            }
        }
    };
}

facts! {
    /// Image `[height, width]` in pixels.
    image: [usize; 2],
    /// Patch `[height, width]` in pixels.
    patch: [usize; 2],
    /// Channels of the images.
    channels: usize,
    /// Width of the tokens.
    dim: usize,
    /// Blocks.
    depth: usize,
    /// Attention heads.
    heads: usize,
    /// Width in the MLPs.
    hidden: usize,
    /// What stands in the MLPs.
    activation: Act,
    /// Whether MLPs have a norm.
    mlp_norm: bool,
    /// Biases of query, key and value.
    qkv_bias: Biases,
    /// Whether queries and keys are normed.
    qk_norm: bool,
    /// Whether residual branches are scaled.
    layer_scale: bool,
    /// Epsilon of the norms.
    epsilon: f64,
    /// Whether the patch projection has a bias.
    patch_bias: bool,
    /// Whether there is a norm before the blocks.
    pre_norm: bool,
    /// Whether there is a class token.
    class_token: bool,
    /// Whether there is a distillation token.
    distilled: bool,
    /// Whether a second classifier sees it; where nothing says so, it does.
    distilled_head: bool,
    /// Register tokens.
    registers: usize,
    /// Whether there is a mask token.
    mask_token: bool,
    /// Whether there is a trained table of positions.
    table: bool,
    /// All rows of that table, prefix included.
    table_rows: usize,
    /// Whether prefix tokens have rows in that table.
    prefix_rows: bool,
    /// Rotary positions; none inside: not.
    rotary: Option<Rotary>,
    /// A relative bias.
    relative: bool,
    /// Whether the mean of the patch tokens is pooled, not the class token; for models without attention pool.
    mean: bool,
    /// Whether a norm stands behind the pooling.
    fc_norm: bool,
    /// Whether there is an attention pool.
    attention_pool: bool,
    /// Classes; none inside: no classifier.
    classes: Option<usize>,
    /// The decoder of a masked autoencoder; none inside: not.
    decoder: Option<Decoder>,
}

impl Facts {
    /// The architecture, if everything is known.
    ///
    /// # Errors
    ///
    /// [`ImportError::Open`] for what is not, [`ImportError::Unsupported`] for sizes that do not fit each other.
    pub fn resolve(&self) -> Result<Architecture, ImportError> {
        let open = |what, hint: &str| ImportError::Open {
            what,
            hint: hint.to_owned(),
        };
        let beside = "a config.json beside the weights, a preset's name, or the value itself";
        let patch = self.patch.ok_or_else(|| open("the patch size", beside))?;
        let class_token = self.class_token.unwrap_or(true);
        let distilled = self.distilled.unwrap_or(false);
        let registers = self.registers.unwrap_or(0);
        let tokens = usize::from(class_token) + usize::from(distilled);
        let prefix = tokens.saturating_add(registers);
        let (image, table) = self.grid(patch, prefix, tokens)?;
        let arch = Architecture {
            image,
            patch,
            channels: self.channels.unwrap_or(3),
            dim: self.dim.ok_or_else(|| open("the width", beside))?,
            depth: self.depth.ok_or_else(|| open("the depth", beside))?,
            heads: self
                .heads
                .ok_or_else(|| open("the number of attention heads", beside))?,
            hidden: self.hidden.ok_or_else(|| open("the MLPs' width", beside))?,
            activation: self
                .activation
                .ok_or_else(|| open("the activation", beside))?,
            mlp_norm: self.mlp_norm.unwrap_or(false),
            qkv_bias: self.qkv_bias.unwrap_or(Biases::All),
            qk_norm: self.qk_norm.unwrap_or(false),
            layer_scale: self.layer_scale.unwrap_or(false),
            epsilon: self
                .epsilon
                .ok_or_else(|| open("the epsilon of the norms", beside))?,
            patch_bias: self.patch_bias.unwrap_or(true),
            pre_norm: self.pre_norm.unwrap_or(false),
            class_token,
            distilled,
            distilled_head: distilled && self.distilled_head.unwrap_or(true),
            registers,
            mask_token: self.mask_token.unwrap_or(false),
            places: Places {
                table,
                rotary: self
                    .rotary
                    .ok_or_else(|| open("whether and how positions turn queries", beside))?,
                relative: self.relative.unwrap_or(false),
            },
            pooling: self.pooling(class_token),
            classes: self.classes.flatten(),
            decoder: self.decoder.flatten(),
        };
        checked(arch)
    }

    /// Refuses a configuration that says something else than the weights.
    ///
    /// # Errors
    ///
    /// [`ImportError::Disagree`].
    pub fn agree(&self, config: &Self) -> Result<(), ImportError> {
        let pairs = [
            ("the width", self.dim, config.dim),
            ("the number of blocks", self.depth, config.depth),
            ("the MLPs' width", self.hidden, config.hidden),
            ("the number of attention heads", self.heads, config.heads),
            ("the channels", self.channels, config.channels),
        ];
        for (what, weights, config) in pairs {
            if let (Some(weights), Some(config)) = (weights, config)
                && weights != config
            {
                return Err(ImportError::Disagree {
                    what,
                    config: config.to_string(),
                    weights: weights.to_string(),
                });
            }
        }
        Ok(())
    }

    fn pooling(&self, class_token: bool) -> Pool {
        if self.attention_pool.unwrap_or(false) {
            return Pool::Attention;
        }
        let fc_norm = self.fc_norm.unwrap_or(false);
        match (self.mean.unwrap_or(!class_token), fc_norm) {
            (true, true) => Pool::MeanThenNorm,
            (true, false) => Pool::Mean,
            (false, true) => Pool::ClassThenNorm,
            (false, false) => Pool::Class,
        }
    }

    /// The image, and the table's rows for `prefix` tokens, `tokens` of which are no registers.
    fn grid(
        &self,
        patch: [usize; 2],
        prefix: usize,
        tokens: usize,
    ) -> Result<([usize; 2], Option<usize>), ImportError> {
        let open = || ImportError::Open {
            what: "the image size",
            hint: "a config.json beside the weights, a preset's name, or the size itself"
                .to_owned(),
        };
        if !self.table.unwrap_or(true) {
            return Ok((self.image.ok_or_else(open)?, None));
        }
        let kinds = [prefix, tokens, 0];
        let Some(rows) = self.table_rows else {
            let rows = if self.prefix_rows.unwrap_or(true) {
                prefix
            } else {
                0
            };
            return Ok((self.image.ok_or_else(open)?, Some(rows)));
        };
        if let Some([height, width]) = self.image {
            let cells = (height / patch[0].max(1)).checked_mul(width / patch[1].max(1));
            if let Some(own) = cells.and_then(|cells| rows.checked_sub(cells))
                && kinds.contains(&own)
            {
                return Ok(([height, width], Some(own)));
            }
            return Err(ImportError::Disagree {
                what: "the position table",
                config: format!("an image of {height}×{width} in patches of {patch:?}"),
                weights: format!("{rows} rows behind {prefix} prefix tokens"),
            });
        }
        let square = kinds.into_iter().find_map(|own| {
            let side = rows.checked_sub(own)?.isqrt();
            (side > 0 && side * side + own == rows).then_some((side, own))
        });
        let (side, own) = square.ok_or_else(open)?;
        let image = patch.map(|pixels| side.saturating_mul(pixels));
        Ok((image, Some(own)))
    }
}

/// Refuses sizes that no model has.
fn checked(arch: Architecture) -> Result<Architecture, ImportError> {
    if arch.decoder.is_some_and(|decoder| decoder.heads == 0) {
        return Err(ImportError::Open {
            what: "the number of the decoder's attention heads",
            hint: "a config.json beside the weights, or the decoder itself".to_owned(),
        });
    }
    let refuse = |what: &str, got: String, expected: &str| {
        Err(ImportError::Unsupported {
            what: what.to_owned(),
            got,
            expected: expected.to_owned(),
        })
    };
    let decoder = arch.decoder.map_or([1; 4], |decoder| {
        [
            decoder.dim,
            decoder.heads,
            decoder.hidden,
            decoder.depth.max(1),
        ]
    });
    let sizes = [
        arch.classes.unwrap_or(1).max(1),
        arch.registers.max(1),
        decoder[0],
        decoder[1],
        decoder[2],
        decoder[3],
        arch.image[0],
        arch.image[1],
        arch.patch[0],
        arch.patch[1],
        arch.channels,
        arch.dim,
        arch.heads,
        arch.hidden,
    ];
    if sizes.iter().any(|size| *size == 0 || *size > 1 << 20) || arch.depth > MAX_DEPTH {
        return refuse(
            "sizes",
            format!("{sizes:?}, depth {}", arch.depth),
            "sizes of 1 to 2²⁰",
        );
    }
    if arch.grid().contains(&0) {
        let [height, width] = arch.image;
        let got = format!("{height}×{width} in patches of {:?}", arch.patch);
        return refuse("the image size", got, "an image of at least one patch");
    }
    let of_decoder = arch.decoder.map(|decoder| (decoder.dim, decoder.heads));
    let widths = [Some((arch.dim, arch.heads)), of_decoder];
    if !widths
        .iter()
        .flatten()
        .all(|(dim, heads)| dim.is_multiple_of(*heads))
    {
        return refuse("heads", arch.heads.to_string(), "a divisor of the width");
    }
    if arch.pooling == Pool::Class && !arch.class_token {
        return refuse("pooling by class token", "no class token".to_owned(), "one");
    }
    Ok(arch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Facts {
        Facts {
            patch: Some([8, 8]),
            dim: Some(48),
            depth: Some(2),
            heads: Some(3),
            hidden: Some(192),
            activation: Some(Act::Gelu),
            epsilon: Some(1e-6),
            table_rows: Some(17),
            rotary: Some(None),
            ..Facts::default()
        }
    }

    #[test]
    fn a_table_says_the_image_where_it_is_square() {
        let arch = known().resolve().unwrap();
        assert_eq!((arch.image, arch.places.table), ([32, 32], Some(1)));
        let wide = Facts {
            image: Some([16, 64]),
            ..known()
        };
        assert_eq!(wide.resolve().unwrap().grid(), [2, 8]);
        let registers = Facts {
            registers: Some(4),
            ..known()
        };
        assert_eq!(registers.resolve().unwrap().places.table, Some(1));
    }

    #[test]
    fn what_is_open_is_named() {
        let open = Facts {
            heads: None,
            ..known()
        };
        let error = open.resolve().unwrap_err().to_string();
        assert!(error.contains("attention heads is open"), "{error}");
        let odd = Facts {
            heads: Some(5),
            ..known()
        };
        assert!(odd.resolve().unwrap_err().to_string().contains("heads"));
        let small = Facts {
            image: Some([7, 32]),
            table: Some(false),
            ..known()
        };
        let error = small.resolve().unwrap_err().to_string();
        assert!(error.contains("at least one patch"), "{error}");
        let other = Facts {
            image: Some([40, 32]),
            ..known()
        };
        assert!(matches!(other.resolve(), Err(ImportError::Disagree { .. })));
    }
}
