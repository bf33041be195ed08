//! `show`: what a model sees in pictures.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbed;
use burn_vit::import::{ImportedModel, Preparation};
use burn_vit::{Taps, Vit};
use image::{ImageFormat, Rgb, RgbImage, imageops};

use crate::arguments::{Source, device, size};
use crate::array::Array;
use crate::failure::Failure;
use crate::input::pictures::{open, preprocess, unprepared};
use crate::model::components::components;
use crate::model::hierarchical;
use crate::output::{Progress, check_place, say, write_whole};

/// Draws what a model sees in pictures, beside each picture.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  burn-patch show --weights dinov2.safetensors --input cat.jpg dog.jpg --output seen.png
  burn-patch show --weights model.safetensors --input cat.jpg --output seen.png --what attention
  burn-patch show --weights model.safetensors --input a.jpg b.jpg --output alike.png --what similarity:120,80")]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,

    /// Pictures
    #[arg(long, value_name = "IMAGE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,

    /// The PNG to write: a row for each picture
    #[arg(long, value_name = "PNG")]
    output: PathBuf,

    /// What to draw: pca (the first three principal components of the patch tokens of all pictures, as red, green and
    /// blue), attention (how much the class token attends to each patch in the last block, mean over heads) or
    /// similarity:Y,X (of all patches to the one there in the first picture as the model sees it, in pixels; cosine)
    #[arg(long, value_name = "WHAT", default_value = "pca")]
    what: What,

    /// Size of the pictures that the model sees. Default: what the configuration says
    #[arg(long, value_name = "HxW", value_parser = size)]
    image_size: Option<[usize; 2]>,

    /// Where to run, as for embed
    #[arg(long, value_name = "NAME", default_value = "flex")]
    backend: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Pca,
    Attention,
    /// To the patch at this `[y, x]`.
    Similarity([usize; 2]),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let point = || {
            let (y, x) = text.strip_prefix("similarity:")?.split_once(',')?;
            Some([y.trim().parse().ok()?, x.trim().parse().ok()?])
        };
        match text {
            "pca" => Ok(Self::Pca),
            "attention" => Ok(Self::Attention),
            _ => point()
                .map(Self::Similarity)
                .ok_or_else(|| "expected pca, attention or similarity:Y,X".to_owned()),
        }
    }
}

/// A picture as the model sees it, and values of each patch.
struct Seen {
    picture: RgbImage,
    values: Array,
}

/// Draws the pictures.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    check_place(&args.output)?;
    let device = device(&args.backend)?;
    let (vit, preparation, size) = load(args, &device)?;
    let layout = vit.layout(size).map_err(Failure::failed)?;
    let grid = [layout.grid.rows, layout.grid.cols];
    let progress = Progress::new("pictures seen", args.input.len());
    let mut seen = Vec::new();
    for file in &args.input {
        seen.push(look(args, &vit, &preparation, size, file, &device)?);
        progress.done(seen.len());
    }
    let maps = match args.what {
        What::Pca => colours(&seen),
        What::Attention => seen.iter().map(|seen| greys(&seen.values.values)).collect(),
        What::Similarity(point) => similarities(&seen, grid, size, point)?,
    };
    let drawing = draw(&seen, &maps, grid, size);
    let mut bytes = Cursor::new(Vec::new());
    let written = drawing.write_to(&mut bytes, ImageFormat::Png);
    written.map_err(|error| Failure::file(&args.output, error))?;
    write_whole(&args.output, bytes.get_ref())?;
    say(format_args!(
        "{}: {} pictures, {}×{} patches each",
        args.output.display(),
        seen.len(),
        grid[0],
        grid[1]
    ));
    Ok(())
}

fn load(
    args: &Args,
    device: &Device,
) -> Result<(Vit<LinearPatchEmbed>, Preparation, [usize; 2]), Failure> {
    let weights = &args.source.weights;
    hierarchical::refuse(weights, "show")?;
    let refuse = |error| Failure::import(weights, &error);
    let importer = args.source.importer();
    let inspected = importer.inspect().map_err(refuse)?;
    let preparation = inspected.preparation.ok_or_else(|| unprepared(weights))?;
    if args.what == What::Attention && !inspected.architecture.class_token {
        let reason = "--what attention: the model has no class token";
        return Err(Failure::file(weights, reason));
    }
    let size = args.image_size.unwrap_or(preparation.size);
    let imported = importer.with_image(size).load(device).map_err(refuse)?;
    let vit = match imported.model {
        ImportedModel::Vit(vit) => vit,
        ImportedModel::Mae(mae) => mae.into_vit(),
    };
    Ok((vit, preparation, size))
}

