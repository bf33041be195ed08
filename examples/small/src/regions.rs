//! Regions of patches, drawn over the picture that they lie in.

use std::io::Cursor;
use std::path::Path;

use image::imageops::replace;
use image::{ImageFormat, Rgb, RgbImage};
use support::{Error, report::write};

/// Pixels of the drawing per pixel of the picture.
const SCALE: u32 = 8;
const GAP: u32 = 12;

/// Writes a PNG: the picture with a line around every region, and beside it each region in the mean of its colours. `owner`
/// names the region of each patch of `patch × patch` px, row by row.
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
    let grid = [picture.height(), picture.width()].map(|side| (side / patch) as usize);
    let [over, merged] = burn_patch_data::draw_regions(picture, owner, grid, SCALE);
    let (width, height) = over.dimensions();
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
