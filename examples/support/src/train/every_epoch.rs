//! A checkpoint after every epoch.

use std::sync::Arc;

use burn::train::checkpoint::{CheckpointingAction, CheckpointingStrategy};
use burn::train::metric::store::EventStoreClient;

use crate::train::checkpoints::Checkpoints;

/// Asked by burn-train after each whole epoch, when all of its metrics are in: notes the means, and has every epoch
/// saved. Which old ones are deleted, and when, is up to [`Checkpoints`].
pub(crate) struct EveryEpoch(pub(crate) Arc<Checkpoints>);

impl CheckpointingStrategy for EveryEpoch {
    fn checkpointing(&mut self, epoch: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        match self.0.note(epoch) {
            true => vec![CheckpointingAction::Save],
            false => vec![],
        }
    }
}
