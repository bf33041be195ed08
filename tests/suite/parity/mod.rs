//! Parity with other libraries: golden values (`golden/NAME.safetensors`, checked in `NAME.rs`) and checkpoints.

mod adaptive;
mod bias;
mod checkpoints;
mod dinov2;
mod foundation;
mod groups;
mod hierarchical;
mod hierarchy;
mod merge;
mod motion;
mod pack;
mod reduce;
mod resample;
mod rotary;
mod spectral;
mod stems;

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use burn_patch::tokens::Restore;
use burn_patch_tests::{
    BackendDevice, Golden, backends, golden_folder, largest_difference, tolerance,
};

/// Runs `check` on every backend with the tensors of `file`.
fn golden(file: &str, check: impl Fn(&BackendDevice, &mut Golden)) {
    for backend in backends() {
        check(&backend, &mut Golden::open(file));
    }
}

fn assert_golden<const D: usize>(name: &str, got: Tensor<D>, want: TensorData) {
    let apart = largest_difference(&got.into_data(), &want).0;
    assert!(apart <= tolerance::F32, "{name}: {apart:.1e}");
}

/// Every tensor of a golden file is taken by a test in the module of the same name; a new one must be too.
#[test]
fn no_golden_tensor_is_left_unchecked() {
    let files = std::fs::read_dir(golden_folder()).expect("the golden folder");
    for path in files.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_none_or(|end| end != "safetensors") {
            continue;
        }
        let [stem, file] = [path.file_stem(), path.file_name()]
            .map(|name| name.and_then(|name| name.to_str()).expect("a name"));
        let checks = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("suite/parity/{stem}.rs"));
        let source = std::fs::read_to_string(&checks)
            .unwrap_or_else(|error| panic!("{}: {error}", checks.display()));
        for name in Golden::open(file).into_tensors().keys() {
            assert!(
                source.contains(&format!("\"{name}\"")),
                "{name} is in {file}, not in {}",
                checks.display()
            );
        }
    }
}

/// `ids_restore` where a token was kept, −1 where it was masked: the reference gives masked tokens numbers too.
fn kept_ids(ids: Tensor<2>, restore: &Restore) -> Tensor<2> {
    let mask = restore.mask();
    ids * (1.0 - mask.clone()) - mask
}
