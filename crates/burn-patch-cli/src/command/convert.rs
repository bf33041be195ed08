//! `convert`: weights for another resolution, patch size, number of channels or library.

use std::fs;
use std::path::{Path, PathBuf};

use burn_patch::embed::{LinearPatchEmbed, PatchEmbed};
use burn_patch::resample::ChannelMap;
use burn_vit::import::{Architecture, Dialect, Imported, ImportedModel, export};

use crate::arguments::{Said, device, dialect, size};
use crate::failure::Failure;
use crate::model::hierarchical;
use crate::output::{check_place, say, write_whole};

/// Writes weights for another resolution, patch size, number of channels or library: a safetensors file that transformers
/// and timm open, with a config.json beside it where the library has one.
///
/// Position tables are resized as the library of the weights does, patches by FlexiViT's pseudo-inverse, channels as timm
/// does. With another patch size and no image size, the grid stays.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  burn-patch convert --weights model.safetensors --image-size 384 --output large/model.safetensors
  burn-patch convert --weights model.safetensors --patch-size 8 --channels 4 --output new/model.safetensors
  burn-patch convert --weights vit.pth --heads 12 --dialect transformers-vit --output hf/model.safetensors")]
pub(crate) struct Args {
    /// A .safetensors file, an index of several, a folder with either, or what torch.save wrote
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    #[command(flatten)]
    said: Said,

    /// Whose names the weights have. Default: told by the names
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    from: Option<Dialect>,

    /// The safetensors file to write
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
    hierarchical::refuse(&args.weights, "convert")?;
    let Imported {
        model,
        mut architecture,
        report,
        ..
    } = load(args)?;
    let model = match model {
        ImportedModel::Vit(mut vit) => {
            vit.patch_embed = changed(args, vit.patch_embed, &mut architecture)?;
            ImportedModel::Vit(vit)
        }
        ImportedModel::Mae(_) if args.patch_size.is_some() || args.channels.is_some() => {
            let reason = "a masked autoencoder predicts patches of one size and number of channels";
            return Err(Failure::file(&args.weights, reason));
        }
        mae => mae,
    };
    let dialect = args.dialect.unwrap_or(report.dialect);
    let written = Folder::beside(&args.output)?;
    let exported = match &model {
        ImportedModel::Vit(vit) => export(vit, &architecture, dialect, &written.0),
        ImportedModel::Mae(mae) => export(mae, &architecture, dialect, &written.0),
    };
    exported.map_err(|error| Failure::import(&args.weights, &error))?;
    written.move_to(&args.output)?;
    let [height, width] = architecture.image;
    say(format_args!(
        "{}: {}, images of {height}×{width}, patches of {}×{}, {} channels",
        args.output.display(),
        dialect.name(),
        architecture.patch[0],
        architecture.patch[1],
        architecture.channels
    ));
    if !report.resized.is_empty() {
        say(format_args!("resized: {}", report.resized.join(", ")));
    }
    Ok(())
}

/// The model with the grid that is wanted, its patches as they were.
fn load(args: &Args) -> Result<Imported, Failure> {
    let refuse = |error| Failure::import(&args.weights, &error);
    let importer = args.said.importer(&args.weights, args.from);
    let arch = importer.inspect().map_err(refuse)?.architecture;
    let patch = args.patch_size.unwrap_or(arch.patch);
    let image = match args.image_size {
        Some(image) => [0, 1].map(|axis| image[axis] / patch[axis] * arch.patch[axis]),
        None => arch.image,
    };
    if image.contains(&0) {
        return Err(Failure::usage(format_args!(
            "--image-size: expected at least a patch of {}x{}",
            patch[0], patch[1]
        )));
    }
    // A table that fits already is not touched, also where patches leave a rest of the image.
    let same = [0, 1].map(|axis| image[axis] / arch.patch[axis]) == arch.grid();
    let importer = if same {
        importer
    } else {
        importer.with_image(image)
    };
    let mut imported = importer.load(&device("flex")?).map_err(refuse)?;
    imported.architecture.image = match args.image_size {
        Some(image) => image,
        None if args.patch_size.is_some() => {
            let grid = arch.grid();
            [0, 1].map(|axis| grid[axis] * patch[axis])
        }
        None => arch.image,
    };
    Ok(imported)
}

/// The projection for other patches and channels.
fn changed(
    args: &Args,
    mut embed: LinearPatchEmbed,
    arch: &mut Architecture,
) -> Result<LinearPatchEmbed, Failure> {
    if let Some(patch) = args.patch_size.filter(|patch| *patch != arch.patch) {
        embed = embed.with_patch_size(patch).map_err(Failure::failed)?;
        arch.patch = patch;
    }
    if let Some(channels) = args.channels.map(|channels| channels as usize) {
        let map = ChannelMap::repeat(arch.channels, channels).map_err(Failure::failed)?;
        embed = embed.with_channels(&map).map_err(Failure::failed)?;
        arch.channels = channels;
    }
    Ok(embed)
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
        let config = self.0.join("config.json");
        if config.is_file() {
            let place = output.with_file_name("config.json");
            let text = fs::read(&config).map_err(failed)?;
            if fs::read(&place).is_ok_and(|there| there != text) {
                let reason = "it is that of other weights; write into another folder";
                return Err(Failure::file(&place, reason));
            }
            write_whole(&place, &text)?;
        }
        fs::rename(self.0.join("model.safetensors"), output).map_err(failed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
