//! A run that was killed goes on as if it had not been.

use std::fs;

use burn_patch::ops::backends::compiled;

use crate::program::{Place, wait_for};

const BASE: [&str; 4] = ["--epochs", "4", "--batch", "16"];
const MODELS: [&str; 3] = ["mae", "vit-finetuned", "vit-scratch"];

/// Killed with SIGKILL when a line is seen, then resumed: losses, accuracies and every tensor are those of a run that
/// was never killed, to the last digit.
#[test]
fn killed_anywhere_a_run_comes_to_the_same_digits() {
    for backend in compiled().filter(|backend| ["flex", "ndarray"].contains(&backend.name)) {
        let place = Place::new();
        let args = [&BASE[..], &["--backend", backend.name]].concat();
        place.succeeds("whole", &args);
        for (kill, line) in [
            "3 classes",
            "mae epoch 1/4",
            "mae epoch 4/4",
            "finetuned epoch 1/2",
            "scratch epoch 1/2",
        ]
        .into_iter()
        .enumerate()
        {
            let out = format!("killed-{kill}");
            let mut child = place.command(&out, &args).spawn().unwrap();
            drop(wait_for(&mut child, line));
            child.kill().unwrap();
            child.wait().unwrap();
            place.succeeds(&out, &[&args[..], &["--resume"]].concat());
            assert_eq!(place.results(&out), place.results("whole"), "{line}");
            for model in MODELS {
                let read = |out: &str| {
                    fs::read(place.path(&format!("{out}/{model}/model.safetensors"))).unwrap()
                };
                assert!(read(&out) == read("whole"), "{line}: {model} differs");
            }
        }
    }
}

/// Killed again and again, at no particular moment.
#[test]
fn killed_many_times_a_run_comes_to_the_same_digits() {
    let place = Place::new();
    place.succeeds("whole", &BASE);
    let resume = [&BASE[..], &["--resume"]].concat();
    let mut args = BASE.to_vec();
    for kill in 0..12 {
        let mut child = place.command("killed", &args).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(150 + 37 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        // Killed before the run had a folder, there is nothing to resume.
        if place.path("killed/runs/run.json").exists() {
            args = resume.clone();
        }
    }
    place.succeeds("killed", &args);
    assert_eq!(place.results("killed"), place.results("whole"));
}

#[test]
fn a_longer_mae_is_fine_tuned_anew() {
    let place = Place::new();
    place.succeeds("out", &["--epochs", "1"]);
    let before = place.results("out");
    let text = place.succeeds("out", &["--epochs", "2", "--resume"]);
    assert!(text.contains("mae: going on after epoch 1"), "{text}");
    assert!(
        text.contains("the model that it started from has changed"),
        "{text}"
    );
    assert!(text.contains("finetuned epoch 1/1"), "{text}");
    assert!(
        text.contains("scratch: all 1 epochs are there already"),
        "{text}"
    );
    let after = place.results("out");
    assert_ne!(before["finetuned"], after["finetuned"]);
    assert_eq!(before["scratch"], after["scratch"]);
}

#[test]
fn a_run_of_other_settings_or_data_is_not_resumed() {
    let place = Place::new();
    let base = ["--task", "vit", "--epochs", "1"];
    place.succeeds("out", &base);
    for (other, parts) in [
        (&["--seed", "1"][..], &["expected seed 0, got 1"][..]),
        (&["--batch", "7"], &["expected batch 64, got 7"]),
        (
            &["--embed", "overlap"],
            &["expected embedding linear, got overlap"],
        ),
        (&["--learning-rate", "1e-4"], &["learning rate", "0.0001"]),
    ] {
        place.fails("out", &[&base[..], other, &["--resume"]].concat(), 1, parts);
    }
    place.write_part("t10k", crate::program::TEST, 3);
    place.fails(
        "out",
        &[&base[..], &["--resume"]].concat(),
        1,
        &["expected data "],
    );
}

/// Moving the pictures does not make them others.
#[test]
fn data_is_known_by_its_content_not_by_its_place() {
    let place = Place::new();
    let base = ["--task", "vit", "--epochs", "1"];
    place.succeeds("out", &base);
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    fs::create_dir(place.path("data")).unwrap();
    for file in crate::program::files(&place.path("moved")) {
        fs::copy(&file, place.path("data").join(file.file_name().unwrap())).unwrap();
    }
    let text = place.succeeds("out", &[&base[..], &["--resume"]].concat());
    assert!(text.contains("all 1 epochs are there already"), "{text}");
}
