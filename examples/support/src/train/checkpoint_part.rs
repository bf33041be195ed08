//! One of the three records that a checkpoint has.

use std::sync::Arc;

use burn::tensor::Bytes;
use burn::train::checkpoint::{Checkpoint, Checkpointer, CheckpointerError};

use crate::error::Error;
use crate::train::checkpoints::Checkpoints;

/// Saves and restores model, optimizer or schedule.
pub(crate) struct CheckpointPart {
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) part: &'static str,
}

impl<R: Checkpoint> Checkpointer<R> for CheckpointPart {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let bytes = record
            .checkpoint_into_bytes()
            .map_err(CheckpointerError::Record)?;
        self.checkpoints
            .keep(epoch, self.part, &bytes)
            .map_err(unknown)
    }

    fn delete(&self, _: usize) -> Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        let bytes = self.checkpoints.read(epoch, self.part).map_err(unknown)?;
        R::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes)).map_err(CheckpointerError::Record)
    }
}

fn unknown(error: Error) -> CheckpointerError {
    CheckpointerError::Unknown(error.to_string())
}
