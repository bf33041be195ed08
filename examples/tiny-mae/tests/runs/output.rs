//! Nobody listens, nothing can be written, and what files look like.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Place, assert_one_line, files, text, wait_for};

const BASE: [&str; 2] = ["--epochs", "2"];

#[test]
fn a_pipe_that_is_closed_stops_nothing() {
    let place = Place::new();
    let mut child = place
        .command("out", &BASE)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(wait_for(&mut child, "data: "));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "it hangs");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    assert!(place.path("out/metrics.json").exists());
    place.succeeds("both", &BASE);
    assert_eq!(place.results("out"), place.results("both"));
}

#[test]
fn a_full_disk_behind_standard_output_stops_nothing() {
    let place = Place::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = place.command("out", &BASE).stdout(full).status().unwrap();
    assert!(status.success(), "{status}");
    assert!(place.path("out/metrics.json").exists());
}

/// No file may be longer than a checkpoint is.
#[test]
fn a_file_that_cannot_be_written_is_one_line_and_what_was_there_stays() {
    let place = Place::new();
    place.succeeds("out", &BASE);
    let run = |blocks: &str, args: &[&str]| {
        let inner = place.command("out", args);
        Command::new("sh")
            .args(["-c", &format!("ulimit -f {blocks}; exec \"$@\""), "sh"])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(place.path(""))
            .output()
            .unwrap()
    };
    let longer = ["--epochs", "3", "--resume"];
    let before = files(&place.path("out"));
    let output = run("300", &longer);
    assert_one_line(
        &output,
        1,
        &["epoch-3.", ".bpk cannot be written", "File too large"],
    );
    let text = text(&output.stdout);
    assert!(text.contains("mae: going on after epoch 2"), "{text}");
    assert_eq!(files(&place.path("out")), before);
    // No checkpoint is to be written, and the models are too long.
    let output = run("300", &["--epochs", "2", "--resume"]);
    assert_one_line(&output, 1, &["mae/model.safetensors cannot be written"]);
    assert_eq!(files(&place.path("out")), before);
    place.succeeds("out", &longer);
}

#[test]
fn files_have_the_permissions_of_the_umask() {
    let place = Place::new();
    let inner = place.command("out", &["--epochs", "1"]);
    let output = Command::new("sh")
        .args(["-c", "umask 027; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found = files(&place.path("out"));
    assert!(
        found
            .iter()
            .any(|file| file.ends_with("mae/model.safetensors"))
    );
    for file in found {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{}", file.display());
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let place = Place::new();
    for (args, part) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--epochs", "0"], "--epochs"),
        (&["--embed", "round"], "round"),
        (&["--learning-rate=0"], "above 0"),
        (&["--learning-rate=1.5"], "at most 1"),
        (&["--backend", "tpu"], "unknown backend"),
        (&["--dataset", "emoji"], "cannot be used with"),
        (&["predict"], "predict"),
    ] {
        let output = place.run("out", args);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(part), "{args:?}: {errors}");
    }
}
