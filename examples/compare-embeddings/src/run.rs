//! The whole program, step by step.

use burn::tensor::Device;
use burn_patch::ops::backends::device;
use support::data::Split;
use support::run::Claim;
use support::train::TEST_BATCH;
use support::{Error, prepare_backend, say, stop};

use crate::choice::Choice;
use crate::cli::Args;
use crate::measure::Bench;
use crate::report::table::{Settings, Table};

/// Training and held-out pictures of a quick run, the held-out ones in batches of one shape.
const QUICK: [usize; 2] = [1024, 2 * TEST_BATCH];
const RESULTS: [&str; 3] = ["table.md", "table.json", "plot.png"];

/// Runs what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    prepare_backend(&args.backend, false);
    let device = device(&args.backend)?;
    let split = args.source.load()?;
    let split = match args.quick {
        true => split.truncated(QUICK[0], QUICK[1]),
        false => split,
    };
    stop::check().map_err(|error| error.ended("nothing was trained yet"))?;
    let _claim = Claim::take(&args.out, "compare-embeddings", &RESULTS)?;
    let choices = fitting(args, &split, &device)?;
    let settings = Settings::new(args, &split);
    say(format_args!("{} embeddings; {settings}", choices.len()));
    let mut table = Table::new(settings);
    let bench = Bench {
        args,
        split: &split,
        device: &device,
    };
    for choice in choices {
        let rest = |error: Error| error.ended("the embeddings above are in the table");
        let row = bench.measure(choice).map_err(rest)?;
        say(&row);
        table.add(row);
        table.write(&args.out)?;
    }
    say(format_args!(
        "{} has table.md, table.json and plot.png",
        args.out.display()
    ));
    Ok(())
}

/// What can embed such pictures, found out before any training. What was asked for by name has to.
fn fitting(args: &Args, split: &Split, device: &Device) -> Result<Vec<Choice>, Error> {
    let mut fitting = Vec::new();
    let mut refused = None;
    for choice in args.choices() {
        match choice.model.vit(split, device) {
            Ok(_) => fitting.push(choice),
            Err(error) if args.embeddings.is_empty() => {
                say(format_args!("left out: {error}"));
                refused = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if fitting.is_empty() => Err(error),
        _ => Ok(fitting),
    }
}
