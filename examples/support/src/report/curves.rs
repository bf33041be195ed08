//! The plot of losses by epoch.

use std::error::Error as StdError;
use std::path::Path;

use plotters::prelude::*;

use crate::error::Error;
use crate::report::canvas::{Canvas, picture};
use crate::report::curve::Curve;

const PANEL: (u32, u32) = (480, 360);

/// Draws the panels side by side.
///
/// # Errors
///
/// [`Error::Output`] if `path` cannot be written.
pub fn curves(path: &Path, curves: &[Curve]) -> Result<(), Error> {
    let size = (PANEL.0 * curves.len() as u32, PANEL.1);
    picture(path, size, |canvas| plot(canvas, curves))
}

fn plot(canvas: &Canvas<'_>, curves: &[Curve]) -> Result<(), Box<dyn StdError>> {
    for (panel, curve) in canvas.split_evenly((1, curves.len())).iter().zip(curves) {
        let values = || {
            curve
                .train
                .iter()
                .chain(&curve.test)
                .copied()
                .filter(|value| value.is_finite())
        };
        let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let margin = (high - low).max(1e-3) * 0.05;
        let epochs = curve.train.len() as f64;
        let mut chart = ChartBuilder::on(panel)
            .caption(curve.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(0.9..epochs.max(2.0) + 0.1, low - margin..high + margin)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc("loss")
            .x_label_formatter(&|epoch| format!("{epoch:.0}"))
            .x_labels(curve.train.len().clamp(2, 10))
            .light_line_style(WHITE)
            .draw()?;
        for (name, color, line) in [
            ("training", BLUE, &curve.train),
            ("held out", RED, &curve.test),
        ] {
            let points = line
                .iter()
                .enumerate()
                .map(|(epoch, loss)| ((epoch + 1) as f64, *loss));
            chart
                .draw_series(LineSeries::new(points, color.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    Ok(())
}
