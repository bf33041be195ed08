//! The program as its user meets it.

use std::path::Path;
use std::process::{Command, Output};

use burn::module::Module;
use burn::tensor::Device;
use burn_patch::embed::AnyPatchEmbedConfig;
use burn_vit::{EncoderConfig, MaeConfig, VitConfig};
use tempfile::TempDir;

/// A tiny ViT of timm with random weights, for pictures of 32×32 px.
const WEIGHTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/golden/checkpoints/timm_vit"
);

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare-weights"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    (folder, path)
}

/// A folder as a run of tiny-mae leaves it, with an MAE that learned nothing.
fn fresh_run(folder: &Path) {
    let device = Device::flex();
    let embed = AnyPatchEmbedConfig::for_stride("linear", [4, 4], 1, 16).expect("a name");
    let vit = VitConfig::new([28, 28], EncoderConfig::new(1, 2));
    let mae = MaeConfig::new(vit, 8, 1, 2);
    let config = serde_json::json!({ "embedding_config": embed, "mae": mae });
    let model = mae.init(embed.try_init(&device).unwrap(), &device);
    let folder = folder.join("mae");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let record = model.into_record().into_bytes().unwrap();
    std::fs::write(folder.join("model.bpk"), &record[..]).unwrap();
}

#[test]
fn pixels_a_run_and_imported_weights_get_a_row_each() {
    let (keep, out) = folder();
    fresh_run(keep.path());
    let args = [
        "--quick",
        "--out",
        &out,
        "--run",
        &out,
        "--weights",
        WEIGHTS,
    ];
    let output = run(&args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let table = std::fs::read_to_string(keep.path().join("table.md")).unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(" % |")).collect();
    assert_eq!(rows.len(), 3, "{table}");
    // Clothes look alike: pixels alone name most of them.
    let pixels = rows.iter().find(|row| row.starts_with("| pixels |"));
    let accuracy = pixels.and_then(|row| row.split('|').nth(3)?.trim().strip_suffix(" %"));
    let accuracy: f64 = accuracy.expect("a share").parse().expect("a number");
    assert!((70.0..90.0).contains(&accuracy), "{table}");
    for part in ["| 784 |", "| 16 |", "| 48 |", "pictures of 32×32 px"] {
        assert!(table.contains(part), "{part}: {table}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_computed() {
    let (_keep, out) = folder();
    let refused = |args: &[&str], part: &str| {
        let output = run(&[&["--quick", "--out", &out], args].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(part), "{errors}");
        assert!(output.stdout.is_empty(), "{args:?}");
    };
    refused(&["--run", &out], "mae/config.json");
    refused(&["--weights", "/nowhere"], "/nowhere");
    let odd = ["--weights", WEIGHTS, "--side", "30"];
    refused(&odd, "multiple of the patch [8, 8], got 30");
    let emoji = ["--dataset", "emoji", "--weights", WEIGHTS, "--run", &out];
    refused(&emoji, "mae/config.json");
}
