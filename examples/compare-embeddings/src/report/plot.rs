//! The plot: accuracy against training speed.

use std::error::Error as StdError;
use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;
use support::Error;
use support::report::{Canvas, picture};

use crate::report::labels::{Point, Rect, place};
use crate::report::table::{Row, Settings};

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
        .margin(8, 0, 0, 0)
        .titled(
            "Accuracy on held-out pictures against training speed",
            (FONT, 20),
        )?
        .titled(&note, (FONT, 14))?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(rates(rows), accuracies(rows))?;
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

    let style = (FONT, LABEL).into_font().color(&BLACK);
    let size = |row: &Row| canvas.estimate_text_size(row.name, &style);
    let sizes = rows.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let (points, bars) = marks(rows, &sizes, |rate, accuracy| {
        chart.backend_coord(&(rate, accuracy))
    });
    let (x, y) = chart.plotting_area().get_pixel_range();
    let frame = Rect {
        left: x.start,
        top: y.start,
        right: x.end,
        bottom: y.end,
    };
    let labels = place(&points, &bars, frame);
    leaders(canvas, &points, &labels)?;
    for front in [false, true] {
        for ((row, point), bar) in rows.iter().zip(&points).zip(&bars) {
            if leads(row, rows) == front {
                let color = if front { FRONT } else { BEHIND };
                disc(canvas, point, bar, color)?;
            }
        }
    }
    for (row, label) in rows.iter().zip(&labels) {
        canvas.draw(&Text::new(row.name, (label.left, label.top), style.clone()))?;
    }
    Ok(())
}

/// Where discs, their labels' sizes and the bars of deviation are; `at` turns rate and accuracy into pixels.
fn marks(
    rows: &[Row],
    sizes: &[(u32, u32)],
    at: impl Fn(f64, f64) -> (i32, i32),
) -> (Vec<Point>, Vec<Rect>) {
    let most = rows.iter().map(|row| row.tokens).max().unwrap_or(1) as f64;
    let mark = |(row, (width, height)): (&Row, &(u32, u32))| {
        let at = |accuracy: f64| at(row.training_images_per_second, accuracy);
        let point = Point {
            center: at(row.accuracy),
            radius: (LARGEST * (row.tokens as f64 / most).sqrt()).max(2.0) as i32,
            label: (*width as i32, *height as i32),
        };
        let (x, top) = at(row.accuracy + row.deviation());
        let (_, bottom) = at(row.accuracy - row.deviation());
        let bar = Rect {
            left: x - 1,
            top,
            right: x + 2,
            bottom,
        };
        (point, bar)
    };
    rows.iter().zip(sizes).map(mark).unzip()
}

/// From 0, with room at the right.
fn rates(rows: &[Row]) -> Range<f64> {
    let rates = rows.iter().map(|row| row.training_images_per_second);
    let highest = rates.filter(|rate| rate.is_finite()).fold(1.0, f64::max);
    0.0..1.1 * highest
}

/// From the worst to the best, with room for bars and labels; axes without an end would be drawn for ever.
fn accuracies(rows: &[Row]) -> Range<f64> {
    let ends = rows.iter().flat_map(|row| {
        let deviation = row.deviation();
        [row.accuracy - deviation, row.accuracy + deviation]
    });
    let ends: Vec<f64> = ends.filter(|end| end.is_finite()).collect();
    let low = ends.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let high = ends.iter().copied().reduce(f64::max).unwrap_or(1.0);
    let margin = (0.12 * (high - low)).max(0.005);
    low - margin..high + margin
}

/// Lines from discs to labels that found no place beside them.
fn leaders(
    canvas: &Canvas<'_>,
    points: &[Point],
    labels: &[Rect],
) -> Result<(), Box<dyn StdError>> {
    for (point, label) in points.iter().zip(labels) {
        let nearest = label.nearest(point.center);
        let apart = (nearest.0 - point.center.0, nearest.1 - point.center.1);
        if f64::from(apart.0).hypot(f64::from(apart.1)) > f64::from(point.radius + FAR) {
            canvas.draw(&PathElement::new([point.center, nearest], BEHIND))?;
        }
    }
    Ok(())
}

/// A disc with a white rim, and the bar of its deviation.
fn disc(
    canvas: &Canvas<'_>,
    point: &Point,
    bar: &Rect,
    color: RGBColor,
) -> Result<(), Box<dyn StdError>> {
    let corners = [(bar.left, bar.top), (bar.right, bar.bottom)];
    canvas.draw(&Rectangle::new(corners, color.filled()))?;
    canvas.draw(&Circle::new(point.center, point.radius + 1, WHITE.filled()))?;
    canvas.draw(&Circle::new(point.center, point.radius, color.filled()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(accuracy: f64, rate: f64) -> Row {
        Row {
            kind: crate::choice::Kind::Embedding,
            name: "linear",
            summary: "",
            accuracy,
            accuracy_deviation: None,
            own_parameters: 1,
            parameters: 2,
            tokens: 3,
            training_images_per_second: rate,
            inference_images_per_second: rate,
            seconds: 1.0,
        }
    }

    #[test]
    fn axes_have_an_end_whatever_was_measured() {
        for rows in [
            vec![],
            vec![row(f64::NAN, f64::INFINITY)],
            vec![row(0.5, f64::NAN), row(0.25, 100.0)],
        ] {
            for range in [rates(&rows), accuracies(&rows)] {
                assert!(
                    range.start.is_finite() && range.end.is_finite(),
                    "{range:?}"
                );
                assert!(range.start < range.end, "{range:?}");
            }
        }
    }
}
