//! The reducers that a classifier can have.

use std::sync::LazyLock;

use burn::tensor::Device;
use burn_patch::CatalogueEntry;
use burn_patch::reduce::{AnyReduceConfig, REDUCERS, Reduce};

/// The reducers of the catalogue that a classifier can have: those that leave something to predict from without noise, so
/// no masks but regular ones, and that take an odd number of tokens, as the tiny model's pictures give.
pub fn reducers() -> &'static [CatalogueEntry] {
    static FITTING: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
        let device = Device::flex();
        let fits = |entry: &&CatalogueEntry| {
            let config = AnyReduceConfig::for_tokens(entry.name, 1, 8);
            let reducer = config.expect("a name of the catalogue").init(&device);
            let [with, without] = [reducer.output_with_noise(49, 0), reducer.output(49, 0)];
            without.is_ok() && (reducer.noise(1, 49) == 0 || with != without)
        };
        REDUCERS.iter().filter(fits).copied().collect()
    });
    &FITTING
}
