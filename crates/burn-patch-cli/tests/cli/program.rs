//! The program, and what tests ask of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use tempfile::TempDir;

pub(crate) type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burn-patch"))
        .args(args)
        .output()
        .expect("the program starts")
}

pub(crate) fn checkpoints() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

pub(crate) fn values(path: &Path) -> Values {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let words = view.data().as_chunks::<4>().0.iter();
        let values = words.map(|word| f32::from_le_bytes(*word)).collect();
        (name, (view.shape().to_vec(), values))
    });
    tensors.collect()
}

/// The program fails with code 1 and one line that holds `parts`, within a second.
pub(crate) fn assert_refused(args: &[&str], parts: &[&str]) {
    let start = Instant::now();
    let output = run(args);
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{args:?}: expected '{part}' in: {text}"
        );
    }
    assert!(took < Duration::from_secs(1), "{args:?}: {took:?}");
}

pub(crate) fn assert_close(
    place: &str,
    got: &(Vec<usize>, Vec<f32>),
    want: &(Vec<usize>, Vec<f32>),
) {
    assert_eq!(got.0, want.0, "{place}");
    let largest = want
        .1
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    let pairs = got.1.iter().zip(&want.1);
    let apart = pairs.fold(0f32, |most, (got, want)| most.max((got - want).abs()));
    assert!(
        apart <= 1e-4 * largest,
        "{place}: {apart:.1e} of {largest:.1e}"
    );
}

pub(crate) fn describe(args: &[&str]) -> serde_json::Value {
    let output = run(&[&["describe", "--json"], args].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn embed(weights: &Path, input: &Path, output: &Path) -> Values {
    let args = ["embed", "--weights", text(weights), "--input", text(input)];
    let done = run(&[&args[..], &["--output", text(output)]].concat());
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    values(output)
}
