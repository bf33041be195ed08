//! `convert`: weights for another resolution, patch size, number of channels or library.

use std::fs;
use std::path::{Path, PathBuf};

use burn_vit::import::{Dialect, Imported, ImportedModel, export};
use serde_json::json;

use crate::arguments::{Said, device, dialect, size};
use crate::failure::Failure;
use crate::hub;
use crate::model::hierarchical::converted::Converted;
use crate::model::hierarchical::hierarchical::{self, Hierarchical};
use crate::model::levels::Backbone;
use crate::model::run::Model;
use crate::output::{check_place, say, write_whole};
use crate::record::{is_record, write_record};

const WEIGHTS: &str = "model.safetensors";
const CONFIG: &str = "config.json";

/// Writes weights for another resolution, patch size, number of channels or library: a safetensors file that transformers
/// and timm open, with a config.json beside it where the library has one.
///
/// Position tables are resized as the library of the weights does, patches by FlexiViT's pseudo-inverse, channels as timm
/// does. With another patch size and no image size, the grid stays. Swin and PVT v2 keep their patches and timm's names;
/// weights from .npz are written in timm's names unless another library's are asked for.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = "Examples:
  burn-patch convert --weights model.safetensors --image-size 384 --output large/model.safetensors
  burn-patch convert --weights model.safetensors --patch-size 8 --channels 4 --output new/model.safetensors
  burn-patch convert --weights model.safetensors --output model.bpk
  burn-patch convert --weights vit.pth --heads 12 --dialect transformers-vit --output hf/model.safetensors")]
pub(crate) struct Args {
    /// A .safetensors file, an index of several, a folder with either, what torch.save or JAX (.npz) wrote, or
    /// hf://org/model[@revision] on the Hugging Face Hub (cargo feature hub)
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    #[command(flatten)]
    said: Said,

    /// Whose names the weights have. Default: told by the names
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    from: Option<Dialect>,

    /// The safetensors file to write, or a Burn record, .bpk, with the model's settings beside it as .json
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// For images of this size in pixels
    #[arg(long, value_name = "HxW", value_parser = size)]
    image_size: Option<[usize; 2]>,

    /// For patches of this size in pixels
    #[arg(long, value_name = "HxW", value_parser = size)]
    patch_size: Option<[usize; 2]>,

    /// For images of so many channels
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    channels: Option<u32>,

    /// In the names of this library. Default: as the weights
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    dialect: Option<Dialect>,
}

/// Loads, changes and writes the weights.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    check_place(&args.output)?;
    if is_record(&args.output) && args.dialect.is_some() {
        return Err(Failure::usage(
            "--dialect: a Burn record has no library's names",
        ));
    }
    let args = &Args {
        weights: hub::local(&args.weights)?,
        ..args.clone()
    };
    let found = match args.from {
        Some(_) => None,
        None => hierarchical::find(&args.weights, args.said.config.as_deref())?,
    };
    match found {
        Some(found) => backbone(args, &found),
        None => plain(args),
    }
}

/// Swin or PVT v2, in timm's names.
fn backbone(args: &Args, found: &Hierarchical) -> Result<(), Failure> {
    let refuse = |reason| Err(Failure::file(&args.weights, reason));
    if args.patch_size.is_some() {
        return refuse("--patch-size takes plain vision transformers, not Swin or PVT v2");
    }
    if args.dialect.is_some_and(|dialect| dialect != Dialect::Timm) {
        return refuse("--dialect: Swin and PVT v2 are written in timm's names alone");
    }
    let channels = args.channels.map(|channels| channels as usize);
    let converted = Converted::of(found, args.image_size, channels, &device("flex")?);
    let converted = converted.map_err(|failure| failure.about(&args.weights))?;
    let ([height, width], channels) = (converted.backbone.image(), converted.backbone.channels());
    let kind = match is_record(&args.output) {
        true => backbone_record(converted, &args.output).map(|()| "record"),
        false => {
            let written = Folder::beside(&args.output)?;
            converted.weights.write(&written.0.join(WEIGHTS))?;
            let config = format!("{:#}", converted.config);
            write_whole(&written.0.join(CONFIG), config.as_bytes())?;
            written.move_to(&args.output).map(|()| "timm")
        }
    }?;
    say(format_args!(
        "{}: {kind}, images of {height}×{width}, {channels} channels",
        args.output.display()
    ));
    Ok(())
}

