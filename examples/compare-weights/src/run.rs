//! The whole program, step by step.

use std::time::Instant;

use burn::tensor::Device;
use burn_patch::ops::backends::device;
use support::data::Split;
use support::run::Claim;
use support::{Error, prepare_backend, say, stop};

use crate::cli::Args;
use crate::encoder::Encoder;
use crate::features::Features;
use crate::imported::imported;
use crate::neighbours::accuracy;
use crate::pretrained::pretrained;
use crate::table::{Row, Table};

/// Training and held-out pictures of a quick run.
const QUICK: [usize; 2] = [1024, 512];

/// Runs what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    prepare_backend(&args.backend, false);
    let device = device(&args.backend)?;
    let split = args.source.load()?;
    let split = match args.quick {
        true => split.truncated(QUICK[0], QUICK[1]),
        false => split,
    };
    // What cannot be loaded is said before anything is computed.
    let encoders = encoders(args, &split, &device)?;
    stop::check().map_err(|error| error.ended("nothing was compared yet"))?;
    let _claim = Claim::take(&args.out, "compare-weights", &["table.md"])?;
    let mut table = Table {
        settings: format!(
            "{}: {} training and {} held-out pictures, {} neighbours, backend {}",
            split.name,
            split.train.len(),
            split.test.len(),
            args.neighbours,
            args.backend
        ),
        rows: Vec::new(),
    };
    say(&table.settings);
    for encoder in encoders {
        let row = row(encoder, &split, args.neighbours as usize, &device)?;
        say(&row);
        table.add(row, &args.out)?;
    }
    say(format_args!("{} has table.md", args.out.display()));
    Ok(())
}

fn encoders(args: &Args, split: &Split, device: &Device) -> Result<Vec<Encoder>, Error> {
    let mut encoders = vec![Encoder::pixels()];
    for run in &args.run {
        encoders.push(pretrained(run, split, device)?);
    }
    for path in &args.weights {
        encoders.push(imported(path, args.side, split, device)?);
    }
    Ok(encoders)
}

fn row(encoder: Encoder, split: &Split, neighbours: usize, device: &Device) -> Result<Row, Error> {
    let start = Instant::now();
    let train = Features::of(&encoder, &split.train, device)?;
    let test = Features::of(&encoder, &split.test, device)?;
    let [_, width] = train.rows.dims();
    let count = train.labels.len() + test.labels.len();
    // Reading the classes waited for the device only before the last batch; this waits for all of it.
    let accuracy = accuracy(&train, &test, neighbours);
    Ok(Row {
        name: encoder.name,
        what: encoder.what,
        width,
        accuracy,
        rate: count as f64 / start.elapsed().as_secs_f64(),
    })
}
