//! `show`: what a model sees in pictures.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_patch::Noise;
use burn_patch::embed::LinearPatchEmbed;
use burn_patch_data::draw_regions;
use burn_vit::import::{Architecture, ImportedModel, Preparation};
use burn_vit::{Taps, Vit};
use image::{ImageFormat, Rgb, RgbImage, imageops};

use crate::arguments::{Source, device, size};
use crate::array::Array;
use crate::failure::Failure;
use crate::input::pictures::{open, preprocess, unprepared};
use crate::model::components::components;
use crate::model::hierarchical::hierarchical;
use crate::model::reduction::Reduction;
use crate::model::run::Model;
use crate::output::{Progress, check_place, say, write_whole};

/// Draws what a model sees in pictures, beside each picture.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = "Examples:
  burn-patch show --weights dinov2.safetensors --input cat.jpg dog.jpg --output seen.png
  burn-patch show --weights model.safetensors --input cat.jpg --output seen.png --what attention
  burn-patch show --weights model.safetensors --input a.jpg b.jpg --output alike.png --what similarity:120,80
  burn-patch show --weights model.safetensors --input cat.jpg --output merged.png --what tome:16")]
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
    /// blue), attention (how much the class token attends to each patch in the last block, mean over heads),
    /// similarity:Y,X (of all patches to the one there in the first picture as the model sees it, in pixels; cosine) or
    /// tome:R (which patches become one token if ToMe merges R in each block: their borders over the picture, and their mean
    /// colour; without a number, as many as leave a tenth)
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
    /// What ToMe merges: so many in each block, or as many as leave a tenth.
    ToMe(Option<usize>),
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let point = || {
            let (y, x) = text.strip_prefix("similarity:")?.split_once(',')?;
            Some([y.trim().parse().ok()?, x.trim().parse().ok()?])
        };
        let merged = || text.strip_prefix("tome:")?.parse().ok();
        match text {
            "pca" => Ok(Self::Pca),
            "attention" => Ok(Self::Attention),
            "tome" => Ok(Self::ToMe(None)),
            _ => merged()
                .map(|merged| Self::ToMe(Some(merged)))
                .or_else(|| point().map(Self::Similarity))
                .ok_or_else(|| "expected pca, attention, similarity:Y,X or tome:R".to_owned()),
        }
    }
}

/// A model that is ready, and how pictures become its input.
struct Ready {
    model: Model,
    preparation: Preparation,
    size: [usize; 2],
}

/// A picture as the model sees it, and values of each patch.
struct Seen {
    picture: RgbImage,
    values: Array,
    grid: [usize; 2],
}

/// Draws the pictures.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    check_place(&args.output)?;
    let device = device(&args.backend)?;
    let args = &Args {
        source: args.source.local()?,
        ..args.clone()
    };
    let ready = load(args, &device)?;
    let progress = Progress::new("pictures seen", args.input.len());
    let mut seen = Vec::new();
    for file in &args.input {
        seen.push(look(args, &ready, file, &device)?);
        progress.done(seen.len());
    }
    let (size, grid) = (ready.size, seen[0].grid);
    let pairs = match args.what {
        What::ToMe(_) => seen.iter().map(regions).collect(),
        What::Pca => beside(&seen, &colours(&seen)),
        What::Attention => {
            let maps = seen.iter().map(|seen| greys(&seen.values.values));
            beside(&seen, &maps.collect::<Vec<_>>())
        }
        What::Similarity(point) => beside(&seen, &similarities(&seen, grid, size, point)?),
    };
    let drawing = sheet(&pairs, size);
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

fn load(args: &Args, device: &Device) -> Result<Ready, Failure> {
    let Source {
        weights,
        dialect,
        said,
    } = &args.source;
    let found = match dialect {
        Some(_) => None,
        None => hierarchical::find(weights, said.config.as_deref())?,
    };
    if let Some(found) = found {
        if matches!(args.what, What::Attention | What::ToMe(_)) {
            let reason =
                "--what attention and tome take plain vision transformers, not Swin or PVT v2";
            return Err(Failure::file(weights, reason));
        }
        let preparation = found.preparation()?.ok_or_else(|| unprepared(weights))?;
        let size = args.image_size.unwrap_or(preparation.size);
        return Ok(Ready {
            model: found.load(device)?,
            preparation,
            size,
        });
    }
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
    let vit = match (args.what, imported.model) {
        (What::ToMe(merged), model) => {
            let arch = Architecture {
                image: size,
                ..imported.architecture
            };
            let tenth = arch.cells() * 9 / 10 / arch.depth.max(1);
            Reduction::ToMe(merged.unwrap_or(tenth.max(1))).on(model, size, device)?
        }
        (_, ImportedModel::Vit(vit)) => vit,
        (_, ImportedModel::Mae(mae)) => mae.into_vit(),
    };
    Ok(Ready {
        model: Model::Plain(ImportedModel::Vit(vit)),
        preparation,
        size,
    })
}

