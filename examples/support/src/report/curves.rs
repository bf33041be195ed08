//! The plot of losses by epoch.

use std::error::Error as StdError;
use std::ops::Range;
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
        match losses(curve) {
            Some(losses) => draw(panel, curve, losses)?,
            // Axes without an end would be drawn for ever.
            None => {
                panel.titled(&format!("{}: no losses", curve.title), ("sans-serif", 20))?;
            }
        }
    }
    Ok(())
}

/// From the lowest to the highest finite loss, with a margin; none if no loss is finite.
fn losses(curve: &Curve) -> Option<Range<f64>> {
    let finite = |loss: &&f64| loss.is_finite();
    let values = || curve.train.iter().chain(&curve.test).filter(finite);
    let low = values().copied().reduce(f64::min)?;
    let high = values().copied().reduce(f64::max)?;
    let margin = (high - low).max(1e-3 * low.abs().max(1.0)) * 0.05;
    let range = low - margin..high + margin;
    (range.start.is_finite() && range.end.is_finite()).then_some(range)
}

fn draw(panel: &Canvas<'_>, curve: &Curve, losses: Range<f64>) -> Result<(), Box<dyn StdError>> {
    let epochs = curve.train.len().max(curve.test.len());
    let mut chart = ChartBuilder::on(panel)
        .caption(curve.title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.9..(epochs as f64).max(2.0) + 0.1, losses)?;
    chart
        .configure_mesh()
        .x_desc("epoch")
        .y_desc("loss")
        .x_label_formatter(&|epoch| format!("{epoch:.0}"))
        .x_labels(epochs.clamp(2, 10))
        .light_line_style(WHITE)
        .draw()?;
    for (name, color, line) in [
        ("training", BLUE, &curve.train),
        ("held out", RED, &curve.test),
    ] {
        let points = line
            .iter()
            .enumerate()
            .map(|(epoch, loss)| ((epoch + 1) as f64, *loss))
            .filter(|(_, loss)| loss.is_finite());
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(train: &[f64], test: &[f64]) -> Curve {
        Curve {
            title: "losses",
            train: train.to_vec(),
            test: test.to_vec(),
        }
    }

    /// Each of these once made plotters look for the axis' next mark for ever.
    #[test]
    fn losses_that_are_missing_or_not_finite_still_make_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curves.png");
        let (nan, endless) = (f64::NAN, f64::INFINITY);
        for (train, test) in [
            (&[][..], &[][..]),
            (&[nan, nan], &[nan, nan]),
            (&[endless], &[-endless]),
            (&[nan, 0.5], &[endless, 0.25]),
            (&[1e308, -1e308], &[0.0, 0.0]),
            (&[1e300], &[1e300]),
            (&[0.0], &[0.0]),
        ] {
            curves(&path, &[curve(train, test), curve(&[0.5, 0.4], &[0.6])]).unwrap();
            assert!(image::open(&path).is_ok(), "{train:?} {test:?}");
        }
    }

    #[test]
    fn no_finite_loss_gives_no_axis() {
        assert!(losses(&curve(&[f64::NAN], &[])).is_none());
        let range = losses(&curve(&[1.0, f64::NAN], &[3.0])).unwrap();
        assert_eq!(range, 0.9..3.1);
    }
}
