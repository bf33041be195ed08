//! The command line of a program that trains what it loads.

use std::fmt::Display;
use std::path::PathBuf;

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbed, PatchEmbed};
use burn_patch::resample::ChannelMap;
use burn_vit::import::{ImportedModel, Importer};
use burn_vit::{HeadConfig, Pooling, Vit};
use clap::Parser;
use support::Error;

use crate::training::Training;

/// Fine-tunes an imported encoder on Fashion-MNIST.
#[derive(Parser, Debug, Clone)]
pub struct FineTuning {
    /// A safetensors checkpoint, or its folder
    #[arg(long)]
    pub weights: PathBuf,
    /// How long to train.
    #[command(flatten)]
    pub training: Training,
}

impl FineTuning {
    /// The imported encoder for grey pictures of 28 px, with a new head for their ten classes.
    ///
    /// # Errors
    ///
    /// If the checkpoint cannot be used.
    pub fn encoder(&self, device: &Device) -> Result<Vit<LinearPatchEmbed>, Error> {
        // 7×7 patches of 8 px; half as wide they read pictures of 28 px.
        let importer = Importer::new(&self.weights).with_image([56, 56]);
        let imported = importer.load(device).map_err(|why| self.refused(why))?;
        let ImportedModel::Vit(mut vit) = imported.model else {
            return Err(self.refused("expected a ViT, got an MAE"));
        };
        vit.patch_embed = vit.patch_embed.with_patch_size([4, 4])?;
        vit.patch_embed = vit.patch_embed.with_channels(&ChannelMap::repeat(3, 1)?)?;
        let head = HeadConfig::classes(10).with_pooling(Pooling::Mean);
        Ok(vit.with_head(&head, device)?)
    }

    /// Why the checkpoint cannot be used.
    fn refused(&self, why: impl Display) -> Error {
        Error::Model {
            path: self.weights.clone(),
            why: why.to_string(),
        }
    }
}
