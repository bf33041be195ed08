//! The program as its user meets it: what it leaves behind, and what it says when something is wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare-embeddings"))
        .args(args)
        .output()
        .expect("the program starts")
}

/// The program ends with code 1, or 2 where the command line is wrong, and a message that holds `parts`, without a
/// backtrace.
fn assert_refused(code: i32, args: &[&str], parts: &[&str]) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{args:?}: expected '{part}' in: {text}"
        );
    }
    assert!(!text.contains("backtrace"), "{args:?}: {text}");
}

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    (folder, path)
}

/// 80 pictures of noise that four classes say nothing about: accuracy then tells one training from another.
fn pictures(folder: &str) {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for class in ["a", "b", "c", "d"] {
        let class = Path::new(folder).join(class);
        std::fs::create_dir(&class).unwrap();
        for index in 0..20 {
            let picture = RgbImage::from_fn(8, 8, |_, _| Rgb([noise(), noise(), noise()]));
            picture.save(class.join(format!("{index}.png"))).unwrap();
        }
    }
}

fn table(out: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(out).join("table.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_embedding_gets_a_row_of_numbers_and_a_place_in_the_plot() {
    let (_keep, data) = folder();
    pictures(&data);
    let (_keep, out) = folder();
    let names = ["linear", "overlap"];
    let base = ["--quick", "--seeds", "2", "--batch", "8"];
    let chosen = ["--embeddings", "overlap,linear,overlap"];
    let places = ["--data", &data, "--out", &out];
    let output = run(&[&base[..], &chosen, &places].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    for name in names {
        let lines = text.matches(&format!("{name}: accuracy")).count();
        assert_eq!(lines, 1, "{text}");
    }

    let table = table(&out);
    assert_eq!(table["settings"]["training_pictures"], 64);
    let rows = table["rows"].as_array().unwrap();
    assert_eq!(rows.len(), names.len());
    for row in rows {
        assert!(names.contains(&row["name"].as_str().unwrap()), "{row}");
        for key in [
            "accuracy",
            "accuracy_deviation",
            "own_parameters",
            "parameters",
            "tokens",
            "training_images_per_second",
            "inference_images_per_second",
            "seconds",
        ] {
            let value = row[key].as_f64();
            assert!(
                value.is_some_and(|value| value.is_finite() && value >= 0.0),
                "{key}: {row}"
            );
        }
        assert_eq!(row["tokens"], 64, "{row}");
        let parameters = |key: &str| row[key].as_u64().unwrap();
        assert!(
            parameters("parameters") > parameters("own_parameters"),
            "{row}"
        );
    }
    let accuracy = |index: usize| rows[index]["accuracy"].as_f64().unwrap();
    assert!(accuracy(0) >= accuracy(1), "{table}");

    let markdown = std::fs::read_to_string(Path::new(&out).join("table.md")).unwrap();
    for name in names {
        assert!(markdown.contains(&format!("| `{name}` |")), "{markdown}");
    }
    let plot = image::open(Path::new(&out).join("plot.png")).unwrap();
    assert!(plot.width() > 600);
}

#[test]
fn the_same_seed_gives_the_same_accuracy_whatever_came_before() {
    let (_keep, data) = folder();
    pictures(&data);
    let accuracy = |names: &str| {
        let (_keep, out) = folder();
        let base = ["--quick", "--seeds", "3", "--batch", "8"];
        let rest = ["--data", &data, "--out", &out, "--embeddings", names];
        assert!(run(&[&base[..], &rest].concat()).status.success());
        let rows = table(&out)["rows"].as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row["name"] == "linear");
        row.unwrap()["accuracy"].as_f64().unwrap()
    };
    assert_eq!(accuracy("linear"), accuracy("overlap,linear"));
}

#[test]
fn unknown_names_list_the_known_ones() {
    assert_refused(
        2,
        &["--embeddings", "linear,round"],
        &["'round'", "linear", "overlap"],
    );
    assert_refused(
        2,
        &["--backend", "tpu"],
        &[
            "unknown backend 'tpu'",
            "flex, ndarray, wgpu, tch, tch-cuda, cuda",
        ],
    );
}

#[test]
fn nothing_to_train_on_or_for_is_refused() {
    assert_refused(2, &["--epochs", "0"], &["'0'", "--epochs", "1.."]);
    assert_refused(2, &["--seeds", "0"], &["'0'", "--seeds", "1.."]);
    assert_refused(1, &["--data", "nowhere"], &["nowhere", "does not exist"]);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused_before_training() {
    let (_keep, path) = folder();
    let file = format!("{path}/file");
    std::fs::write(&file, b"").unwrap();
    assert_refused(1, &["--out", &file], &["cannot be written", "file"]);
}

#[test]
fn files_of_others_are_not_written_over() {
    let (_keep, out) = folder();
    let path = Path::new(&out).join("table.md");
    std::fs::write(&path, "mine").unwrap();
    let parts = ["table.md", "was not made by compare-embeddings"];
    assert_refused(1, &["--quick", "--out", &out], &parts);
    assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
}

/// Stopped by a signal after its first row, which stays in the table; nobody reads its lines from then on.
#[test]
fn a_signal_ends_the_comparison_and_keeps_its_rows() {
    let (_keep, data) = folder();
    pictures(&data);
    let (_keep, out) = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_compare-embeddings"))
        .args([
            "--epochs", "5", "--batch", "8", "--data", &data, "--out", &out,
        ])
        .args(["--embeddings", "linear,overlap,dct"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("linear: accuracy")));
    drop(lines);
    while !Path::new(&out).join("plot.png").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{errors}");
    assert!(
        errors.contains("stopped by SIGTERM; the embeddings above are in the table"),
        "{errors}"
    );
    assert_eq!(table(&out)["rows"].as_array().unwrap().len(), 1);
}
