//! The reducers that a classifier can have.

use std::sync::LazyLock;

use burn::tensor::Device;
use burn_patch::CatalogueEntry;
use burn_patch::reduce::{AnyReduceConfig, REDUCERS, Reduce, Sees};

/// The reducers of the catalogue that draw nothing, so that a classifier with one of them needs no noise, in training or
/// later, that need no class token, which the tiny model has not, and that take an odd number of tokens, as its pictures
/// give.
pub fn reducers() -> &'static [CatalogueEntry] {
    static FITTING: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
        let device = Device::flex();
        let fits = |entry: &&CatalogueEntry| {
            let config = AnyReduceConfig::for_tokens(entry.name, 1, 8);
            let reducer = config.expect("a name of the catalogue").init(&device);
            let draws = reducer.noise(1, 1) > 0;
            !draws && reducer.sees() != Sees::ClassScores && reducer.output(49, 0).is_ok()
        };
        REDUCERS.iter().filter(fits).copied().collect()
    });
    &FITTING
}
