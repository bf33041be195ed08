//! From a checkpoint to a model.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_patch::embed::LinearPatchEmbed;
use burn_patch::resample::Profile;

use crate::import::architecture::Architecture;
use crate::import::config::{HubConfig, Preparation};
use crate::import::dialect::Dialect;
use crate::import::error::ImportError;
use crate::import::facts::Facts;
use crate::import::file::Checkpoint;
use crate::import::load::{fill, values};
use crate::import::plan::{Plan, Step, plan};
use crate::import::preset::Preset;
use crate::import::report::Report;
use crate::import::resizing::{Resizing, resize_biases};
use crate::import::understand::understand;
use crate::mae::Mae;
use crate::vit::Vit;

/// Most values of a projection that weights are resized to.
const MOST_VALUES: usize = 1 << 31;

/// Loads a checkpoint of another library: safetensors, in one file or several.
///
/// The dialect is known by the names. What weights cannot say comes from the caller, then from the configuration, which is
/// the `config.json` beside the weights unless [`with_config`](Self::with_config) or [`with_preset`](Self::with_preset)
/// names another, then from what all models of the dialect have.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::import::{Dialect, ImportedModel, Importer, Preset, export};
///
/// // Something to load: a small model in timm's names.
/// let device = Device::flex();
/// let mut arch = Preset::by_name("vit_tiny_patch16_224").unwrap().architecture()?;
/// (arch.dim, arch.hidden, arch.depth) = (24, 96, 1);
/// let vit = arch.vit_config().init(arch.embed_config().init(&device), &device);
/// let folder = std::env::temp_dir().join(format!("burn-vit-{}", std::process::id()));
/// std::fs::create_dir_all(&folder).unwrap();
/// export(&vit, &arch, Dialect::Timm, &folder)?;
///
/// let importer = Importer::new(&folder).with_image([224, 256]);
/// assert_eq!(importer.inspect()?.architecture.cells(), 14 * 16); // nothing is loaded yet
/// let imported = importer.load(&device)?;
/// assert_eq!(imported.report.resized, ["pos_embed"]);
/// let ImportedModel::Vit(vit) = imported.model else { panic!("expected a ViT") };
/// assert_eq!(vit.forward(Tensor::zeros([1, 3, 224, 256], &device)).dims(), [1, 1000]);
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), burn_vit::import::ImportError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Importer {
    weights: PathBuf,
    config: Option<PathBuf>,
    preset: Option<String>,
    dialect: Option<Dialect>,
    facts: Facts,
    image: Option<[usize; 2]>,
    patch: Option<[usize; 2]>,
    channels: Option<usize>,
    profile: Option<Profile>,
    allowed: Vec<String>,
    halves: bool,
}

/// What is known of a checkpoint without loading it.
#[derive(Debug)]
pub struct Inspected {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The dialect of its names.
    pub dialect: Dialect,
    /// What the model is made of.
    pub architecture: Architecture,
    /// How pictures become its input, where a configuration or preset says that.
    pub preparation: Option<Preparation>,
    /// Which tensors become which parameters.
    pub plan: Plan,
}

/// A model that weights were loaded into.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // One at a time.
pub enum ImportedModel {
    /// A vision transformer.
    Vit(Vit<LinearPatchEmbed>),
    /// A masked autoencoder.
    Mae(Mae<LinearPatchEmbed>),
}

/// What [`Importer::load`] gives.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The model.
    pub model: ImportedModel,
    /// What it is made of.
    pub architecture: Architecture,
    /// How pictures become its input, where a configuration or preset says that.
    pub preparation: Option<Preparation>,
    /// What became of each tensor.
    pub report: Report,
}

impl Importer {
    /// For a `.safetensors` file, an index of several, or a folder with either.
    pub fn new(weights: impl Into<PathBuf>) -> Self {
        Self {
            weights: weights.into(),
            config: None,
            preset: None,
            dialect: None,
            facts: Facts::default(),
            image: None,
            patch: None,
            channels: None,
            profile: None,
            allowed: Vec::new(),
            halves: false,
        }
    }

    /// With this configuration file, not the one beside the weights.
    #[must_use]
    pub fn with_config(mut self, config: impl Into<PathBuf>) -> Self {
        self.config = Some(config.into());
        self
    }

    /// With the settings of a [preset](Preset), `vit_base_patch16_224` or with a tag `vit_base_patch16_224.mae`.
    #[must_use]
    pub fn with_preset(mut self, name: impl Into<String>) -> Self {
        self.preset = Some(name.into());
        self
    }

    /// With names of this dialect, whatever they look like.
    #[must_use]
    pub fn with_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// With so many attention heads.
    #[must_use]
    pub fn with_heads(mut self, heads: usize) -> Self {
        self.facts.heads = Some(heads);
        self
    }

