//! Only what is the program's own is written over or deleted, by one run at a time.

use std::fs;

use crate::program::{Place, files, wait_for};

const BASE: [&str; 4] = ["--task", "mae", "--epochs", "1"];

#[test]
fn what_others_made_stays() {
    for (name, content) in [
        ("runs/run.json", r#"{"name": "another program's run"}"#),
        ("runs/notes.txt", "mine"),
        ("metrics.json", "{}"),
        ("curves.png", "mine"),
        ("reconstructions.png", "mine"),
        ("mae/weights.txt", "mine"),
    ] {
        let place = Place::new();
        let path = place.path("out").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let top = name.split('/').next().unwrap();
        place.fails("out", &BASE, 1, &[top, "was not made by tiny-mae", "--out"]);
        assert_eq!(files(&place.path("out")), std::slice::from_ref(&path));
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
}

/// What is put among the files of a run is never deleted with them.
#[test]
fn a_fresh_run_deletes_the_old_one_and_nothing_else() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let old = fs::read(place.path("out/runs/run.json")).unwrap();
    for name in ["out/runs/notes.txt", "out/runs/mae/notes.txt"] {
        let notes = place.path(name);
        fs::write(&notes, "mine").unwrap();
        place.fails("out", &BASE, 1, &["notes.txt", "was not made by"]);
        assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
        assert!(place.path("out/runs/mae/epoch-1.json").exists());
        fs::remove_file(notes).unwrap();
    }
    fs::write(place.path("out/notes.txt"), "mine").unwrap();
    place.succeeds("out", &[&BASE[..], &["--seed", "1"]].concat());
    assert_ne!(fs::read(place.path("out/runs/run.json")).unwrap(), old);
    assert_eq!(
        fs::read_to_string(place.path("out/notes.txt")).unwrap(),
        "mine"
    );
    assert!(!place.path("out/runs.old").exists());
}

/// As left by a kill between renaming the old run away and moving the new one into place.
#[test]
fn a_run_that_was_being_cleared_is_never_resumed() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    fs::rename(place.path("out/runs"), place.path("out/runs.old")).unwrap();
    place.fails(
        "out",
        &[&BASE[..], &["--resume"]].concat(),
        1,
        &["no run under"],
    );
    place.succeeds("out", &[&BASE[..], &["--seed", "1"]].concat());
    assert!(!place.path("out/runs.old").exists());
}

#[test]
fn two_runs_do_not_share_a_folder() {
    let place = Place::new();
    let long = ["--epochs", "2000"];
    let mut first = place.command("out", &long).spawn().unwrap();
    let lines = wait_for(&mut first, "mae epoch 1/");
    for resume in [&[][..], &["--resume"]] {
        let args = [&long[..], resume].concat();
        place.fails("out", &args, 1, &["another run writes into out"]);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    drop(lines);
    // A lock goes with its process, however that ends.
    place.succeeds("out", &BASE);
}
