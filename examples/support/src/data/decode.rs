//! A picture from its file.

use std::path::Path;

use image::ImageReader;
use image::imageops::FilterType;

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
    let picture = ImageReader::open(path)
        .and_then(ImageReader::with_guessed_format)
        .map_err(|error| broken(error.to_string()))?
        .decode()
        .map_err(|error| broken(error.to_string()))?
        .resize_exact(size[1] as u32, size[0] as u32, FilterType::CatmullRom);
    if channels == 1 {
        return Ok(picture.into_luma8().into_raw());
    }
    let picture = picture.into_rgb8();
    let plane = |channel: usize| picture.pixels().map(move |pixel| pixel[channel]);
    Ok((0..3).flat_map(plane).collect())
}
