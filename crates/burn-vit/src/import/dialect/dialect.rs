//! The dialects, and which one a checkpoint speaks.

use crate::import::dialect::table::Table;
use crate::import::dialect::{
    clip, facebook_mae, flax, siglip, timm, timm_eva, timm_naflex, torchvision,
    transformers_dinov2, transformers_dinov3, transformers_mae, transformers_vit,
};
use crate::import::error::ImportError;

/// A library's names for the parts of a family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// timm's ViT and DeiT, and the original DINOv2, whose names these are too.
    Timm,
    /// timm's EVA, rope-vit, DINOv3 and BEiT.
    TimmEva,
    /// timm's NaFlexViT.
    TimmNaflex,
    /// torchvision's ViT.
    Torchvision,
    /// transformers' ViT and DeiT.
    TransformersVit,
    /// transformers' DINOv2, with and without registers.
    TransformersDinov2,
    /// transformers' DINOv3.
    TransformersDinov3,
    /// transformers' masked autoencoder.
    TransformersMae,
    /// The original masked autoencoder.
    FacebookMae,
    /// transformers' CLIP, the vision tower.
    Clip,
    /// transformers' SigLIP and SigLIP2, the vision tower.
    Siglip,
    /// JAX checkpoints, `.npz`: AugReg's and big_vision's, FlexiViT among them. Read, not written.
    Flax,
}

impl Dialect {
    /// Every dialect, those with more particular names first.
    pub const ALL: &[Self] = &[
        Self::FacebookMae,
        Self::TimmEva,
        Self::Timm,
        Self::TimmNaflex,
        Self::Torchvision,
        Self::TransformersMae,
        Self::TransformersVit,
        Self::TransformersDinov2,
        Self::TransformersDinov3,
        Self::Clip,
        Self::Siglip,
        Self::Flax,
    ];

    pub(crate) fn table(self) -> &'static Table {
        match self {
            Self::Timm => &timm::TABLE,
            Self::TimmEva => &timm_eva::TABLE,
            Self::TimmNaflex => &timm_naflex::TABLE,
            Self::Torchvision => &torchvision::TABLE,
            Self::TransformersVit => &transformers_vit::TABLE,
            Self::TransformersDinov2 => &transformers_dinov2::TABLE,
            Self::TransformersDinov3 => &transformers_dinov3::TABLE,
            Self::TransformersMae => &transformers_mae::TABLE,
            Self::FacebookMae => &facebook_mae::TABLE,
            Self::Clip => &clip::TABLE,
            Self::Siglip => &siglip::TABLE,
            Self::Flax => &flax::TABLE,
        }
    }

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        self.table().name
    }

    /// The dialect of this name; none if there is none.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|dialect| dialect.name() == name)
    }

    /// Whether the names are timm's.
    pub fn is_timm(self) -> bool {
        matches!(self, Self::Timm | Self::TimmEva | Self::TimmNaflex)
    }

    /// The dialect that names of tensors speak.
    ///
    /// # Errors
    ///
    /// [`ImportError::Dialect`] if they speak none.
    pub fn detect<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Result<Self, ImportError> {
        let speaks = |dialect: &&Self| {
            let table = dialect.table();
            table.signature.iter().all(|one_of| {
                let mut wanted = one_of.split('|');
                wanted.any(|wanted| names.clone().any(|name| table.bare(name) == wanted))
            })
        };
        Self::ALL.iter().find(speaks).copied().ok_or_else(|| {
            let some: Vec<&str> = names.take(4).collect();
            let known: Vec<&str> = Self::ALL.iter().map(|dialect| dialect.name()).collect();
            ImportError::Dialect {
                names: some.join(", "),
                known: known.join(", "),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_dialect() {
        for dialect in Dialect::ALL {
            assert_eq!(Dialect::by_name(dialect.name()), Some(*dialect));
            let table = dialect.table();
            for prefix in table.prefixes.iter().chain([&""]) {
                let names: Vec<String> = table
                    .signature
                    .iter()
                    .map(|name| format!("{prefix}{}", name.split('|').next().unwrap()))
                    .collect();
                let detected = Dialect::detect(names.iter().map(String::as_str));
                assert_eq!(detected.unwrap(), *dialect, "{prefix}");
            }
        }
    }

    #[test]
    fn names_of_no_dialect_are_an_error_that_lists_the_dialects() {
        let error = Dialect::detect(["conv1.weight", "fc.bias"].into_iter()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("conv1.weight") && text.contains("torchvision"),
            "{text}"
        );
    }
}
