//! What the weights of a hierarchical backbone say of it, by names and shapes, with its configuration.

use burn_vit::import::Checkpoint;
use burn_vit::{PvtConfig, SwinConfig, SwinVersion};

use crate::model::hierarchical::settings::Settings;
use crate::model::levels::Backbone;

/// Most stages, and most blocks of one.
const STAGES: usize = 8;
const BLOCKS: usize = 1 << 12;

/// Names and shapes, and what the configuration says.
pub(crate) struct Described<'a> {
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) settings: Settings,
}

impl Described<'_> {
    fn shape(&self, name: &str) -> Result<&[usize], String> {
        let entry = self.checkpoint.entry(name);
        let entry = entry.ok_or_else(|| format!("there is no tensor '{name}'"))?;
        Ok(&entry.shape)
    }

    /// The side of a tensor's axis.
    fn side(&self, name: &str, axis: usize) -> Result<usize, String> {
        let side = self.shape(name)?.get(axis).copied();
        let side = side.filter(|side| (1..=1 << 20).contains(side));
        side.ok_or_else(|| format!("'{name}' has a shape that no such model has"))
    }

    fn classes(&self, name: &str) -> Option<usize> {
        self.side(name, 0).ok()
    }

    /// Blocks of each stage, by the norm that each has.
    fn depths(&self, stages: &str) -> Vec<usize> {
        let has = |stage: usize, block: usize| {
            let name = format!("{stages}.{stage}.blocks.{block}.norm1.weight");
            self.checkpoint.entry(&name).is_some()
        };
        let depth = |stage| {
            let blocks = 0..BLOCKS;
            blocks.take_while(|block| has(stage, *block)).count()
        };
        let stages = (0..STAGES).map(depth);
        stages.take_while(|depth| *depth > 0).collect()
    }

    pub(crate) fn swin(&self) -> Result<SwinConfig, String> {
        let depths = self.depths("layers");
        let second = self
            .checkpoint
            .entry("layers.0.blocks.0.attn.logit_scale")
            .is_some();
        let per_head = match second {
            true => ("logit_scale", 0),
            false => ("relative_position_bias_table", 1),
        };
        let heads = (0..depths.len()).map(|stage| {
            self.side(
                &format!("layers.{stage}.blocks.0.attn.{}", per_head.0),
                per_head.1,
            )
        });
        let heads = heads.collect::<Result<Vec<_>, _>>()?;
        let said = self.settings.windows();
        let window = match second {
            true => said.map(|(window, _)| window).ok_or(
                "the window is open: the weights do not say it; expected a config.json with window_size",
            )?,
            false => {
                let rows = self.side("layers.0.blocks.0.attn.relative_position_bias_table", 0)?;
                [rows.isqrt().div_ceil(2); 2]
            }
        };
        let dim = self.side("patch_embed.proj.weight", 0)?;
        let config = SwinConfig::new(self.image(), dim, depths, heads)
            .with_window(window)
            .with_classes(self.classes("head.fc.weight"));
        let hidden = self.side("layers.0.blocks.0.mlp.fc1.weight", 0)?;
        Ok(SwinConfig {
            channels: self.side("patch_embed.proj.weight", 1)?,
            patch: self.side("patch_embed.proj.weight", 2)?,
            mlp_ratio: hidden as f64 / dim as f64,
            version: match second {
                true => SwinVersion::V2 {
                    pretrained_window: said.and_then(|(_, pretrained)| pretrained),
                },
                false => SwinVersion::V1,
            },
            ..config
        })
    }

    /// The size that it was made for.
    fn image(&self) -> [usize; 2] {
        self.settings.image.unwrap_or([224, 224])
    }

    pub(crate) fn pvt(&self) -> Result<Backbone, String> {
        let depths = self.depths("stages");
        let count = depths.len();
        let at = |stage: usize, name: &str| format!("stages.{stage}.blocks.0.{name}.weight");
        let dims = (0..count).map(|stage| self.side(&at(stage, "norm1"), 0));
        let dims = dims.collect::<Result<Vec<_>, _>>()?;
        let hidden = (0..count).map(|stage| self.side(&at(stage, "mlp.fc1"), 0));
        let hidden = hidden.collect::<Result<Vec<_>, _>>()?;
        let reduction = |stage| self.side(&at(stage, "attn.sr"), 2).unwrap_or(1);
        let heads = match &self.settings.backbone {
            Some(Backbone::Pvt { config, .. }) if self.settings.heads => config.heads.clone(),
            // Those of all published models.
            _ => vec![1, 2, 5, 8],
        };
        if heads.len() != count {
            return Err(format!(
                "num_heads: expected {count} numbers, got {heads:?}"
            ));
        }
        let config = PvtConfig {
            channels: self.side("patch_embed.proj.weight", 1)?,
            mlp_ratios: hidden.iter().zip(&dims).map(|(h, dim)| h / dim).collect(),
            reductions: (0..count).map(reduction).collect(),
            heads,
            depths,
            dims,
            drop_path: 0.0,
            classes: self.classes("head.weight"),
        };
        Ok(Backbone::Pvt {
            config,
            image: self.image(),
        })
    }
}