fn look(args: &Args, ready: &Ready, file: &Path, device: &Device) -> Result<Seen, Failure> {
    let size = ready.size;
    let whole = open(file, size)?;
    let preprocess = preprocess(&ready.preparation, size, [whole.height(), whole.width()])?;
    let values = preprocess.apply(&whole).0;
    let data = TensorData::new(values, [1, 3, size[0], size[1]]);
    let images = Tensor::<4>::from_data(data, device);
    ready.model.takes(3)?;
    let (values, grid) = match (&ready.model, args.what) {
        (Model::Plain(ImportedModel::Vit(vit)), What::Attention) => attention(vit, images),
        (Model::Plain(ImportedModel::Vit(vit)), What::ToMe(_)) => owners(vit, images),
        (model, _) => {
            let tokens = model.features(images);
            let grid = tokens.grid();
            (tokens.patch_embeddings(), [grid.rows, grid.cols])
        }
    };
    Ok(Seen {
        picture: preprocess.bytes(&whole),
        values: Array::of(values)?,
        grid,
    })
}

/// How much the class token attends to each patch in the last block, the mean over the heads.
fn attention(vit: &Vit<LinearPatchEmbed>, images: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
    let taps = Taps {
        attention: vec![vit.encoder.blocks.len() - 1],
        ..Taps::default()
    };
    let mut encoded = vit.forward_taps(images, taps, Noise::None);
    let (weights, tokens) = (encoded.attention.remove(0), encoded.tokens);
    let class = weights.slice_dim(2, 0..1).mean_dim(1);
    let each = class.slice_dim(3, tokens.prefix()..).squeeze_dim::<3>(1);
    (
        each.swap_dims(1, 2),
        [tokens.grid().rows, tokens.grid().cols],
    )
}

/// The token that each patch became.
fn owners(vit: &Vit<LinearPatchEmbed>, images: Tensor<4>) -> (Tensor<3>, [usize; 2]) {
    let encoded = vit.forward_taps(images, &[], Noise::None);
    let grid = encoded.tokens.grid();
    let grid = [grid.rows, grid.cols];
    let owner = match encoded.restore {
        Some(restore) => restore.owner().float(),
        // Nothing was merged.
        None => {
            let count = (grid[0] * grid[1]) as i64;
            let each = Tensor::<1, Int>::arange(0..count, &encoded.tokens.embeddings().device());
            each.float().unsqueeze_dim(0)
        }
    };
    (owner.unsqueeze_dim(2), grid)
}

/// Borders of merged patches over the picture, and their mean colours.
fn regions(seen: &Seen) -> [RgbImage; 2] {
    let owner: Vec<i32> = seen.values.values.iter().map(|at| *at as i32).collect();
    draw_regions(&seen.picture, &owner, seen.grid, 1)
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

/// Each picture and its map.
fn beside(seen: &[Seen], maps: &[Vec<Rgb<u8>>]) -> Vec<[RgbImage; 2]> {
    let pair = |(seen, map): (&Seen, &Vec<Rgb<u8>>)| {
        let (width, height) = seen.picture.dimensions();
        let [rows, cols] = seen.grid;
        let map = RgbImage::from_fn(width, height, |x, y| {
            let row = y as usize * rows / height as usize;
            let col = x as usize * cols / width as usize;
            map[row * cols + col]
        });
        [seen.picture.clone(), map]
    };
    seen.iter().zip(maps).map(pair).collect()
}

/// A row for each pair.
fn sheet(pairs: &[[RgbImage; 2]], [height, width]: [usize; 2]) -> RgbImage {
    let mut drawing = RgbImage::new(2 * width as u32, (pairs.len() * height) as u32);
    for (index, [left, right]) in pairs.iter().enumerate() {
        let top = (index * height) as i64;
        imageops::replace(&mut drawing, left, 0, top);
        imageops::replace(&mut drawing, right, width as i64, top);
    }
    drawing
}
