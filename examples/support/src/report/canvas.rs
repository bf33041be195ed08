//! Pictures drawn with plotters, with the one font that is compiled in.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::Error;

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
    paint(&mut pixels, size, draw)
        .and_then(|()| {
            let color = image::ColorType::Rgb8;
            Ok(image::save_buffer(path, &pixels, size.0, size.1, color)?)
        })
        .map_err(|error| Error::Output {
            path: path.to_owned(),
            why: error.to_string(),
        })
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
