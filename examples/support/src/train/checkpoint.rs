//! Where a training stopped.

use std::path::Path;

use burn::store::ModuleRecord;
use burn::train::LearnerModel;

use crate::error::Error;
use crate::train::phase::Phase;

/// The last epoch with model, optimizer and scheduler.
pub fn last_checkpoint(folder: &Path) -> Option<usize> {
    let folder = folder.join("checkpoint");
    let epochs = std::fs::read_dir(&folder).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        name.to_str()?
            .strip_prefix("model-")?
            .strip_suffix(".bpk")?
            .parse()
            .ok()
    });
    epochs
        .filter(|epoch: &usize| {
            ["optim", "scheduler"]
                .iter()
                .all(|part| folder.join(format!("{part}-{epoch}.bpk")).exists())
        })
        .max()
}

/// `model` as it was after `epoch`.
pub(crate) fn load<M: LearnerModel>(phase: &Phase, model: M, epoch: usize) -> Result<M, Error> {
    let path = phase.folder.join(format!("checkpoint/model-{epoch}.bpk"));
    let misfit = |why: String| Error::Checkpoint {
        path: path.clone(),
        why,
    };
    let record = ModuleRecord::load(&path).map_err(|error| misfit(error.to_string()))?;
    model
        .try_load_record(record)
        .map_err(|error| misfit(error.to_string()))
}
