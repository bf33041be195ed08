//! A run: its model, its data and its folder, for every phase of it.

use std::sync::Arc;

use burn::module::Module;
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::{Mae, Vit};
use support::data::{Pictures, Split};
use support::run::{Claim, Identity, RunFolder};
use support::train::{
    ActivationType, Batchers, Classifier, Outcome, Phase, PictureBatcher, Pretrainer, TEST_BATCH,
    accuracy, noise_per_picture, train,
};
use support::{Devices, Draws, Error, PATCH};

use crate::cli::{Args, Task};
use crate::model::model_config::ModelConfig;
use crate::model::saved::save;
use crate::report::reconstructions::{SHOWN, reconstructions};

const PROGRAM: &str = "tiny-mae";
/// What it leaves in the output folder, beside the run.
const RESULTS: [&str; 6] = [
    "mae",
    "vit-finetuned",
    "vit-scratch",
    "metrics.json",
    "curves.png",
    "reconstructions.png",
];
const PHASES: [&str; 3] = ["mae", "finetuned", "scratch"];
/// Held-out pictures whose loss is watched while training; all of them count at the end.
const WATCHED: usize = 500;

pub(crate) struct Session<'a> {
    args: &'a Args,
    pub(crate) devices: Devices,
    pub(crate) split: Split,
    pub(crate) run: RunFolder,
    noise: usize,
}

impl<'a> Session<'a> {
    /// Builds each model once, so that one that does not fit is refused before any training, and opens the folder.
    pub(crate) fn open(args: &'a Args, devices: Devices, split: Split) -> Result<Self, Error> {
        if args.task != Task::Vit {
            args.model().mae(&split, devices.first())?;
        }
        let vit = args.model().vit(&split, devices.first())?;
        let noise = noise_per_picture(&vit, split.train.size)?;
        let names = [&RunFolder::NAMES[..], &RESULTS[..]].concat();
        let claim = Claim::take(&args.out, PROGRAM, &names)?;
        let identity = identity(args, &split);
        let run = RunFolder::open(claim, PROGRAM, &identity, &PHASES, args.resume)?;
        Ok(Self {
            args,
            devices,
            split,
            run,
            noise,
        })
    }

    /// What is trained on what.
    pub(crate) fn banner(&self) -> String {
        let (args, split) = (self.args, &self.split);
        let [height, width] = split.train.size;
        let reducer = args.reduce.map(|name| format!(", reducer {name}"));
        let dtype = match args.dtype {
            ActivationType::F32 => String::new(),
            half => format!(", activations in {}", half.name()),
        };
        format!(
            "{}: {} training and {} held-out pictures of {}×{height}×{width}, backend {}{dtype}, embedding {}, positions {}{}\n\
             {} classes: {}",
            split.name,
            split.train.len(),
            split.test.len(),
            split.train.channels,
            self.devices.names(),
            args.embed,
            args.position,
            reducer.unwrap_or_default(),
            split.classes.len(),
            split.classes.join(", "),
        )
    }

    /// Both classifiers see the same pictures in the same order.
    fn draws(&self, phase: &str) -> Draws {
        Draws::new(self.args.seed, if phase == "mae" { 1 } else { 2 })
    }

    /// Seeds the device for the weights that `phase` starts from.
    pub(crate) fn seed_weights(&self, phase: &str) {
        self.devices.first().seed(self.draws(phase).device(0));
    }

    /// The MAE, trained.
    pub(crate) fn pretrain(&self) -> Result<Outcome<Pretrainer>, Error> {
        self.seed_weights("mae");
        let device = self.devices.first().clone().autodiff();
        let mae = self.args.model().mae(&self.split, &device)?;
        let epochs = self.args.mae_epochs();
        let phase = self.phase("mae", epochs, self.args.rate(), String::new());
        train(
            &phase,
            Pretrainer::new(mae, self.args.dtype),
            self.batchers(&phase),
        )
    }

