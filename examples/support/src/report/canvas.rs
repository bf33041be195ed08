//! Pictures drawn with plotters, with the one font that is compiled in.

use std::error::Error as StdError;
use std::io::Cursor;
use std::path::Path;
use std::sync::Once;

use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::Error;
use crate::report::files::write;

const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-ascii.ttf");

/// Where plotters draws. Its font `sans-serif` is compiled in and has ASCII alone.
pub type Canvas<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Draws on white, `(width, height)` in pixels, and writes the result to `path` as PNG.
///
/// # Errors
///
/// [`Error::Output`] if drawing or writing fails.
pub fn picture(
    path: &Path,
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Box<dyn StdError>>,
) -> Result<(), Error> {
    static FONT_ONCE: Once = Once::new();
    FONT_ONCE.call_once(|| {
        // Only a broken font file can fail here, and this one is compiled in.
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
    let mut pixels = vec![0; (3 * size.0 * size.1) as usize];
    paint(&mut pixels, size, draw).map_err(|error| Error::output(path, error))?;
    let pixels = RgbImage::from_raw(size.0, size.1, pixels).expect("three values per pixel");
    write_png(path, &pixels)
}

/// Writes `picture` to `path` as PNG.
///
/// # Errors
///
/// [`Error::Output`] if that fails.
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<(), Error> {
    let mut png = Cursor::new(Vec::new());
    picture
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|error| Error::output(path, error))?;
    write(path, png.get_ref())
}

fn paint(
    pixels: &mut [u8],
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), Box<dyn StdError>>,
) -> Result<(), Box<dyn StdError>> {
    let canvas = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    canvas.fill(&WHITE)?;
    draw(&canvas)?;
    canvas.present()?;
    Ok(())
}
