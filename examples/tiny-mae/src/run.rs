//! The whole program, step by step.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn_patch::embed::{AnyPatchEmbed, PatchEmbed};
use burn_patch::ops::backends::device;
use burn_vit::{Mae, Vit};
use support::data::{Pictures, Split};
use support::report::{Curve, curves, make_writable};
use support::train::{
    Batchers, Classifier, Outcome, Phase, PictureBatcher, Pretrainer, accuracy, last_checkpoint,
    train,
};
use support::{DROP_PATH, Error, PATCH, RATE_FROM_SCRATCH};

use crate::cli::{Args, Task};
use crate::report::metrics::Metrics;
use crate::report::reconstructions::{SHOWN, reconstructions};

const RATE_FINE_TUNE: f64 = 1e-3;
/// Held-out pictures whose loss is watched while training; all of them count at the end.
const WATCHED: usize = 500;
/// Training and held-out pictures of a quick run.
const QUICK: [usize; 2] = [1024, 512];

/// Runs what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let device = device(&args.backend)?;
    let split = args.source.load()?;
    let split = match args.quick {
        true => split.truncated(QUICK[0], QUICK[1]),
        false => split,
    };
    make_writable(&args.out)?;
    let session = Session::new(args, device, split)?;
    session.open_runs()?;
    println!(
        "{}: {} training and {} held-out pictures of {}×{}×{}, backend {}, embedding {}{}",
        session.split.name,
        session.split.train.len(),
        session.split.test.len(),
        session.split.train.channels,
        session.split.train.size[0],
        session.split.train.size[1],
        args.backend,
        args.embed,
        args.reduce
            .map_or_else(String::new, |name| format!(", reducer {name}")),
    );
    let mut metrics = Metrics::new(args, &session.split.name);
    let mut panels = Vec::new();
    let mut encoder = None;
    if args.task != Task::Vit {
        let outcome = session.pretrain()?;
        metrics.add_mae(&outcome);
        panels.push(Curve::new("MAE", &outcome));
        session.save("mae", outcome.model.mae.clone())?;
        session.paint(&outcome.model.mae)?;
        encoder = Some(outcome.model.mae.into_vit());
    }
    if let (Task::All, Some(encoder)) = (args.task, encoder) {
        let vit = encoder
            .with_classes(session.split.classes, &session.device)
            .with_drop_path(DROP_PATH)?;
        let outcome = session.classify("finetuned", vit, RATE_FINE_TUNE)?;
        metrics.add_finetuned(&outcome, session.accuracy(&outcome.model.vit));
        panels.push(Curve::new("ViT fine-tuned", &outcome));
        session.save("vit-finetuned", outcome.model.vit)?;
    }
    if args.task != Task::Mae {
        let outcome = session.classify("scratch", session.vit()?, RATE_FROM_SCRATCH)?;
        metrics.add_scratch(&outcome, session.accuracy(&outcome.model.vit));
        panels.push(Curve::new("ViT from scratch", &outcome));
        session.save("vit-scratch", outcome.model.vit)?;
    }
    curves(&args.out.join("curves.png"), &panels)?;
    metrics.write(&args.out.join("metrics.json"))?;
    metrics.print();
    Ok(())
}

struct Session<'a> {
    args: &'a Args,
    device: Device,
    split: Split,
    patches: usize,
}

impl<'a> Session<'a> {
    /// Builds each model once, so that one that does not fit is refused before any training.
    fn new(args: &'a Args, device: Device, split: Split) -> Result<Self, Error> {
        if args.task != Task::Vit {
            args.model().mae(&split, &device)?;
        }
        let vit = args.model().vit(&split, &device)?;
        let patches = vit.patch_embed.layout(split.train.size)?.tokens();
        Ok(Self {
            args,
            device,
            split,
            patches,
        })
    }

    /// Starts with an empty folder of checkpoints and notes what they belong to; a resumed run must match.
    fn open_runs(&self) -> Result<(), Error> {
        let runs = self.args.out.join("runs");
        let note = runs.join("run.json");
        let mut settings = serde_json::json!({
            "dataset": self.split.name,
            "pictures": self.split.train.len(),
            "embedding": self.args.embed,
            "batch": self.args.batch,
            "seed": self.args.seed,
        });
        if let Some(reducer) = self.args.reduce {
            settings["reducer"] = reducer.into();
        }
        if self.args.resume {
            let text =
                std::fs::read_to_string(&note).map_err(|_| Error::NothingToResume(runs.clone()))?;
            let before: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if before != settings {
                let why = format!("expected a run with {before}, got {settings}");
                return Err(Error::Checkpoint { path: runs, why });
            }
            return Ok(());
        }
        let broken = |error: std::io::Error| Error::Output {
            path: runs.clone(),
            why: error.to_string(),
        };
        if note.exists() {
            std::fs::remove_dir_all(&runs).map_err(broken)?;
        }
        std::fs::create_dir_all(&runs)
            .and_then(|()| std::fs::write(&note, settings.to_string()))
            .map_err(broken)
    }