fn backbone_record(converted: Converted, output: &Path) -> Result<(), Failure> {
    let Converted {
        backbone, model, ..
    } = converted;
    match (model, backbone) {
        (Model::Swin(swin), Backbone::Swin(config)) => {
            write_record(swin, &json!({ "swin": config }), output)
        }
        (Model::Pvt(pvt), Backbone::Pvt { config, .. }) => {
            write_record(pvt, &json!({ "pvt": config }), output)
        }
        _ => unreachable!("a model is that of its settings"),
    }
}

/// A plain vision transformer or a masked autoencoder.
fn plain(args: &Args) -> Result<(), Failure> {
    let Imported {
        model,
        architecture,
        report,
        ..
    } = load(args)?;
    let dialect = args.dialect.unwrap_or(match report.dialect {
        // JAX's files are not written.
        Dialect::Flax => Dialect::Timm,
        dialect => dialect,
    });
    let name = match is_record(&args.output) {
        true => "record",
        false => dialect.name(),
    };
    if is_record(&args.output) {
        let settings = json!({ "architecture": architecture });
        match model {
            ImportedModel::Vit(vit) => write_record(vit, &settings, &args.output)?,
            ImportedModel::Mae(mae) => write_record(mae, &settings, &args.output)?,
        }
    } else {
        let written = Folder::beside(&args.output)?;
        let exported = match &model {
            ImportedModel::Vit(vit) => export(vit, &architecture, dialect, &written.0),
            ImportedModel::Mae(mae) => export(mae, &architecture, dialect, &written.0),
        };
        exported.map_err(|error| Failure::import(&args.weights, &error))?;
        written.move_to(&args.output)?;
    }
    let [height, width] = architecture.image;
    say(format_args!(
        "{}: {}, images of {height}×{width}, patches of {}×{}, {} channels",
        args.output.display(),
        name,
        architecture.patch[0],
        architecture.patch[1],
        architecture.channels
    ));
    if !report.resized.is_empty() {
        say(format_args!("resized: {}", report.resized.join(", ")));
    }
    Ok(())
}

/// The model for the images, patches and channels that are wanted.
fn load(args: &Args) -> Result<Imported, Failure> {
    let mut importer = args.said.importer(&args.weights, args.from);
    if let Some(image) = args.image_size {
        importer = importer.with_image(image);
    }
    if let Some(patch) = args.patch_size {
        importer = importer.with_patch_size(patch);
    }
    if let Some(channels) = args.channels {
        importer = importer.with_channels(channels as usize);
    }
    let imported = importer.load(&device("flex")?);
    imported.map_err(|error| Failure::import(&args.weights, &error))
}

/// A folder beside the output, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn beside(output: &Path) -> Result<Self, Failure> {
        let mut name = output.as_os_str().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let folder = PathBuf::from(name);
        let failed = |error| Failure::file(output, format_args!("it cannot be written: {error}"));
        fs::create_dir(&folder).map_err(failed)?;
        Ok(Self(folder))
    }

    /// Weights and configuration to their places. A configuration that says something else is not written over: it is
    /// that of other weights.
    fn move_to(&self, output: &Path) -> Result<(), Failure> {
        let failed = |error| Failure::file(output, format_args!("it cannot be written: {error}"));
        let config = self.0.join(CONFIG);
        if config.is_file() {
            let place = output.with_file_name(CONFIG);
            let text = fs::read(&config).map_err(failed)?;
            if fs::read(&place).is_ok_and(|there| there != text) {
                let reason = "it is that of other weights; write into another folder";
                return Err(Failure::file(&place, reason));
            }
            write_whole(&place, &text)?;
        }
        fs::rename(self.0.join(WEIGHTS), output).map_err(failed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
