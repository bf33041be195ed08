//! The tiny models, by the names of their embedding and reducer.

use std::fmt;

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::Device;
use burn_patch::embed::{AnyPatchEmbed, AnyPatchEmbedConfig, PatchEmbed};
use burn_patch::position::AnyPositionConfig;
use burn_vit::{EncoderConfig, HeadConfig, Mae, MaeConfig, Pooling, PrefixConfig, Vit, VitConfig};

use crate::data::Split;
use crate::error::Error;
use crate::tiny_reducer::{self, wants_class_token};

/// Side of a patch in pixels.
pub const PATCH: usize = 4;
/// Patches that a picture needs, so that masking three of four leaves one.
const FEWEST: usize = 4;
const DIM: usize = 64;
const DEPTH: usize = 4;
const HEADS: usize = 4;
const DECODER_DIM: usize = 32;
const DECODER_DEPTH: usize = 2;
/// Learning rate of a model that starts from random weights.
pub const RATE_FROM_SCRATCH: f64 = 2e-3;
/// PyTorch's for linear layers. After 5 epochs of pre-training the loss is 0.520, with MAE's Xavier, whose
/// residual branches start larger, 0.564.
const INITIALIZER: Initializer = Initializer::KaimingUniform {
    gain: 0.577_350_269_189_625_8,
    fan_out_only: false,
};
/// Of the classifiers. With 15 epochs from scratch and seeds 0 and 1: 84.25 % and 84.8 %, without it
/// 82.25 % and 84.5 %.
pub const DROP_PATH: f64 = 0.1;

/// A tiny ViT over an embedding, with positions, and with a reducer or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TinyModel {
    /// Name of the embedding, one of [`EMBEDDINGS`](burn_patch::embed::EMBEDDINGS).
    pub embedding: &'static str,
    /// Name of the positions, one of [`POSITIONS`](burn_patch::position::POSITIONS).
    pub position: &'static str,
    /// Name of the reducer, one of [`reducers`](crate::reducers).
    pub reducer: Option<&'static str>,
    /// Share of the tokens that the reducer leaves, in `(0, 1]`; none: 8 tokens where it learns them, else half.
    pub keep: Option<f64>,
}

/// Positions where none are asked for.
pub const USUAL_POSITION: &str = "learned";

impl TinyModel {
    /// Over an embedding, with the usual positions and no reducer.
    pub fn over(embedding: &'static str) -> Self {
        Self {
            embedding,
            position: USUAL_POSITION,
            reducer: None,
            keep: None,
        }
    }

    /// The classifier before training: dim 64, 4 blocks, 4 heads, one token per 4×4 px, mean pooling.
    ///
    /// # Errors
    ///
    /// [`Error::Misfit`] if the embedding refuses such pictures.
    pub fn vit(self, split: &Split, device: &Device) -> Result<Vit<AnyPatchEmbed>, Error> {
        let (embed, config) = self.vit_config(split);
        let embed = self.embed(&embed, device)?;
        let vit = config.try_init(embed, device);
        Ok(vit.map_err(|why| self.misfit(why))?.materialize())
    }

    /// The settings of the classifier: of its embedding, and of what follows.
    pub fn vit_config(self, split: &Split) -> (AnyPatchEmbedConfig, VitConfig) {
        let (embed, config) = self.encoder(split);
        let head = config.head.clone().with_classes(Some(split.classes.len()));
        let encoder = config.encoder.clone().with_drop_path(DROP_PATH);
        (embed, config.with_head(head).with_encoder(encoder))
    }

    /// The settings of the masked autoencoder.
    pub fn mae_config(self, split: &Split) -> (AnyPatchEmbedConfig, MaeConfig) {
        let (embed, config) = self.encoder(split);
        let mae = MaeConfig::new(config, DECODER_DIM, DECODER_DEPTH, HEADS);
        (embed, mae)
    }

    /// The masked autoencoder before training.
    ///
    /// # Errors
    ///
    /// [`Error::NoReconstruction`] if patches of this embedding cannot be masked and restored.
    pub fn mae(self, split: &Split, device: &Device) -> Result<Mae<AnyPatchEmbed>, Error> {
        let (embed, config) = self.mae_config(split);
        let embed = self.embed(&embed, device)?;
        let refused = |why: String| Error::NoReconstruction {
            model: self.to_string(),
            why,
        };
        if let Ok(grid) = embed.layout(split.train.size)
            && grid.tokens() < FEWEST
        {
            return Err(refused(format!(
                "expected pictures of at least {FEWEST} patches, so that some are masked and some are not, got {:?} px \
                 with {} of {PATCH}×{PATCH} px",
                split.train.size,
                grid.tokens()
            )));
        }
        let mae = config.try_init(embed, device);
        let mae = mae.map_err(|why| match why {
            burn_vit::Error::NotRestorable { .. } | burn_vit::Error::Untiled { .. } => {
                refused(why.to_string())
            }
            why => self.misfit(why),
        });
        Ok(mae?.materialize())
    }

