//! The reducers that a classifier can have.

use std::sync::LazyLock;

use burn::tensor::Device;
use burn_patch::CatalogueEntry;
use burn_patch::reduce::{AnyReduceConfig, REDUCERS, Reduce};

/// The reducers of the catalogue that draw nothing: a classifier with one of them needs no noise, in training or later.
pub fn reducers() -> &'static [CatalogueEntry] {
    static REDUCERS_WITHOUT_NOISE: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
        let device = Device::flex();
        let draws = |entry: &&CatalogueEntry| {
            let config = AnyReduceConfig::for_tokens(entry.name, 1, 8);
            config
                .expect("a name of the catalogue")
                .init(&device)
                .noise(1, 1)
                > 0
        };
        REDUCERS
            .iter()
            .filter(|entry| !draws(entry))
            .copied()
            .collect()
    });
    &REDUCERS_WITHOUT_NOISE
}
