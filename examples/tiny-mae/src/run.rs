//! The whole program, step by step.

use support::report::{Curve, curves};
use support::run::model_digest;
use support::{DROP_PATH, Devices, Error, prepare_backend, say, serve, stop};

use crate::cli::{Args, Command, Task};
use crate::model::model_config::ModelConfig;
use crate::predict::predict;
use crate::report::metrics::Metrics;
use crate::session::Session;

/// Training and held-out pictures of a quick run: a whole number of batches each, so that a GPU compiles kernels for two
/// shapes alone.
const QUICK: [usize; 2] = [1024, 500];

/// Runs what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    match &args.command {
        Some(Command::Predict(args)) => predict(args),
        Some(Command::Serve(args)) => serve(&args.host, args.port, &args.backend),
        None => train(args),
    }
}

fn train(args: &Args) -> Result<(), Error> {
    let names = args.devices();
    prepare_backend(&names[0], args.tune);
    let devices = Devices::open(&names, args.batch as usize)?;
    for (device, name) in devices.all().iter().zip(&names) {
        args.dtype.check(device, name)?;
    }
    let split = args.source.load()?;
    let split = match args.quick {
        true => split.truncated(QUICK[0], QUICK[1]),
        false => split,
    };
    stop::check().map_err(|error| error.ended("nothing was trained yet"))?;
    let session = Session::open(args, devices, split)?;
    say(session.banner());
    let mut metrics = Metrics::new(
        args,
        &session.devices,
        &session.split.name,
        session.run.id(),
    );
    let mut panels = Vec::new();
    let mut encoder = None;
    if args.task != Task::Vit {
        let outcome = session.pretrain()?;
        metrics.add_mae(&outcome);
        panels.push(Curve::new("MAE", &outcome));
        let config = ModelConfig::mae(args.model(), &session.split, session.run.id());
        session.save("mae", config, outcome.model.mae.clone())?;
        session.paint(&outcome.model.mae)?;
        encoder = Some(outcome.model.mae);
    }
    let config = || ModelConfig::vit(args.model(), &session.split, session.run.id());
    if let (Task::All, Some(mae)) = (args.task, encoder) {
        let start = model_digest(&mae)?;
        session.seed_weights("finetuned");
        let vit = mae
            .into_vit()
            .with_classes(session.split.classes.len(), session.devices.first())
            .with_drop_path(DROP_PATH)?;
        let outcome = session.classify("finetuned", vit, 0.5 * args.rate(), start)?;
        metrics.add_finetuned(&outcome, session.accuracy(&outcome.model.vit)?);
        panels.push(Curve::new("ViT fine-tuned", &outcome));
        session.save("vit-finetuned", config(), outcome.model.vit)?;
    }
    if args.task != Task::Mae {
        let vit = session.vit("scratch")?;
        let outcome = session.classify("scratch", vit, args.rate(), String::new())?;
        metrics.add_scratch(&outcome, session.accuracy(&outcome.model.vit)?);
        panels.push(Curve::new("ViT from scratch", &outcome));
        session.save("vit-scratch", config(), outcome.model.vit)?;
    }
    curves(&session.run.result("curves.png"), &panels)?;
    metrics.write(&session.run.result("metrics.json"))?;
    metrics.print();
    Ok(())
}
