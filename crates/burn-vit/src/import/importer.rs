//! From a checkpoint to a model.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbed, PatchEmbed};
use burn_patch::position::{AnyPosition, BiasResize};
use burn_patch::resample::{Align, Filter, Profile};

use crate::import::architecture::Architecture;
use crate::import::config::{HubConfig, Preparation};
use crate::import::dialect::Dialect;
use crate::import::error::ImportError;
use crate::import::facts::Facts;
use crate::import::file::Checkpoint;
use crate::import::load::{fill, values};
use crate::import::plan::{Op, Plan, Step, plan};
use crate::import::preset::Preset;
use crate::import::report::Report;
use crate::import::understand::understand;
use crate::mae::Mae;
use crate::vit::Vit;

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
        // Tables of relative biases are resized in the module, once they are loaded.
        let image = self.image.filter(|_| !source.places.relative);
        let architecture = Architecture {
            image: image.unwrap_or(source.image),
            ..source.clone()
        };
        let plan = plan(dialect, &source, &architecture, checkpoint.entries())?;
        Ok(Inspected {
            checkpoint,
            dialect,
            architecture,
            preparation,
            plan,
        })
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
            architecture,
            preparation,
            plan,
        } = inspected;
        let profile = self
            .profile
            .unwrap_or_else(|| usual_profile(dialect, &architecture, &plan));
        let read = |step: &Step| {
            let array = values(step, &checkpoint, profile, device)?;
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

/// Tables of relative biases for images of another size, resized as timm does for BEiT.
fn resize_biases(vit: &mut Vit<LinearPatchEmbed>, image: [usize; 2]) -> Result<(), crate::Error> {
    let grid = vit.patch_embed.layout(image)?;
    vit.encoder.position_within = match vit.encoder.position_within.take() {
        Some(AnyPosition::RelativeBias(bias)) => {
            let resized = bias.resized([grid.rows, grid.cols], BiasResize::Geometric)?;
            Some(AnyPosition::RelativeBias(resized))
        }
        other => other,
    };
    Ok(())
}

/// How the library of a dialect resizes its tables.
fn usual_profile(dialect: Dialect, arch: &Architecture, plan: &Plan) -> Profile {
    match dialect {
        // SigLIP2 keeps the projection of flat patches.
        Dialect::Siglip if plan.steps.iter().any(|step| step.op == Op::Unflatten) => {
            Profile::SigLip2
        }
        Dialect::Timm | Dialect::TimmEva | Dialect::TimmNaflex => Profile::Timm,
        Dialect::TransformersDinov2 if arch.registers > 0 => Profile::DinoV2Registers,
        // `interpolate_embeddings` of torchvision aligns corners.
        Dialect::Torchvision => Profile::Custom(Filter::Cubic(Align::Corners)),
        _ => Profile::HuggingFace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Distribution, Tensor};

    use crate::import::array::Array;
    use crate::import::export::export;
    use crate::prefix::PrefixConfig;

    /// A folder with a tiny ViT in timm's names, which goes with the value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = format!("burn-vit-importer-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let device = Device::flex();
            let preset = Preset::by_name("vit_tiny_patch16_224").unwrap();
            let arch = Architecture {
                image: [32, 32],
                dim: 12,
                hidden: 24,
                depth: 1,
                classes: Some(3),
                ..preset.architecture().unwrap()
            };
            let embed = arch.embed_config().init(&device);
            let vit = arch.vit_config().init(embed, &device);
            export(&vit, &arch, Dialect::Timm, &folder).unwrap();
            Self(folder)
        }

        /// The file with its header changed, of the same length.
        fn change(&self, from: &str, to: &str) {
            let path = self.0.join("model.safetensors");
            let mut bytes = std::fs::read(&path).unwrap();
            let mut places = bytes.windows(from.len());
            let at = places.position(|window| window == from.as_bytes()).unwrap();
            bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
            std::fs::write(path, bytes).unwrap();
        }

        fn importer(&self) -> Importer {
            Importer::new(&self.0)
        }

        fn error(&self, importer: &Importer) -> String {
            importer.load(&Device::flex()).unwrap_err().to_string()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_missing_and_unused_is_an_error_unless_allowed_by_name() {
        let folder = Folder::new("unused");
        folder.change("blocks.0.norm2.bias", "blocks.0.norm9.bias");
        let error = folder.error(&folder.importer());
        assert!(
            error.contains("missing: [encoder.blocks.0.norm2.beta]"),
            "{error}"
        );
        assert!(error.contains("unused: [blocks.0.norm9.bias]"), "{error}");
        let importer = folder.importer().allow("blocks.0.norm9");
        assert!(folder.error(&importer).contains("unused: []"));
        let importer = importer.allow("encoder.blocks.0.norm2.beta");
        let report = importer.load(&Device::flex()).unwrap().report;
        assert_eq!(report.unused, ["blocks.0.norm9.bias"]);
        assert!(
            report
                .to_string()
                .contains("missing: encoder.blocks.0.norm2.beta")
        );
    }

    #[test]
    fn a_value_that_is_no_number_is_refused_by_name() {
        let folder = Folder::new("nan");
        let path = folder.0.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(path, bytes).unwrap();
        let error = folder.error(&folder.importer());
        assert!(error.contains("expected finite values, got NaN"), "{error}");
    }

    #[test]
    fn a_cut_file_is_refused_with_its_name() {
        let folder = Folder::new("cut");
        let path = folder.0.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = folder.error(&folder.importer());
            assert!(error.contains("model.safetensors: "), "{length}: {error}");
        }
    }

    #[test]
    fn another_image_resizes_the_table_and_runs() {
        let folder = Folder::new("resized");
        let device = Device::flex();
        let imported = folder
            .importer()
            .with_image([48, 64])
            .load(&device)
            .unwrap();
        assert_eq!(imported.report.resized, ["pos_embed"]);
        let ImportedModel::Vit(vit) = imported.model else {
            panic!("expected a ViT");
        };
        let images = Tensor::random([1, 3, 48, 64], Distribution::Default, &device);
        assert_eq!(vit.forward(images).dims(), [1, 3]);
    }

    #[test]
    fn halves_are_kept_where_asked_for() {
        let folder = Folder::new("halves");
        let path = folder.0.join("model.safetensors");
        let header = r#"{"cls_token":{"dtype":"BF16","shape":[1,1,12],"data_offsets":[0,24]}}"#;
        let length = (header.len() as u64).to_le_bytes();
        let bytes = [&length[..], header.as_bytes(), &[0x80, 0x3f].repeat(12)].concat();
        std::fs::write(&path, bytes).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let entry = checkpoint.entry("cls_token").unwrap();
        let ones = Array::decode(entry, &checkpoint.read("cls_token").unwrap()).unwrap();
        assert_eq!(ones.values, [1.0; 12]);
        let device = Device::flex();
        for (halves, dtype) in [(true, DType::BF16), (false, DType::F32)] {
            let prefix = PrefixConfig::new().init(12, &device);
            let values = HashMap::from([("cls_token".to_owned(), ones.clone())]);
            let token = fill(prefix, values, &[], halves)
                .unwrap()
                .cls_token
                .unwrap();
            assert_eq!(token.val().dtype(), dtype);
        }
    }

    #[test]
    fn a_preset_stands_in_for_the_configuration() {
        let folder = Folder::new("preset");
        std::fs::remove_file(folder.0.join("config.json")).unwrap();
        let error = folder.error(&folder.importer());
        assert!(
            error.contains("the number of attention heads is open"),
            "{error}"
        );
        assert!(
            folder
                .importer()
                .with_heads(3)
                .load(&Device::flex())
                .is_ok()
        );
        let error = folder.error(&folder.importer().with_preset("no_such_vit"));
        assert!(error.contains("no_such_vit"), "{error}");
        let error = folder.error(&folder.importer().with_preset("vit_tiny_patch16_224"));
        assert!(error.contains("192") && error.contains("12"), "{error}");
    }
}