fn look(
    args: &Args,
    vit: &Vit<LinearPatchEmbed>,
    preparation: &Preparation,
    size: [usize; 2],
    file: &Path,
    device: &Device,
) -> Result<Seen, Failure> {
    let whole = open(file, size)?;
    let preprocess = preprocess(preparation, size, [whole.height(), whole.width()])?;
    let values = preprocess.apply(&whole).0;
    let data = TensorData::new(values, [1, 3, size[0], size[1]]);
    let images = Tensor::<4>::from_data(data, device);
    let last = vit.encoder.blocks.len() - 1;
    let values = match args.what {
        What::Pca | What::Similarity(_) => {
            vit.forward_features(images, Noise::None).patch_embeddings()
        }
        What::Attention => {
            let taps = Taps {
                attention: vec![last],
                ..Taps::default()
            };
            let mut encoded = vit.forward_taps(images, taps, Noise::None);
            let weights = encoded.attention.remove(0);
            let prefix = encoded.tokens.prefix();
            let class = weights.slice_dim(2, 0..1).mean_dim(1);
            class
                .slice_dim(3, prefix..)
                .squeeze_dim::<3>(1)
                .permute([0, 2, 1])
        }
    };
    Ok(Seen {
        picture: preprocess.bytes(&whole),
        values: Array::of(values)?,
    })
}

/// Three principal components of all patches together, each spread over all shades.
fn colours(seen: &[Seen]) -> Vec<Vec<Rgb<u8>>> {
    let dim = seen[0].values.shape[2];
    let all: Vec<&[f32]> = seen
        .iter()
        .flat_map(|seen| seen.values.values.chunks(dim))
        .collect();
    let shades = components(&all).map(|scores| spread(&scores));
    let mut from = 0;
    let each = seen.iter().map(|seen| {
        let count = seen.values.shape[1];
        from += count;
        let patches = from - count..from;
        patches
            .map(|at| Rgb(std::array::from_fn(|axis| shades[axis][at])))
            .collect()
    });
    each.collect()
}

/// Cosines of the angles between all tokens and that of the patch at `point` in the first picture.
fn similarities(
    seen: &[Seen],
    grid: [usize; 2],
    size: [usize; 2],
    point: [usize; 2],
) -> Result<Vec<Vec<Rgb<u8>>>, Failure> {
    if point[0] >= size[0] || point[1] >= size[1] {
        return Err(Failure::usage(format_args!(
            "--what similarity: expected a point within {}x{} pixels, got {},{}",
            size[0], size[1], point[0], point[1]
        )));
    }
    let [row, col] = [0, 1].map(|axis| point[axis] * grid[axis] / size[axis]);
    let dim = seen[0].values.shape[2];
    let from = (row * grid[1] + col) * dim;
    let chosen = &seen[0].values.values[from..from + dim];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosine = |token: &[f32]| {
        let lengths = dot(token, token).sqrt() * dot(chosen, chosen).sqrt();
        dot(token, chosen) / lengths.max(f32::MIN_POSITIVE)
    };
    let each = seen.iter().map(|seen| {
        let cosines: Vec<f32> = seen.values.values.chunks(dim).map(cosine).collect();
        greys(&cosines)
    });
    Ok(each.collect())
}

fn greys(values: &[f32]) -> Vec<Rgb<u8>> {
    let shades = spread(values);
    shades.into_iter().map(|shade| Rgb([shade; 3])).collect()
}

/// From the least to the largest value: 0 to 255.
fn spread(values: &[f32]) -> Vec<u8> {
    let least = values.iter().copied().fold(f32::INFINITY, f32::min);
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let width = (most - least).max(f32::MIN_POSITIVE);
    let shade = |value: &f32| ((value - least) / width * 255.0).round() as u8;
    values.iter().map(shade).collect()
}

/// A row for each picture, its map beside it.
fn draw(
    seen: &[Seen],
    maps: &[Vec<Rgb<u8>>],
    [rows, cols]: [usize; 2],
    [height, width]: [usize; 2],
) -> RgbImage {
    let mut drawing = RgbImage::new(2 * width as u32, (seen.len() * height) as u32);
    for (index, (seen, map)) in seen.iter().zip(maps).enumerate() {
        let top = (index * height) as i64;
        imageops::replace(&mut drawing, &seen.picture, 0, top);
        let map = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let row = y as usize * rows / height;
            let col = x as usize * cols / width;
            map[row * cols + col]
        });
        imageops::replace(&mut drawing, &map, width as i64, top);
    }
    drawing
}
