//! The optimizer and the course of the learning rate.

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;
use burn::train::{Learner, LearnerModel};
use burn_patch::ops::FusedAdamWConfig;

use crate::error::Error;

/// Steps over which the learning rate climbs from 0.
const WARM_UP: usize = 50;
const WEIGHT_DECAY: f32 = 0.05;

/// `model` with AdamW and a learning rate that climbs to `rate` and falls to 0 within `steps`.
///
/// # Errors
///
/// [`Error::Training`] if there is no such schedule.
pub fn learner<M: LearnerModel>(model: M, rate: f64, steps: usize) -> Result<Learner<M>, Error> {
    let optimizer = FusedAdamWConfig::new()
        .with_weight_decay(WEIGHT_DECAY)
        .with_epsilon(1e-8)
        .init();
    Ok(Learner::new(model, optimizer, schedule(rate, steps)?))
}

/// Linear warm-up, then half a cosine down to 0.
fn schedule(rate: f64, steps: usize) -> Result<ModuleLrScheduler, Error> {
    let warm_up = WARM_UP.min(steps / 5).max(1);
    let climb = LinearLrSchedulerConfig::new(rate / warm_up as f64, rate, warm_up);
    let fall = CosineAnnealingLrSchedulerConfig::new(rate, (steps - warm_up).max(1));
    SequentialLrSchedulerConfig::new(
        vec![
            LrSchedulerConfig::Linear(climb),
            LrSchedulerConfig::Cosine(fall),
        ],
        vec![warm_up],
    )
    .init()
    .map_err(Error::Training)
}