    fn embed(self, config: &AnyPatchEmbedConfig, device: &Device) -> Result<AnyPatchEmbed, Error> {
        let embed = config.try_init(device);
        embed.map_err(|why| self.misfit(why.into()))
    }

    /// The settings of the embedding and of the encoder over it.
    fn encoder(self, split: &Split) -> (AnyPatchEmbedConfig, VitConfig) {
        let pictures = &split.train;
        let embed =
            AnyPatchEmbedConfig::for_stride(self.embedding, [PATCH; 2], pictures.channels, DIM)
                .expect("a name of the catalogue");
        let patches = pictures
            .size
            .map(|side| side.div_ceil(PATCH))
            .iter()
            .product();
        let reducers = self.reducer.map_or_else(Vec::new, |name| {
            tiny_reducer::placed(name, self.keep, [patches, DIM, DEPTH])
        });
        let prefix = PrefixConfig::none().with_cls_token(wants_class_token(&reducers));
        let position = AnyPositionConfig::by_name(self.position);
        let encoder = EncoderConfig::new(DEPTH, HEADS)
            .with_initializer(INITIALIZER)
            .with_position(position.expect("a name of the catalogue"))
            .with_reducers(reducers);
        let config = VitConfig::new(pictures.size, encoder)
            .with_prefix(prefix)
            .with_head(HeadConfig::new().with_pooling(Pooling::Mean));
        (embed, config)
    }

    /// In terms of what the command line can change.
    fn misfit(self, why: burn_vit::Error) -> Error {
        use burn_patch::Error::{Remainder, SmallerThanPatch};
        let why = match why {
            burn_vit::Error::Patch(Remainder {
                got, left, kernel, ..
            }) => format!(
                "pictures of {got:?} px (height, width) leave {left:?} px that no patch of {kernel:?} px reads; \
                 'overlap' and others take any size (--embed)"
            ),
            burn_vit::Error::Patch(SmallerThanPatch { got, kernel }) => format!(
                "pictures of {got:?} px (height, width) are smaller than a patch of {kernel:?} px"
            ),
            why => why.to_string(),
        };
        Error::Misfit {
            model: self.to_string(),
            why,
        }
    }
}

impl fmt::Display for TinyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "embedding '{}'", self.embedding)?;
        if self.position != USUAL_POSITION {
            write!(f, " with positions '{}'", self.position)?;
        }
        match self.reducer {
            Some(reducer) => write!(f, " with reducer '{reducer}'"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::data::Pictures;

    fn untiled() -> Split {
        let pictures = Arc::new(Pictures::unlabelled(vec![0; 900], 1, [30; 2]));
        Split {
            name: "untiled".to_owned(),
            train: pictures.clone(),
            test: pictures,
            classes: ["a", "b"].map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn an_embedding_that_cannot_be_masked_and_restored_still_makes_a_classifier() {
        let (split, device) = (untiled(), Device::flex());
        let overlap = TinyModel::over("overlap");
        assert!(overlap.vit(&split, &device).is_ok());
        let error = overlap.mae(&split, &device).unwrap_err().to_string();
        for part in ["'overlap'", "expected [32, 32] px", "--task vit"] {
            assert!(error.contains(part), "{error}");
        }
        let linear = TinyModel::over("linear");
        let error = linear.vit(&split, &device).unwrap_err().to_string();
        assert!(
            error.contains("'linear'") && error.contains("[30, 30]") && error.contains("--embed"),
            "{error}"
        );
        assert!(!error.contains("policy"), "{error}");
    }

    #[test]
    fn pictures_of_too_few_patches_are_not_masked() {
        let device = Device::flex();
        let linear = TinyModel::over("linear");
        for (size, fits) in [([4, 4], false), ([4, 12], false), ([8, 8], true)] {
            let values = vec![0; size[0] * size[1]];
            let pictures = Arc::new(Pictures::unlabelled(values, 1, size));
            let split = Split {
                train: pictures.clone(),
                test: pictures,
                ..untiled()
            };
            let mae = linear.mae(&split, &device);
            assert_eq!(mae.is_ok(), fits, "{size:?}");
            if let Err(error) = mae {
                assert!(error.to_string().contains("at least 4 patches"), "{error}");
            }
        }
    }

    #[test]
    fn a_reducer_goes_with_any_embedding_and_its_refusals_name_both() {
        let (split, device) = (untiled(), Device::flex());
        let reduced = TinyModel {
            reducer: Some("query-pool"),
            ..TinyModel::over("overlap")
        };
        let vit = reduced.vit(&split, &device).unwrap();
        assert_eq!(vit.encoder.reducers.len(), 1);
        let error = reduced.mae(&split, &device).unwrap_err().to_string();
        for part in ["'overlap'", "reducer 'query-pool'", "--task vit"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
