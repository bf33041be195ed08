//! A picture from its file.

use std::path::Path;

use burn_patch_data::decode;
use image::imageops::FilterType;
use image::{DynamicImage, RgbImage};

use crate::error::Error;

/// Pixels of the picture in `path`, resized to `size` (height, width), `[channels, height, width]`: grey if `channels`
/// is 1, else RGB. What it is, its content says, not its name.
///
/// # Errors
///
/// [`Error::DataFile`] if it is no whole picture.
pub fn picture(path: &Path, size: [usize; 2], channels: usize) -> Result<Vec<u8>, Error> {
    let broken = |why: String| Error::DataFile {
        path: path.to_owned(),
        why,
    };
    let bytes = std::fs::read(path).map_err(|error| broken(error.to_string()))?;
    let [height, width] = size.map(|side| side as u32);
    let picture = decode(&bytes, height.max(width)).map_err(|why| broken(why.to_string()))?;
    let picture = DynamicImage::from(picture).resize_exact(width, height, FilterType::CatmullRom);
    if channels == 1 {
        return Ok(picture.into_luma8().into_raw());
    }
    Ok(planes(&picture.into_rgb8()))
}

/// Channel after channel.
pub(super) fn planes(picture: &RgbImage) -> Vec<u8> {
    let plane = |channel: usize| picture.pixels().map(move |pixel| pixel[channel]);
    (0..3).flat_map(plane).collect()
}
