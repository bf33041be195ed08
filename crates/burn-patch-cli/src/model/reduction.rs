//! Reducers that trained weights take without training.

use std::str::FromStr;

use burn::tensor::Device;
use burn_patch::embed::LinearPatchEmbed;
use burn_patch::reduce::{AnyReduceConfig, EVitConfig, MergeSchedule, ToMeConfig};
use burn_vit::import::ImportedModel;
use burn_vit::{ReduceAt, Stage, Vit};

use crate::failure::Failure;

/// A reducer that trained weights take without training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reduction {
    /// So many tokens merge in each block.
    ToMe(usize),
    /// This share of the tokens stays, behind a quarter, a half and three quarters of the blocks.
    EVit(f64),
}

impl FromStr for Reduction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = |rate: &f64| *rate > 0.0 && *rate <= 1.0;
        match text.split_once(':') {
            Some(("tome", merged)) => merged.parse().ok().map(Self::ToMe),
            Some(("evit", rate)) => rate.parse().ok().filter(share).map(Self::EVit),
            _ => None,
        }
        .ok_or_else(|| {
            "expected tome:R with tokens to merge in each block, or evit:RATE with the share to keep"
                .to_owned()
        })
    }
}

impl Reduction {
    /// The model with this reducer, if it takes images of `size` then; of a masked autoencoder, the encoder.
    pub(crate) fn on(
        self,
        model: ImportedModel,
        size: [usize; 2],
        device: &Device,
    ) -> Result<Vit<LinearPatchEmbed>, Failure> {
        // As in ToMe's reference: the encoder of an MAE saw few patches, each weighing the same.
        let (mut vit, proportional) = match model {
            ImportedModel::Vit(vit) => (vit, true),
            ImportedModel::Mae(mae) => (mae.into_vit(), false),
        };
        let depth = vit.encoder.blocks.len();
        let reducers = match self {
            Self::ToMe(merged) => {
                let tome = ToMeConfig::new(MergeSchedule::Constant(merged));
                let tome = AnyReduceConfig::ToMe(tome.with_proportional(proportional));
                ReduceAt::every(&tome, depth)
            }
            Self::EVit(rate) => {
                let evit = AnyReduceConfig::EVit(EVitConfig::new(rate));
                let mut blocks = [1, 2, 3].map(|quarter| quarter * depth / 4).to_vec();
                blocks.dedup();
                ReduceAt::each(&evit, blocks.into_iter().map(Stage::AfterAttention))
            }
        };
        let encoder = vit.encoder.with_reducers(&reducers, device);
        vit.encoder = encoder.map_err(Failure::failed)?;
        vit.layout(size).map_err(Failure::failed)?;
        Ok(vit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reducer_is_named_with_its_number() {
        assert_eq!("tome:8".parse(), Ok(Reduction::ToMe(8)));
        assert_eq!("evit:0.7".parse(), Ok(Reduction::EVit(0.7)));
        for wrong in [
            "tome", "tome:", "tome:-1", "evit:0", "evit:1.5", "evit:NaN", "slots:8",
        ] {
            assert!(wrong.parse::<Reduction>().is_err(), "{wrong}");
        }
    }
}
