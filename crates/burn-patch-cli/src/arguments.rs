//! Arguments that several commands take.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_patch::Error;
use burn_patch::ops::backends;
use burn_vit::import::{Decoder, Dialect, Facts, Importer};
use clap::Args;

use crate::failure::Failure;
use crate::hub;

/// `[height, width]` from `HxW`, or from one number for both.
pub(crate) fn size(text: &str) -> Result<[usize; 2], String> {
    let side = |text: &str| match text.parse::<usize>() {
        Ok(side) if (1..=1 << 16).contains(&side) => Ok(side),
        _ => Err("expected HEIGHTxWIDTH in pixels, as 224x336, or one number".to_owned()),
    };
    match text.split_once('x') {
        Some((height, width)) => Ok([side(height)?, side(width)?]),
        None => side(text).map(|side| [side; 2]),
    }
}

/// A dialect by its name.
pub(crate) fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
        format!("expected one of {}", known.join(", "))
    })
}

/// The device of a backend. Its products are not tuned: a few pictures are done before that would pay.
pub(crate) fn device(backend: &str) -> Result<Device, Failure> {
    backends::tune_products(false);
    backends::device(backend).map_err(|error| match error {
        Error::UnknownBackend { .. } => Failure::usage(error),
        error => Failure::failed(error),
    })
}

/// Which weights, and what they cannot say themselves.
#[derive(Args, Debug, Clone)]
pub(crate) struct Source {
    /// A .safetensors file, an index of several, a folder with either, what torch.save or JAX (.npz) wrote, or
    /// hf://org/model[@revision] on the Hugging Face Hub (cargo feature hub)
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,

    /// Whose names the weights have. Default: told by the names
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    pub(crate) dialect: Option<Dialect>,

    #[command(flatten)]
    pub(crate) said: Said,
}

/// What weights cannot say themselves.
#[derive(Args, Debug, Clone)]
pub(crate) struct Said {
    /// The config.json of transformers or timm. Default: the one beside the weights, if there is one
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub(crate) config: Option<PathBuf>,

    /// A published model that says what weights do not, as vit_base_patch16_224
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,

    /// Attention heads, which the weights of some libraries do not say
    #[arg(long, value_name = "N")]
    pub(crate) heads: Option<usize>,

    /// Attention heads of a masked autoencoder's decoder
    #[arg(long, value_name = "N")]
    pub(crate) decoder_heads: Option<usize>,

    /// A masked autoencoder's target is normalised by patch
    #[arg(long, requires = "decoder_heads")]
    pub(crate) norm_pix_loss: bool,
}

impl Source {
    /// The same, with weights that lie on this machine.
    pub(crate) fn local(&self) -> Result<Self, Failure> {
        Ok(Self {
            weights: hub::local(&self.weights)?,
            ..self.clone()
        })
    }

    /// The importer of these weights.
    pub(crate) fn importer(&self) -> Importer {
        self.said.importer(&self.weights, self.dialect)
    }
}

impl Said {
    /// The importer of weights in a dialect, or in the one that their names tell.
    pub(crate) fn importer(&self, weights: &Path, dialect: Option<Dialect>) -> Importer {
        let mut importer = Importer::new(weights).with_facts(self.facts());
        if let Some(config) = &self.config {
            importer = importer.with_config(config);
        }
        if let Some(preset) = &self.preset {
            importer = importer.with_preset(preset);
        }
        match dialect {
            Some(dialect) => importer.with_dialect(dialect),
            None => importer,
        }
    }

    fn facts(&self) -> Facts {
        // Widths and depth are those of the weights.
        let decoder = self.decoder_heads.map(|heads| Decoder {
            dim: 0,
            depth: 0,
            heads,
            hidden: 0,
            mask_ratio: 0.75,
            normalized: self.norm_pix_loss,
        });
        Facts {
            heads: self.heads,
            decoder: decoder.map(Some),
            ..Facts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_height_and_width_or_one_number() {
        assert_eq!(size("224x336"), Ok([224, 336]));
        assert_eq!(size("224"), Ok([224, 224]));
        for wrong in ["", "x", "0x3", "224X224", "-1", "1x2x3", "99999999"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