    /// The ViT before training.
    pub(crate) fn vit(&self, phase: &str) -> Result<Vit<AnyPatchEmbed>, Error> {
        self.seed_weights(phase);
        let device = self.devices.first().clone().autodiff();
        self.args.model().vit(&self.split, &device)
    }

    /// A classifier, trained; `start` is the digest of what it starts from.
    pub(crate) fn classify(
        &self,
        name: &'static str,
        vit: Vit<AnyPatchEmbed>,
        rate: f64,
        start: String,
    ) -> Result<Outcome<Classifier>, Error> {
        let phase = self.phase(name, self.args.vit_epochs(), rate, start);
        let model = Classifier::new(vit.train()).with_activations(self.args.dtype);
        train(&phase, model, self.batchers(&phase))
    }

    fn phase(&self, name: &'static str, epochs: usize, rate: f64, start: String) -> Phase {
        Phase {
            name,
            epochs,
            batch: (self.args.batch as usize).min(self.split.train.len()),
            learning_rate: rate,
            draws: self.draws(name),
            devices: self.devices.all().to_vec(),
            folder: self.run.phase(name),
            run: self.run.id().to_owned(),
            start,
        }
    }

    fn batchers(&self, phase: &Phase) -> Batchers {
        Batchers {
            train: self.batcher(&self.split.train, true, phase.draws),
            train_len: self.split.train.len(),
            test: self.batcher(&self.split.test, false, phase.draws),
            test_len: self.split.test.len().min(WATCHED),
        }
    }

    fn batcher(&self, pictures: &Arc<Pictures>, flip: bool, draws: Draws) -> PictureBatcher {
        PictureBatcher::new(pictures.clone(), self.noise, flip, draws)
    }

    /// Share of the held-out pictures that the model names rightly.
    pub(crate) fn accuracy(&self, vit: &Vit<AnyPatchEmbed>) -> Result<f64, Error> {
        accuracy(vit, &self.split.test, self.devices.first())
    }

    pub(crate) fn paint(&self, mae: &Mae<AnyPatchEmbed>) -> Result<(), Error> {
        let held_out = self.split.test.len();
        // More than are shown: in the shape of every evaluation, for which a GPU has its kernels.
        let indices: Vec<usize> = (0..TEST_BATCH.min(held_out)).collect();
        let batch = self
            .batcher(&self.split.test, false, self.draws("mae"))
            .collect(&indices, 0, self.devices.first())?;
        let output = mae.forward(batch.images.clone(), &batch.noise);
        let painted = mae.paint(batch.images.clone(), &output);
        let path = self.run.result("reconstructions.png");
        let shown = 0..SHOWN.min(held_out);
        let [images, painted] =
            [batch.images, painted].map(|pictures| pictures.slice([shown.clone()]));
        reconstructions(&path, images, output.mask.slice([shown]), painted, PATCH)
    }

    /// Into a folder of its own.
    pub(crate) fn save<M: Module>(
        &self,
        name: &str,
        config: ModelConfig,
        model: M,
    ) -> Result<(), Error> {
        save(&self.run.result(name), config, model)
    }
}

/// Everything that the results depend on, but for how long the phases train and on which devices.
fn identity(args: &Args, split: &Split) -> Identity {
    // Its pictures say what a folder is; where it lies does not.
    let dataset = match args.source.data {
        Some(_) => "folder",
        None => &split.name,
    };
    let settings = vec![
        ("dataset", dataset.into()),
        ("pictures", split.train.len().into()),
        ("data", split.digest().into()),
        ("embedding", args.embed.into()),
        ("position", args.position.into()),
        ("reducer", args.reduce.into()),
        ("keep", args.keep.into()),
        ("batch", args.batch.into()),
        ("learning rate", args.rate().into()),
        ("seed", args.seed.into()),
        ("dtype", args.dtype.name().into()),
    ];
    Identity::new(PROGRAM, settings)
}
