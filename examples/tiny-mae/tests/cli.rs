//! The program as its user meets it: what it says when something is wrong, and that it goes on.

use std::path::Path;
use std::process::{Command, Output};

use burn_patch::embed::EMBEDDINGS;
use support::reducers;
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tiny-mae"))
        .args(args)
        .output()
        .expect("the program starts")
}

/// The program fails with code 1 and one line that holds `parts`, and without a backtrace.
fn assert_refused(args: &[&str], parts: &[&str]) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{args:?}: expected '{part}' in: {text}"
        );
    }
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    (folder, path)
}

#[test]
fn unknown_names_list_the_known_ones() {
    let output = run(&["--backend", "tpu"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("unknown backend 'tpu'"), "{text}");
    let known = "flex, ndarray, wgpu, tch, tch-cuda, cuda";
    assert!(text.contains(known), "{text}");
    let output = run(&["--embed", "round"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("'round'"), "{text}");
    for embedding in EMBEDDINGS {
        assert!(text.contains(embedding.name), "{text}");
    }
}

/// Names of one catalogue are not those of the other: `--embed` refuses a reducer, `--reduce` an embedding, and each
/// says which option takes it.
#[test]
fn a_reducer_is_no_embedding_nor_the_other_way_round() {
    for (args, answer) in [
        (
            ["--embed", "query-pool"],
            "'query-pool' is a reducer: use --reduce query-pool",
        ),
        (
            ["--reduce", "overlap"],
            "'overlap' is an embedding: use --embed overlap",
        ),
    ] {
        let output = run(&args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(answer), "{text}");
    }
    let output = run(&["--reduce", "round"]);
    let text = String::from_utf8_lossy(&output.stderr);
    for reducer in reducers() {
        assert!(text.contains(reducer.name), "{text}");
    }
}

#[test]
fn a_reduced_vit_trains_and_says_so_and_a_reduced_mae_is_refused() {
    let (_keep, out) = folder();
    let base = ["--quick", "--epochs", "1", "--out", &out];
    let reduced = [&base[..], &["--reduce", "query-pool"]].concat();
    assert_refused(
        &reduced,
        &["'linear'", "reducer 'query-pool'", "--task vit"],
    );
    let output = run(&[&reduced[..], &["--task", "vit"]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("embedding linear, positions learned, reducer query-pool"),
        "{text}"
    );
    let metrics = std::fs::read_to_string(Path::new(&out).join("metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics["embedding"], "linear");
    assert_eq!(metrics["reducer"], "query-pool");
    assert_refused(
        &[&base[..], &["--task", "vit", "--resume"]].concat(),
        &["expected reducer query-pool, got none"],
    );
}

#[test]
fn help_says_what_each_embedding_and_reducer_does() {
    let output = run(&["--help"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.starts_with("Pre-train"),
        "{text}"
    );
    for entry in EMBEDDINGS.iter().chain(reducers()) {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("- {}:", entry.name)));
        let line = line.unwrap_or_else(|| panic!("{}: {text}", entry.name));
        assert!(line.contains(entry.summary), "{line}");
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    assert_refused(
        &["--backend", "cuda"],
        &["'cuda' is not compiled in", "--features cuda"],
    );
}

#[cfg(not(feature = "remote"))]
#[test]
fn devices_of_other_processes_name_the_feature_that_reaches_and_serves_them() {
    for args in [
        &["--devices", "remote:localhost:3000,flex"][..],
        &["serve", "--port", "3000"],
    ] {
        assert_refused(args, &["not compiled in", "--features remote"]);
    }
}

/// A picture in a file, whatever the file is called.
fn picture(path: &Path) {
    std::fs::create_dir_all(path.parent().expect("a folder")).unwrap();
    let grey = image::RgbImage::from_pixel(9, 7, image::Rgb([90; 3]));
    grey.save_with_format(path, image::ImageFormat::Png)
        .unwrap();
}

#[test]
fn what_a_folder_holds_is_read_or_counted() {
    let (_keep, data) = folder();
    for index in 0..20 {
        let class = ["cats", "dogs/young"][index % 2];
        picture(&Path::new(&data).join(format!("train/{class}/{index}.JPEG")));
    }
    picture(&Path::new(&data).join("val/dogs/0.png"));
    picture(&Path::new(&data).join("val/owls/0.png"));
    std::fs::write(Path::new(&data).join("train/cats/notes.txt"), "words").unwrap();
    std::fs::write(
        Path::new(&data).join("train/cats/cut.jpg"),
        [0xff, 0xd8, 0xff, 0xe0],
    )
    .unwrap();
    picture(&Path::new(&data).join("train/.ipynb_checkpoints/0.png"));
    let (_keep, out) = folder();
    let base = [
        "--data", &data, "--task", "vit", "--epochs", "1", "--out", &out,
    ];
    let stopped = run(&base);
    let text = String::from_utf8_lossy(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(1), "{text}");
    assert!(text.contains("cut.jpg: cut short"), "{text}");

    let skipped = run(&[&base[..], &["--on-bad-picture", "skip"]].concat());
    let text = String::from_utf8_lossy(&skipped.stdout);
    assert!(skipped.status.success(), "{text}");
    for part in [
        "21 pictures of 2 classes; left out: 1 cut short, 1 not a picture, 1 of a class without training pictures",
        "20 training and 1 held-out pictures of 3×32×32",
        "2 classes: cats, dogs",
    ] {
        assert!(text.contains(part), "expected '{part}' in: {text}");
    }
}

#[test]
fn missing_empty_and_truncated_data_are_refused() {
    let (_keep, empty) = folder();
    let missing = format!("{empty}/nowhere");
    assert_refused(&["--data", &missing], &["does not exist", "nowhere"]);
    assert_refused(
        &["--data", &empty],
        &["not usable", "expected folders of pictures"],
    );
    picture(&Path::new(&empty).join("cats/0.png"));
    let output = run(&["--data", &empty]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("at least 10 pictures to train with, got 1"),
        "{text}"
    );

    let (_keep, idx) = folder();
    for name in ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] {
        std::fs::write(Path::new(&idx).join(name), b"\x1f\x8b\x08").unwrap();
    }
    assert_refused(&["--data", &idx], &["train-images", "truncated"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused_before_training() {
    let (_keep, path) = folder();
    let file = format!("{path}/file");
    std::fs::write(&file, b"").unwrap();
    assert_refused(&["--out", &file], &["cannot be written", "file"]);
}

#[test]
fn nothing_to_resume_is_refused() {
    let (_keep, out) = folder();
    assert_refused(&["--resume", "--out", &out], &["no run under"]);
}

/// A complete run, then another that is stopped after its first phase: resuming must not take the first
/// run's classifiers for the second's.
#[test]
fn a_fresh_run_forgets_the_checkpoints_before_it() {
    let (_keep, out) = folder();
    let base = ["--quick", "--epochs", "1", "--batch", "128", "--out", &out];
    assert!(run(&base).status.success());
    let mae = run(&[&base[..], &["--task", "mae"]].concat());
    assert!(mae.status.success());
    let resumed = run(&[&base[..], &["--resume"]].concat());
    let text = String::from_utf8_lossy(&resumed.stdout);
    assert!(
        resumed.status.success(),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
    assert!(
        text.contains("mae: all 1 epochs are there already"),
        "{text}"
    );
    assert!(text.contains("scratch epoch 1/1"), "{text}");
}

#[test]
fn a_run_stops_goes_on_and_refuses_another_models_checkpoint() {
    let (_keep, out) = folder();
    let base = ["--quick", "--task", "vit", "--out", &out];
    let first = run(&[&base[..], &["--epochs", "1"]].concat());
    assert!(
        first.status.success(),
        "{}",
        String::from_utf8_lossy(&first.stderr)
    );

    let second = run(&[&base[..], &["--epochs", "2", "--resume"]].concat());
    let text = String::from_utf8_lossy(&second.stdout);
    assert!(
        second.status.success(),
        "{}",
        String::from_utf8_lossy(&second.stderr)
    );
    assert!(
        text.contains("epoch 2/2") && !text.contains("epoch 1/2"),
        "{text}"
    );
    let metrics = std::fs::read_to_string(Path::new(&out).join("metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(
        metrics["scratch"]["train_loss"].as_array().unwrap().len(),
        2
    );
    assert!(metrics["test_accuracy_scratch"].as_f64().unwrap() > 0.2);

    assert_refused(
        &[
            &base[..],
            &["--epochs", "3", "--resume", "--embed", "overlap"],
        ]
        .concat(),
        &["expected embedding linear, got overlap"],
    );
}