    /// The device with gradients, its generator seeded.
    fn training_device(&self) -> Device {
        self.device.seed(self.args.seed);
        self.device.clone().autodiff()
    }

    /// The MAE, trained.
    fn pretrain(&self) -> Result<Outcome<Pretrainer>, Error> {
        let device = self.training_device();
        let mae = self.args.model().mae(&self.split, &device)?;
        let model = Pretrainer { mae };
        let phase = self.phase("mae", 1, self.args.mae_epochs(), RATE_FROM_SCRATCH);
        train(&phase, model, self.batchers(&phase), |training| {
            training
                .metric_train_numeric(LossMetric::new())
                .metric_valid_numeric(LossMetric::new())
        })
    }

    /// The ViT before training.
    fn vit(&self) -> Result<Vit<AnyPatchEmbed>, Error> {
        self.args.model().vit(&self.split, &self.training_device())
    }

    /// A classifier, trained.
    fn classify(
        &self,
        name: &'static str,
        vit: Vit<AnyPatchEmbed>,
        rate: f64,
    ) -> Result<Outcome<Classifier>, Error> {
        let phase = self.phase(name, 2, self.args.vit_epochs(), rate);
        let model = Classifier { vit: vit.train() };
        train(&phase, model, self.batchers(&phase), |training| {
            training
                .metric_train_numeric(LossMetric::new())
                .metric_valid_numeric(LossMetric::new())
                .metric_train_numeric(AccuracyMetric::new())
                .metric_valid_numeric(AccuracyMetric::new())
        })
    }

    /// `stream` tells pre-training and classifiers apart; both classifiers see the same pictures.
    fn phase(&self, name: &'static str, stream: u64, epochs: usize, rate: f64) -> Phase {
        let folder = self.args.out.join("runs").join(name);
        let done = match self.args.resume {
            true => last_checkpoint(&folder).unwrap_or(0),
            false => 0,
        };
        let batch = (self.args.batch as usize).min(self.split.train.len());
        Phase {
            name,
            epochs,
            batch,
            learning_rate: rate,
            seed: self.stream(stream, done),
            device: self.device.clone(),
            folder,
            done,
        }
    }

    /// A seed for each stream and each start, so that a resumed run does not repeat the first epoch's draws.
    fn stream(&self, stream: u64, done: usize) -> u64 {
        let [stream, done] = [stream << 56, (done as u64) << 40];
        self.args.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream ^ done
    }

    fn batchers(&self, phase: &Phase) -> Batchers {
        let seed = phase.seed.rotate_left(17);
        Batchers {
            train: self.batcher(&self.split.train, true, seed),
            train_len: self.split.train.len(),
            test: self.batcher(&self.split.test, false, seed),
            test_len: self.split.test.len().min(WATCHED),
        }
    }

    fn batcher(&self, pictures: &Arc<Pictures>, flip: bool, seed: u64) -> PictureBatcher {
        PictureBatcher::new(pictures.clone(), self.patches, flip, seed)
    }

    /// Share of the held-out pictures that the model names rightly.
    fn accuracy(&self, vit: &Vit<AnyPatchEmbed>) -> f64 {
        accuracy(vit, &self.split.test, &self.device)
    }

    fn paint(&self, mae: &Mae<AnyPatchEmbed>) -> Result<(), Error> {
        let shown: Vec<usize> = (0..SHOWN.min(self.split.test.len())).collect();
        let batch = self
            .batcher(&self.split.test, false, 0)
            .collect(&shown, &self.device);
        let output = mae.forward(batch.images.clone(), &batch.noise);
        let painted = mae.paint(batch.images.clone(), &output);
        let path = self.args.out.join("reconstructions.png");
        reconstructions(&path, batch.images, output.mask, painted, PATCH)
    }

    /// As a Burn record and as safetensors with PyTorch's names and layout.
    fn save<M: Module>(&self, name: &str, model: M) -> Result<(), Error> {
        let broken = |path: &Path, why: String| Error::Output {
            path: path.to_owned(),
            why,
        };
        let path = self.args.out.join(format!("{name}.safetensors"));
        let mut store = SafetensorsStore::from_file(&path)
            .overwrite(true)
            .skip_enum_variants(true)
            .with_to_adapter(BurnToPyTorchAdapter);
        model
            .save_into(&mut store)
            .map_err(|error| broken(&path, error.to_string()))?;
        let path = self.args.out.join(format!("{name}.bpk"));
        model
            .save_file(&path)
            .map_err(|error| broken(&path, error.to_string()))
    }
}
