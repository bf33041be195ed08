//! The tables, as Markdown and as JSON.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use support::Error;
use support::data::Split;
use support::report::write;

use crate::choice::Kind;
use crate::cli::Args;
use crate::report::plot::plot;

/// What all rows have in common.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    data: String,
    training_pictures: usize,
    held_out_pictures: usize,
    channels: usize,
    size_px: [usize; 2],
    pub(super) epochs: usize,
    batch: u32,
    seed: u64,
    seeds: u32,
    pub(super) backend: String,
    cores: usize,
}

/// One embedding, one kind of positions, or one reducer.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    /// Share of the held-out pictures named rightly, mean over the seeds.
    pub(crate) accuracy: f64,
    /// Over the seeds; none if there is one.
    pub(crate) accuracy_deviation: Option<f64>,
    /// Trainable numbers of what the row is about.
    pub(crate) own_parameters: usize,
    /// Trainable numbers of the whole model.
    pub(crate) parameters: usize,
    /// Per image, padding included.
    pub(crate) tokens: usize,
    pub(crate) training_images_per_second: f64,
    pub(crate) inference_images_per_second: f64,
    /// Seconds that everything about this row took.
    pub(crate) seconds: f64,
}

/// The rows so far, the most accurate first.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    settings: Settings,
    rows: Vec<Row>,
}

impl Settings {
    pub(crate) fn new(args: &Args, split: &Split) -> Self {
        Self {
            data: split.name.clone(),
            training_pictures: split.train.len(),
            held_out_pictures: split.test.len(),
            channels: split.train.channels,
            size_px: split.train.size,
            epochs: args.epochs(),
            batch: args.batch,
            seed: args.seed,
            seeds: args.seeds,
            backend: args.backend.clone(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [height, width] = self.size_px;
        write!(
            f,
            "{}: {} training and {} held-out pictures of {}×{height}×{width}, epochs: {}, batch: {}, \
             seed: {}, seeds: {}, backend {}, {} cores",
            self.data,
            grouped(self.training_pictures),
            grouped(self.held_out_pictures),
            self.channels,
            self.epochs,
            self.batch,
            self.seed,
            self.seeds,
            self.backend,
            self.cores,
        )
    }
}

impl Row {
    /// Of the accuracy; 0 if there is one seed.
    pub(super) fn deviation(&self) -> f64 {
        self.accuracy_deviation.unwrap_or(0.0)
    }

    fn accuracy(&self) -> String {
        let percent = 100.0 * self.accuracy;
        match self.accuracy_deviation {
            Some(deviation) => format!("{percent:.2} ± {:.2} %", 100.0 * deviation),
            None => format!("{percent:.2} %"),
        }
    }

    fn markdown(&self) -> String {
        format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            self.name,
            self.accuracy(),
            grouped(self.own_parameters),
            grouped(self.parameters),
            self.tokens,
            grouped(self.training_images_per_second.round() as usize),
            grouped(self.inference_images_per_second.round() as usize),
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>16}: accuracy {}, {} parameters, {} tokens, images/s: {:.0} training, {:.0} inference  ({:.1} s)",
            self.name,
            self.accuracy(),
            grouped(self.parameters),
            self.tokens,
            self.training_images_per_second,
            self.inference_images_per_second,
            self.seconds,
        )
    }
}

impl Table {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
        self.rows.sort_by(|a, b| {
            let accuracy = b.accuracy.total_cmp(&a.accuracy);
            accuracy.then(a.parameters.cmp(&b.parameters))
        });
    }

    /// Writes table.md, table.json and plot.png.
    pub(crate) fn write(&self, out: &Path) -> Result<(), Error> {
        let json = serde_json::to_string_pretty(self).expect("plain numbers serialise");
        write(&out.join("table.json"), json.as_bytes())?;
        write(&out.join("table.md"), self.markdown().as_bytes())?;
        plot(&out.join("plot.png"), &self.settings, &self.rows)
    }

    fn markdown(&self) -> String {
        let parts = [
            (Kind::Embedding, "Patch embeddings", "embedding"),
            (
                Kind::Position,
                "Positions, over linear patches",
                "positions",
            ),
            (Kind::Reducer, "Reducers, over linear patches", "reducer"),
        ];
        let parts = parts.map(|(kind, title, column)| self.part(kind, title, column));
        format!(
            "# Parts of a ViT compared\n\n\
             The same ViT (dim 64, 4 layers, one token per 4×4 px where the embedding keeps that) with each.\n\
             {}.\n{}",
            self.settings,
            parts.concat()
        )
    }

    /// The rows of one kind, or nothing if there are none.
    fn part(&self, kind: Kind, title: &str, column: &str) -> String {
        let rows = || self.rows.iter().filter(|row| row.kind == kind);
        if rows().next().is_none() {
            return String::new();
        }
        let summaries = rows().map(|row| format!("- `{}`: {}\n", row.name, row.summary));
        format!(
            "\n## {title}\n\n\
             | {column} | accuracy, held out | parameters, {column} | parameters, all | tokens \
             | training, images/s | inference, images/s |\n\
             |---|---:|---:|---:|---:|---:|---:|\n\
             {}\n{}",
            rows().map(Row::markdown).collect::<String>(),
            summaries.collect::<String>()
        )
    }
}

/// With commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let numbers = [0, 999, 1000, 21_345, 1_234_567];
        let texts = ["0", "999", "1,000", "21,345", "1,234,567"];
        assert_eq!(numbers.map(grouped), texts);
    }
}
