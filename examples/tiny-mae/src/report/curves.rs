use std::error::Error as StdError;
use std::path::Path;
use std::sync::Once;

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::error::Error;
use crate::train::Outcome;

const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-ascii.ttf");
const PANEL: (u32, u32) = (480, 360);

/// A panel of the plot: loss per epoch, on training and held-out pictures.
pub(crate) struct Curve {
    title: &'static str,
    train: Vec<f64>,
    test: Vec<f64>,
}

impl Curve {
    pub(crate) fn new<M>(title: &'static str, outcome: &Outcome<M>) -> Self {
        Self {
            title,
            train: outcome.train_loss.clone(),
            test: outcome.test_loss.clone(),
        }
    }
}

/// Draws the panels side by side.
pub(crate) fn curves(path: &Path, curves: &[Curve]) -> Result<(), Error> {
    draw(path, curves).map_err(|error| Error::Output {
        path: path.to_owned(),
        why: error.to_string(),
    })
}

fn draw(path: &Path, curves: &[Curve]) -> Result<(), Box<dyn StdError>> {
    static FONT_ONCE: Once = Once::new();
    FONT_ONCE.call_once(|| {
        // Only a broken font file can fail here, and this one is compiled in.
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
    let size = (PANEL.0 * curves.len() as u32, PANEL.1);
    let mut pixels = vec![0; (3 * size.0 * size.1) as usize];
    plot(&mut pixels, size, curves)?;
    image::save_buffer(path, &pixels, size.0, size.1, image::ColorType::Rgb8)?;
    Ok(())
}

fn plot(pixels: &mut [u8], size: (u32, u32), curves: &[Curve]) -> Result<(), Box<dyn StdError>> {
    let root = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, curve) in root.split_evenly((1, curves.len())).iter().zip(curves) {
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
    root.present()?;
    Ok(())
}
