//! Regions of patches, drawn over the picture that they lie in.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use image::imageops::replace;
use image::{ImageFormat, Rgb, RgbImage};
use support::{Error, report::write};

/// Pixels of the drawing per pixel of the picture.
const SCALE: u32 = 8;
const GAP: u32 = 12;
const LINE: Rgb<u8> = Rgb([40, 40, 40]);

/// Writes a PNG: the picture with a line around every region, and beside it each region in the mean of its colours. `owner` names the region of each patch of `patch × patch` px, row by row.
///
/// # Errors
///
/// [`Error::Output`] if the file cannot be written.
pub fn draw_regions(
    picture: &RgbImage,
    owner: &[i32],
    patch: u32,
    path: &Path,
) -> Result<(), Error> {
    let cols = picture.width() / patch;
    let region = |x: u32, y: u32| owner[(y / patch * cols + x / patch) as usize];
    let means = means(picture, &region);
    let (width, height) = (picture.width() * SCALE, picture.height() * SCALE);
    let edge = |x: u32, y: u32| {
        let here = region(x / SCALE, y / SCALE);
        let differs =
            |x: u32, y: u32| x < width && y < height && region(x / SCALE, y / SCALE) != here;
        differs(x + 1, y) || differs(x, y + 1)
    };
    let drawn = |color: &dyn Fn(u32, u32) -> Rgb<u8>| {
        RgbImage::from_fn(width, height, |x, y| match edge(x, y) {
            true => LINE,
            false => color(x / SCALE, y / SCALE),
        })
    };
    let over = drawn(&|x, y| *picture.get_pixel(x, y));
    let merged = drawn(&|x, y| means[&region(x, y)]);
    let mut sheet = RgbImage::from_pixel(2 * width + GAP, height, Rgb([255; 3]));
    replace(&mut sheet, &over, 0, 0);
    replace(&mut sheet, &merged, i64::from(width + GAP), 0);
    let mut png = Cursor::new(Vec::new());
    let encoded = sheet.write_to(&mut png, ImageFormat::Png);
    encoded.map_err(|why| Error::Output {
        path: path.to_owned(),
        why: why.to_string(),
    })?;
    write(path, &png.into_inner())
}

/// The mean colour of each region.
fn means(picture: &RgbImage, region: &impl Fn(u32, u32) -> i32) -> HashMap<i32, Rgb<u8>> {
    let mut sums = HashMap::<i32, [u64; 4]>::new();
    for (x, y, pixel) in picture.enumerate_pixels() {
        let sum = sums.entry(region(x, y)).or_default();
        for (sum, value) in sum.iter_mut().zip(pixel.0.into_iter().chain([1])) {
            *sum += u64::from(value);
        }
    }
    let mean = |[r, g, b, count]: [u64; 4]| Rgb([r, g, b].map(|sum| (sum / count) as u8));
    let means = sums.into_iter().map(|(region, sum)| (region, mean(sum)));
    means.collect()
}