    /// With these settings before all others.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts.or(self.facts);
        self
    }

    /// For images of this `[height, width]` in pixels: position tables are resized.
    #[must_use]
    pub fn with_image(mut self, image: [usize; 2]) -> Self {
        self.image = Some(image);
        self
    }

    /// For patches of this `[height, width]` in pixels: the projection is resized as
    /// [`resize_kernel`](burn_patch::resample::resize_kernel) does. Without an image size, the grid stays.
    #[must_use]
    pub fn with_patch_size(mut self, patch: [usize; 2]) -> Self {
        self.patch = Some(patch);
        self
    }

    /// For images of so many channels, as [`ChannelMap::repeat`](burn_patch::resample::ChannelMap::repeat) maps them.
    #[must_use]
    pub fn with_channels(mut self, channels: usize) -> Self {
        self.channels = Some(channels);
        self
    }

    /// Resizing tables in this way, not as the library of the dialect does.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// With values of 16 bits kept as they are; else every parameter is an `f32`.
    #[must_use]
    pub fn keep_halves(mut self) -> Self {
        self.halves = true;
        self
    }

    /// Though parameters or tensors with this name, or whose names start with it, are missing or unused.
    #[must_use]
    pub fn allow(mut self, name: impl Into<String>) -> Self {
        self.allowed.push(name.into());
        self
    }

    /// What is known of the checkpoint; only headers are read.
    ///
    /// # Errors
    ///
    /// Those of [`ImportError`], but for missing and unused tensors, which the plan lists, and values.
    pub fn inspect(&self) -> Result<Inspected, ImportError> {
        let checkpoint = Checkpoint::open(&self.weights)?;
        let dialect = match self.dialect {
            Some(dialect) => dialect,
            None => Dialect::detect(checkpoint.entries().map(|entry| entry.name.as_str()))?,
        };
        let (config, preparation) = self.configured(checkpoint.path())?;
        let source = understand(dialect, checkpoint.entries(), &self.facts, &config)?;
        let architecture = self.adapted(&source)?;
        let plan = plan(dialect, &source, &architecture, checkpoint.entries())?;
        Ok(Inspected {
            checkpoint,
            dialect,
            architecture,
            preparation,
            plan,
        })
    }

    /// The same model for the images, patches and channels that are wanted.
    fn adapted(&self, source: &Architecture) -> Result<Architecture, ImportError> {
        let refuse = |what: &str, got: String, expected: &str| {
            Err(ImportError::Unsupported {
                what: what.to_owned(),
                got,
                expected: expected.to_owned(),
            })
        };
        let patch = self.patch.unwrap_or(source.patch);
        let channels = self.channels.unwrap_or(source.channels);
        let grid = source.grid();
        let image = match self.image {
            // Tables of relative biases are resized in the module, once they are loaded.
            Some(image) if !source.places.relative => image,
            _ if patch == source.patch => source.image,
            _ => [0, 1].map(|axis| grid[axis].saturating_mul(patch[axis])),
        };
        let architecture = Architecture {
            image,
            patch,
            channels,
            ..source.clone()
        };
        if patch.contains(&0) || channels == 0 || architecture.cells() == 0 {
            let got =
                format!("images of {image:?} pixels, patches of {patch:?}, {channels} channels");
            return refuse("sizes", got, "at least one patch and one channel");
        }
        let values = [channels, patch[0], patch[1], architecture.dim]
            .into_iter()
            .try_fold(1usize, usize::checked_mul);
        if values.is_none_or(|values| values > MOST_VALUES) {
            let got = format!("patches of {patch:?} pixels with {channels} channels");
            let expected = "a projection of at most 2^31 values";
            return refuse("sizes", got, expected);
        }
        if source.decoder.is_some() && (patch, channels) != (source.patch, source.channels) {
            let got = format!("patches of {patch:?}, {channels} channels");
            let expected = "those that a masked autoencoder predicts";
            return refuse("patches", got, expected);
        }
        Ok(architecture)
    }

    /// The model with its weights.
    ///
    /// # Errors
    ///
    /// Those of [`ImportError`].
    pub fn load(&self, device: &Device) -> Result<Imported, ImportError> {
        let inspected = self.inspect()?;
        inspected.plan.check(&self.allowed)?;
        let Inspected {
            checkpoint,
            dialect,
            mut architecture,
            preparation,
            plan,
        } = inspected;
        let mut resizing = Resizing::usual(dialect, &architecture, &plan);
        resizing.table = self.profile.unwrap_or(resizing.table);
        let read = |step: &Step| {
            let array = values(step, &checkpoint, resizing, device)?;
            Ok((step.target.clone(), array))
        };
        let steps = plan.steps.iter().map(read);
        let values = steps.collect::<Result<HashMap<_, _>, ImportError>>()?;
        let refuse = |error: crate::Error| ImportError::Model(error.to_string());
        let embed = architecture.embed_config().try_init(device);
        let embed = embed.map_err(|error| refuse(error.into()))?;
        let model = match architecture.mae_config() {
            Some(config) => {
                let mae = config.try_init(embed, device).map_err(refuse)?;
                ImportedModel::Mae(fill(mae, values, &plan.missing, self.halves)?)
            }
            None => {
                let config = architecture.vit_config();
                let vit = config.try_init(embed, device).map_err(refuse)?;
                let mut vit = fill(vit, values, &plan.missing, self.halves)?;
                if let Some(image) = self.image.filter(|_| architecture.places.relative) {
                    resize_biases(&mut vit, image).map_err(refuse)?;
                    architecture.image = image;
                }
                ImportedModel::Vit(vit)
            }
        };
        Ok(Imported {
            model,
            architecture,
            preparation,
            report: Report::new(dialect, &plan),
        })
    }

    /// What the configuration or the preset says.
    fn configured(&self, weights: &Path) -> Result<(Facts, Option<Preparation>), ImportError> {
        if let Some(name) = &self.preset {
            let Some(preset) = Preset::by_name(name) else {
                return Err(ImportError::Unsupported {
                    what: "preset".to_owned(),
                    got: name.clone(),
                    expected: "one of Preset::names()".to_owned(),
                });
            };
            let tag = name.split_once('.').map_or("", |(_, tag)| tag);
            return Ok((preset.facts()?, preset.preparation(tag)));
        }
        let beside = weights.with_file_name("config.json");
        let config = match &self.config {
            Some(config) => config.clone(),
            None if beside.is_file() => beside,
            None => return Ok((Facts::default(), None)),
        };
        let HubConfig {
            facts, preparation, ..
        } = HubConfig::read(config)?;
        Ok((facts, preparation))
    }
}

#[cfg(test)]
mod tests;
