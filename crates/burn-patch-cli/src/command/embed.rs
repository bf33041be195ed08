//! `embed`: what a model makes of pictures or tensors.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use burn_vit::import::{ImportedModel, Preparation};

use crate::arguments::{Source, device, size};
use crate::array::{Array, Arrays};
use crate::failure::Failure;
use crate::input::pictures::{open, preprocess, unprepared};
use crate::input::tensors::{self, Images, Tensors};
use crate::model::hierarchical::hierarchical;
use crate::model::naflex;
use crate::model::reduction::Reduction;
use crate::model::run::Model;
use crate::model::stage::Stage;
use crate::output::{Progress, check_place, say};

/// Runs a model on pictures, or on the tensors of a file, and writes what it gives as a safetensors file: embed (patches
/// without positions), tokens [batch, tokens, dim] with the prefix first, pooled, logits where there is a classifier; of a
/// masked autoencoder also pred, mask and loss where the input holds noise.
///
/// Pictures are resized, cropped and normalised as the configuration says. Tensors named images (and noise), or patches
/// and shapes (and valid), are taken as they are.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = "Examples:
  burn-patch embed --weights model.safetensors --input cat.jpg dog.png --output out.safetensors
  burn-patch embed --weights model.safetensors --input io.safetensors --output out.safetensors --stage pooled
  burn-patch embed --weights vit.pth --preset vit_base_patch16_224 --input cat.jpg --output out.safetensors
  burn-patch embed --weights model.safetensors --reduce tome:8 --input cat.jpg --output out.safetensors")]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,

    /// Pictures, or one .safetensors file
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,

    /// The safetensors file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// One result alone: patch, tokens, pooled, logits or block:N, counted from 0 and written as block_N. Default: all but
    /// blocks
    #[arg(long, value_name = "STAGE")]
    stage: Option<Stage>,

    /// Size of the pictures that the model sees. Default: what the configuration says
    #[arg(long, value_name = "HxW", value_parser = size)]
    image_size: Option<[usize; 2]>,

    /// Size of the patches; those of the weights are resized by FlexiViT's pseudo-inverse
    #[arg(long, value_name = "HxW", value_parser = size)]
    patch_size: Option<[usize; 2]>,

    /// What reduces the tokens: tome:R merges R of them in each block with the token most like them, evit:RATE keeps this
    /// share of them behind a quarter, a half and three quarters of the blocks. Of a masked autoencoder, the encoder runs
    #[arg(long, value_name = "NAME:NUMBER")]
    reduce: Option<Reduction>,

    /// Images that run at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Where to run: flex, ndarray (CPU), wgpu (GPU), tch (LibTorch CPU), tch-cuda, cuda; backends other than flex need
    /// the cargo feature of the same name (tch for tch-cuda)
    #[arg(long, value_name = "NAME", default_value = "flex")]
    backend: String,
}

/// A model that is ready, and how pictures become its input.
struct Ready {
    model: Model,
    size: [usize; 2],
    preparation: Option<Preparation>,
}

/// Runs the model and writes what it gives.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    check_place(&args.output)?;
    let device = device(&args.backend)?;
    let args = &Args {
        source: args.source.local()?,
        ..args.clone()
    };
    let outputs = match args.input.as_slice() {
        [file] if is_tensors(file) => match tensors::read(file)? {
            Tensors::Images(images) => of_images(args, &images, &device)?,
            Tensors::Patches(_) if args.patch_size.is_some() || args.reduce.is_some() => {
                return Err(Failure::usage(
                    "--patch-size and --reduce: expected pictures or images, the input holds patches",
                ));
            }
            Tensors::Patches(patches) => naflex::run(&args.source, &patches, args.stage, &device)?,
        },
        files if files.iter().any(|file| is_tensors(file)) => {
            return Err(Failure::usage(
                "--input: expected pictures, or one .safetensors file",
            ));
        }
        files => of_pictures(args, files, &device)?,
    };
    outputs.write(&args.output)?;
    say(format_args!(
        "{}: {}",
        args.output.display(),
        outputs.summary()
    ));
    Ok(())
}

fn is_tensors(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "safetensors")
}

