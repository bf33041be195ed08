//! What the parts of a training, on their threads, tell each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use burn::train::Interrupter;
use burn::train::metric::store::Split;

use crate::train::epoch_means::{EpochMeans, Means};
use crate::train::exact::Exact;

/// The epoch that runs, its means so far, and what must stop the training.
pub(crate) struct Monitor {
    interrupter: Interrupter,
    now: Mutex<Now>,
}

struct Now {
    epoch: usize,
    started: Instant,
    train: Sums,
    test: Sums,
    trouble: Option<Trouble>,
}

#[derive(Default)]
struct Sums {
    loss: Option<f64>,
    accuracy: Option<f64>,
}

/// A loss that is not finite, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trouble {
    pub(crate) loss: f64,
    pub(crate) epoch: usize,
    pub(crate) step: usize,
    pub(crate) split: &'static str,
    /// None on held-out pictures.
    pub(crate) rate: Option<f64>,
}

impl Monitor {
    pub(crate) fn new(interrupter: Interrupter) -> Self {
        Self {
            interrupter,
            now: Mutex::new(Now {
                epoch: 0,
                started: Instant::now(),
                train: Sums::default(),
                test: Sums::default(),
                trouble: None,
            }),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An epoch begins; those before it have been waited for.
    pub(crate) fn begin(&self, epoch: usize) {
        let mut now = self.now();
        now.epoch = epoch;
        now.started = Instant::now();
        (now.train, now.test) = (Sums::default(), Sums::default());
    }

    pub(crate) fn loss(&self, split: &Split, mean: f64) {
        self.now().of(split).loss = Some(mean);
    }

    pub(crate) fn accuracy(&self, split: &Split, mean: f64) {
        self.now().of(split).accuracy = Some(mean);
    }

    /// Stops the training; the first loss that is not finite is kept.
    pub(crate) fn not_finite(&self, split: &Split, loss: f64, step: usize, rate: Option<f64>) {
        let mut now = self.now();
        let epoch = now.epoch;
        let split = match split {
            Split::Train => "training",
            Split::Valid | Split::Test(_) => "held-out",
        };
        now.trouble.get_or_insert(Trouble {
            loss,
            epoch,
            step,
            split,
            rate,
        });
        self.interrupter.stop(Some("the loss is not finite"));
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.now().trouble.clone()
    }

    /// The means of the epoch, once both parts of it are done.
    pub(crate) fn means(&self, pictures: usize) -> Option<EpochMeans> {
        let now = self.now();
        Some(EpochMeans {
            train: now.train.means()?,
            test: now.test.means()?,
            pictures,
            seconds: Exact(now.started.elapsed().as_secs_f64()),
        })
    }
}

impl Now {
    fn of(&mut self, split: &Split) -> &mut Sums {
        match split {
            Split::Train => &mut self.train,
            Split::Valid | Split::Test(_) => &mut self.test,
        }
    }
}

impl Sums {
    fn means(&self) -> Option<Means> {
        Some(Means {
            loss: Exact(self.loss?),
            accuracy: self.accuracy.map(Exact),
        })
    }
}
