//! Every small program runs and says what its header promises, trained for a few steps only.

use std::process::Command;

/// Steps and pictures that show that a program runs.
const FEW: &[&str] = &["--steps", "3", "--pictures", "64"];

/// What the program at `path` prints.
fn output(path: &str, args: &[&str]) -> String {
    let output = Command::new(path).args(args).output();
    let output = output.expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_model_runs_with_other_patch_sizes() {
    let text = output(env!("CARGO_BIN_EXE_change_patch_size"), FEW);
    assert_eq!(text.matches("accuracy 0.").count(), 5, "{text}");
}

#[test]
fn positions_are_refused_and_then_resized_by_three_profiles() {
    let text = output(env!("CARGO_BIN_EXE_resize_positions"), FEW);
    assert!(text.contains("cannot place [1, 10, 10]"), "{text}");
    assert_eq!(
        text.matches("cosine of the features 0.").count(),
        3,
        "{text}"
    );
}

#[test]
fn merged_regions_are_drawn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("merged.png");
    let out = path.to_str().expect("UTF-8");
    let text = output(env!("CARGO_BIN_EXE_merge_tokens"), &["--out", out]);
    assert!(text.contains("[1536, 1366, "), "{text}");
    let drawn = image::open(&path).expect("a PNG").into_rgb8();
    assert_eq!(drawn.dimensions(), (2 * 768 + 12, 512));
}

#[test]
fn packed_pictures_have_the_logits_of_each_alone() {
    let text = output(env!("CARGO_BIN_EXE_pack_pictures"), &[]);
    assert!(text.contains("as one by one, to 1e-5: true"), "{text}");
}

#[test]
fn an_embedding_trains_in_a_model_of_ones_own() {
    let text = output(env!("CARGO_BIN_EXE_embedding_alone"), FEW);
    assert!(text.contains("49 patches"), "{text}");
    assert!(text.contains("accuracy 0."), "{text}");
}

#[test]
fn an_imported_encoder_is_fine_tuned() {
    let weights = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/checkpoints/hf_vit"
    );
    let args = [&["--weights", weights], FEW].concat();
    let text = output(env!("CARGO_BIN_EXE_fine_tune"), &args);
    assert_eq!(text.matches("accuracy 0.").count(), 2, "{text}");
}

#[test]
fn an_imported_encoder_is_adapted_and_merged() {
    let weights = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/checkpoints/hf_vit"
    );
    let args = [&["--weights", weights], FEW].concat();
    let text = output(env!("CARGO_BIN_EXE_lora"), &args);
    let accuracies: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": accuracy "))
        .map(|(_, accuracy)| accuracy)
        .collect();
    assert_eq!(accuracies.len(), 2, "{text}");
    assert_eq!(accuracies[0], accuracies[1], "{text}");
}