/// The model for images of `size`, or else of the size that pictures are prepared to.
fn ready(args: &Args, size: Option<[usize; 2]>, device: &Device) -> Result<Ready, Failure> {
    let source = &args.source;
    let found = match source.dialect {
        Some(_) => None,
        None => hierarchical::find(&source.weights, source.said.config.as_deref())?,
    };
    if let Some(found) = found {
        if args.patch_size.is_some() || args.reduce.is_some() {
            return Err(Failure::file(
                &source.weights,
                "--patch-size and --reduce take plain vision transformers, not Swin or PVT v2",
            ));
        }
        let preparation = found.preparation()?;
        let prepared = preparation.as_ref().map(|preparation| preparation.size);
        return Ok(Ready {
            model: found.load(device)?,
            size: size.or(prepared).unwrap_or([224, 224]),
            preparation,
        });
    }
    let refuse = |error| Failure::import(&source.weights, &error);
    let mut importer = source.importer();
    if let Some(patch) = args.patch_size {
        importer = importer.with_patch_size(patch);
    }
    let size = match size {
        Some(size) => size,
        None => {
            let inspected = importer.inspect().map_err(refuse)?;
            let prepared = inspected.preparation.map(|preparation| preparation.size);
            prepared.unwrap_or(inspected.architecture.image)
        }
    };
    let imported = importer.with_image(size).load(device).map_err(refuse)?;
    let model = match args.reduce {
        Some(reduction) => ImportedModel::Vit(reduction.on(imported.model, size, device)?),
        None => imported.model,
    };
    Ok(Ready {
        model: Model::Plain(model),
        size,
        preparation: imported.preparation,
    })
}

fn of_images(args: &Args, images: &Images, device: &Device) -> Result<Arrays, Failure> {
    let [count, _, height, width] = images.images.shape[..] else {
        return Err(Failure::failed("images: expected four axes"));
    };
    if args.image_size.is_some_and(|size| size != [height, width]) {
        return Err(Failure::usage(format_args!(
            "--image-size: tensors are taken as they are, {height}x{width}"
        )));
    }
    let ready = ready(args, Some([height, width]), device)?;
    let progress = Progress::new("images embedded", count);
    let mut all = Outputs::default();
    for from in (0..count).step_by(args.batch as usize) {
        let to = count.min(from + args.batch as usize);
        let noise = images
            .noise
            .as_ref()
            .map(|noise| noise.rows(from, to).values);
        all.add(
            args,
            &ready.model,
            images.images.rows(from, to),
            noise,
            device,
        )?;
        progress.done(to);
    }
    Ok(all.finish())
}

fn of_pictures(args: &Args, files: &[PathBuf], device: &Device) -> Result<Arrays, Failure> {
    let ready = ready(args, args.image_size, device)?;
    let Some(preparation) = &ready.preparation else {
        return Err(unprepared(&args.source.weights));
    };
    let progress = Progress::new("pictures embedded", files.len());
    let mut all = Outputs::default();
    let mut done = 0;
    for files in files.chunks(args.batch as usize) {
        let mut values = Vec::new();
        for file in files {
            let picture = open(file, ready.size)?;
            let sides = [picture.height(), picture.width()];
            values.extend(
                preprocess(preparation, ready.size, sides)?
                    .apply(&picture)
                    .0,
            );
        }
        let [height, width] = ready.size;
        let shape = vec![files.len(), 3, height, width];
        all.add(args, &ready.model, Array { shape, values }, None, device)?;
        done += files.len();
        progress.done(done);
    }
    Ok(all.finish())
}

/// Results of all batches.
#[derive(Default)]
struct Outputs {
    arrays: Arrays,
    /// The loss of each image, summed.
    loss: Option<f32>,
    images: usize,
}

impl Outputs {
    fn add(
        &mut self,
        args: &Args,
        model: &Model,
        images: Array,
        noise: Option<Vec<f32>>,
        device: &Device,
    ) -> Result<(), Failure> {
        let count = images.shape[0];
        model.takes(images.shape[1])?;
        let outputs = model.outputs(images.tensor(device), noise.as_deref(), args.stage)?;
        for (name, array) in outputs {
            if name == "loss" {
                let sum = array.values[0] * count as f32;
                self.loss = Some(self.loss.unwrap_or(0.0) + sum);
            } else {
                self.arrays.add(name, array);
            }
        }
        self.images += count;
        Ok(())
    }

    /// With the mean loss. Every image has as many masked patches as another.
    fn finish(mut self) -> Arrays {
        if let Some(loss) = self.loss {
            let mean = Array {
                shape: vec![1],
                values: vec![loss / self.images as f32],
            };
            self.arrays.add("loss", mean);
        }
        self.arrays
    }
}
