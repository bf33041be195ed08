//! Checkpoints and logs that are not what they were.

use std::fs;
use std::path::Path;

use crate::program::{Place, files};

const BASE: [&str; 6] = ["--task", "vit", "--epochs", "8", "--batch", "16"];

fn resume(place: &Place) -> String {
    place.succeeds("out", &[&BASE[..], &["--resume"]].concat())
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn empty(path: &Path) {
    fs::write(path, b"").unwrap();
}

fn delete(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// Each file of the newest checkpoint, damaged in each way: it is named with the reason before any training, the
/// checkpoint before it is taken, and the results are the same.
#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_it_taken() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let whole = place.results("out");
    for name in ["model.bpk", "optimizer.bpk", "schedule.bpk", "json"] {
        for (how, why) in [
            (cut as fn(&Path), "cut short"),
            (flip, "damaged"),
            (empty, "cut short"),
            (delete, "missing"),
        ] {
            let file = format!("epoch-3.{name}");
            how(&place.path("out/runs/scratch").join(&file));
            let text = resume(&place);
            let line = text.lines().find(|line| line.contains(&file));
            let line = line.unwrap_or_else(|| panic!("{file}: {text}"));
            // A flipped bit in JSON may look like anything.
            assert!(line.contains(why) || name == "json", "{line}");
            assert!(text.contains("scratch: going on after epoch 2"), "{text}");
            assert!(text.contains("scratch epoch 3/3"), "{text}");
            assert_eq!(place.results("out"), whole, "{file}");
        }
    }
}

#[test]
fn if_every_checkpoint_is_damaged_the_training_starts_anew() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let whole = place.results("out");
    for file in files(&place.path("out/runs/scratch")) {
        flip(&file);
    }
    let text = resume(&place);
    assert!(text.contains("scratch epoch 1/3"), "{text}");
    assert_eq!(place.results("out"), whole);
}

/// A whole checkpoint of another run, copied over this one's.
#[test]
fn a_checkpoint_of_another_run_does_not_count() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let whole = place.results("out");
    place.succeeds("other", &[&BASE[..], &["--seed", "1"]].concat());
    for file in files(&place.path("other/runs/scratch")) {
        let name = file.file_name().unwrap();
        fs::copy(&file, place.path("out/runs/scratch").join(name)).unwrap();
    }
    let text = resume(&place);
    assert!(
        text.contains("epoch-3.json does not count: of another run"),
        "{text}"
    );
    assert_eq!(place.results("out"), whole);
}

#[test]
fn leftovers_of_killed_runs_and_old_checkpoints_go() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let kept = files(&place.path("out/runs"));
    let name = |file: &std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        kept.iter().all(|file| !name(file).starts_with("epoch-1.")),
        "{kept:?}"
    );
    let folder = place.path("out/runs/scratch");
    fs::write(folder.join("epoch-4.model.bpk.tmp"), "half").unwrap();
    fs::write(folder.join("epoch-9.optimizer.bpk"), "no manifest").unwrap();
    let text = resume(&place);
    assert!(text.contains("all 3 epochs are there already"), "{text}");
    assert_eq!(files(&place.path("out/runs")), kept);
}

#[test]
fn a_damaged_note_of_the_run_is_written_anew() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let note = place.path("out/runs/run.json");
    let before = fs::read(&note).unwrap();
    cut(&note);
    let text = resume(&place);
    assert!(text.contains("run.json is damaged"), "{text}");
    assert!(text.contains("all 3 epochs are there already"), "{text}");
    assert_eq!(fs::read(&note).unwrap(), before);
}

/// With other settings, by mistake, the checkpoints of a run whose note is damaged would not count, and go.
#[test]
fn a_damaged_note_does_not_give_a_run_to_other_settings() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    cut(&place.path("out/runs/run.json"));
    let before = files(&place.path("out"));
    place.fails(
        "out",
        &[&BASE[..], &["--resume", "--seed", "1"]].concat(),
        1,
        &["run.json is damaged, and the checkpoints are of other settings or data"],
    );
    assert_eq!(files(&place.path("out")), before);
    let text = resume(&place);
    assert!(text.contains("all 3 epochs are there already"), "{text}");
}

/// A folder in a file's place cannot be read, as a file on a failing disk cannot.
#[test]
fn what_cannot_be_read_is_not_deleted() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let part = place.path("out/runs/scratch/epoch-3.optimizer.bpk");
    fs::rename(&part, place.path("kept")).unwrap();
    fs::create_dir(&part).unwrap();
    let before = files(&place.path("out"));
    place.fails(
        "out",
        &[&BASE[..], &["--resume"]].concat(),
        1,
        &["epoch-3.optimizer.bpk is not readable: "],
    );
    assert_eq!(files(&place.path("out")), before);
    fs::remove_dir(&part).unwrap();
    fs::rename(place.path("kept"), &part).unwrap();
    let text = resume(&place);
    assert!(text.contains("all 3 epochs are there already"), "{text}");
}
