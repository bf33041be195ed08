//! Models as Burn records.

use std::path::Path;

use burn::module::Module;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::write_whole;

/// Whether the output is to be a Burn record.
pub(crate) fn is_record(output: &Path) -> bool {
    output.extension().is_some_and(|end| end == "bpk")
}

/// Writes the record of `model`, and beside it, as .json, the settings that such a model is built from. A file of that name
/// that says something else is not written over: it is another model's.
pub(crate) fn write_record<M: Module>(
    model: M,
    settings: &Value,
    output: &Path,
) -> Result<(), Failure> {
    let record = model.into_record().into_bytes();
    let record = record.map_err(|error| Failure::file(output, error))?;
    let (settings, place) = (format!("{settings:#}"), output.with_extension("json"));
    if std::fs::read(&place).is_ok_and(|there| there != settings.as_bytes()) {
        let reason = "it is that of other weights; write to another name";
        return Err(Failure::file(&place, reason));
    }
    write_whole(output, &record)?;
    write_whole(&place, settings.as_bytes())
}
