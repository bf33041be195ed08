//! The configuration of a model.

use burn_vit::import::{HubConfig, parameters, parts};

/// Reads a `config.json`. An architecture that is accepted can be listed and counted.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(config) = HubConfig::parse(text) else {
        return;
    };
    let Ok(architecture) = config.architecture() else {
        return;
    };
    assert!(parameters(&architecture) > 0);
    assert!(!parts(&architecture).is_empty());
    let [rows, cols] = architecture.grid();
    assert!(rows > 0 && cols > 0, "{rows}×{cols} patches");
}
