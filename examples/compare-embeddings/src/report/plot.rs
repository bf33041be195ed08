use std::error::Error as StdError;
use std::path::Path;

use plotters::prelude::*;
use tiny_mae::{Canvas, Error, picture};

use super::labels::{Point, Rect, place};
use super::{Row, Settings};

/// `(width, height)` in pixels.
const SIZE: (u32, u32) = (960, 640);
const FONT: &str = "sans-serif";
const LABEL: i32 = 15;
/// Radius of the disc with the most tokens, in pixels.
const LARGEST: f64 = 10.0;
const FRONT: RGBColor = RGBColor(20, 80, 160);
const BEHIND: RGBColor = RGBColor(150, 165, 185);
/// Labels farther than this from their disc get a line to it, in pixels.
const FAR: i32 = 8;

/// Draws accuracy against training speed, a labelled disc per embedding.
pub(super) fn plot(path: &Path, settings: &Settings, rows: &[Row]) -> Result<(), Error> {
    picture(path, SIZE, |canvas| draw(canvas, settings, rows))
}

fn draw(canvas: &Canvas<'_>, settings: &Settings, rows: &[Row]) -> Result<(), Box<dyn StdError>> {
    let note = format!(
        "epochs: {}, backend {}; disc area: tokens; dark: none here is both faster and more accurate",
        settings.epochs, settings.backend
    );
    let area = canvas
        .titled(
            "Accuracy on held-out pictures against training speed",
            (FONT, 20),
        )?
        .titled(&note, (FONT, 14))?;
    let deviation = |row: &Row| row.accuracy_deviation.unwrap_or(0.0);
    let low = rows.iter().map(|row| row.accuracy - deviation(row));
    let high = rows.iter().map(|row| row.accuracy + deviation(row));
    let (low, high) = (low.fold(f64::MAX, f64::min), high.fold(f64::MIN, f64::max));
    let margin = ((high - low) * 0.12).max(0.005);
    let rates = rows.iter().map(|row| row.training_images_per_second);
    let fastest = rates.fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..1.1 * fastest, low - margin..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("training images per second")
        .y_desc("accuracy, %")
        .axis_desc_style((FONT, 15))
        .label_style((FONT, 13))
        .x_label_formatter(&|rate| format!("{rate:.0}"))
        .y_label_formatter(&|accuracy| format!("{:.1}", 100.0 * accuracy))
        .light_line_style(WHITE)
        .draw()?;

    let most = rows.iter().map(|row| row.tokens).max().unwrap_or(1) as f64;
    let style = (FONT, LABEL).into_font().color(&BLACK);
    let mut points = Vec::new();
    for row in rows {
        let rate = row.training_images_per_second;
        let color = if leads(row, rows) { FRONT } else { BEHIND };
        let center = chart.backend_coord(&(rate, row.accuracy));
        let radius = (LARGEST * (row.tokens as f64 / most).sqrt()).max(2.0) as i32;
        if row.accuracy_deviation.is_some() {
            let end =
                |sign: f64| chart.backend_coord(&(rate, row.accuracy + sign * deviation(row)));
            canvas.draw(&PathElement::new(
                [end(-1.0), end(1.0)],
                color.stroke_width(2),
            ))?;
        }
        canvas.draw(&Circle::new(center, radius, color.filled()))?;
        let (width, height) = canvas.estimate_text_size(row.embedding, &style)?;
        points.push(Point {
            center,
            radius,
            label: (width as i32, height as i32),
        });
    }
    let (x, y) = chart.plotting_area().get_pixel_range();
    let frame = Rect {
        left: x.start,
        top: y.start,
        right: x.end,
        bottom: y.end,
    };
    for ((row, point), label) in rows.iter().zip(&points).zip(place(&points, frame)) {
        let nearest = label.nearest(point.center);
        let apart = (nearest.0 - point.center.0, nearest.1 - point.center.1);
        let apart = f64::from(apart.0).hypot(f64::from(apart.1)) as i32;
        if apart > point.radius + FAR {
            canvas.draw(&PathElement::new([point.center, nearest], BEHIND))?;
        }
        canvas.draw(&Text::new(
            row.embedding,
            (label.left, label.top),
            style.clone(),
        ))?;
    }
    Ok(())
}

/// Whether no other row is at least as fast and as accurate, and better in one of the two.
fn leads(row: &Row, rows: &[Row]) -> bool {
    let values = |row: &Row| [row.accuracy, row.training_images_per_second];
    let [accuracy, rate] = values(row);
    !rows.iter().any(|other| {
        let [a, r] = values(other);
        a >= accuracy && r >= rate && (a > accuracy || r > rate)
    })
}
