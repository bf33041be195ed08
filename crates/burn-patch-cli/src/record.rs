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

/// Writes the record of `model`, and beside it, as .json, the settings that such a model is built from.
pub(crate) fn write_record<M: Module>(
    model: M,
    settings: &Value,
    output: &Path,
) -> Result<(), Failure> {
    let record = model.into_record().into_bytes();
    let record = record.map_err(|error| Failure::file(output, error))?;
    let settings = format!("{settings:#}");
    write_whole(&output.with_extension("json"), settings.as_bytes())?;
    write_whole(output, &record)
}
