//! The sheet of originals, masked pictures and reconstructions.

use std::path::Path;

use burn::tensor::Tensor;
use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use support::Error;
use support::report::write_png;

/// Pictures shown.
pub(crate) const SHOWN: usize = 16;
/// Pictures per row of the sheet.
const COLUMNS: usize = 4;
const ZOOM: u32 = 3;
const GAP: u32 = 4;
const MASKED: f32 = 0.5;

/// A sheet of triples: original, what the encoder saw, reconstruction.
pub(crate) fn reconstructions(
    path: &Path,
    images: Tensor<4>,
    mask: Tensor<2>,
    painted: Tensor<4>,
    patch: usize,
) -> Result<(), Error> {
    let [count, channels, height, width] = images.dims();
    let original = pixels(images);
    let painted = pixels(painted);
    let mask = mask
        .into_data()
        .try_to_vec_as::<f32>()
        .expect("a mask of floats");
    let cols = width / patch;
    let cells = mask.len() / count;
    let hidden =
        |image: usize, y: usize, x: usize| mask[image * cells + y / patch * cols + x / patch] > 0.5;
    let [tile_width, tile_height] = [width as u32 * ZOOM, height as u32 * ZOOM];
    let triple = 3 * (tile_width + GAP) + 2 * GAP;
    let rows = count.div_ceil(COLUMNS) as u32;
    let columns = COLUMNS.min(count) as u32;
    let mut sheet = RgbImage::from_pixel(
        columns * triple + GAP,
        rows * (tile_height + 2 * GAP) + GAP,
        Rgb([255; 3]),
    );
    for image in 0..count {
        let left = (image % COLUMNS) as u32 * triple + GAP;
        let top = (image / COLUMNS) as u32 * (tile_height + 2 * GAP) + GAP;
        for part in 0..3 {
            let tile = RgbImage::from_fn(width as u32, height as u32, |x, y| {
                let (x, y) = (x as usize, y as usize);
                let source = if part == 2 { &painted } else { &original };
                let value = |channel: usize| {
                    let plane = image * channels + channel.min(channels - 1);
                    match part == 1 && hidden(image, y, x) {
                        true => MASKED,
                        false => source[(plane * height + y) * width + x],
                    }
                };
                Rgb([0, 1, 2]
                    .map(|channel| (value(channel) * 255.0).round().clamp(0.0, 255.0) as u8))
            });
            let tile = resize(&tile, tile_width, tile_height, FilterType::Nearest);
            let offset = left + part * (tile_width + GAP);
            image::imageops::replace(&mut sheet, &tile, i64::from(offset), i64::from(top));
        }
    }
    write_png(path, &sheet)
}

/// From −1..1 to 0..1.
fn pixels(images: Tensor<4>) -> Vec<f32> {
    let images = (images + 1.0) / 2.0;
    images
        .into_data()
        .try_to_vec_as::<f32>()
        .expect("images of floats")
}
