//! Ctrl-C, signals and the terminal view's stop.

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Place, assert_one_line, signal, wait_for, wait_for_any};

const LONG: [&str; 4] = ["--epochs", "2000", "--batch", "8"];

#[test]
fn signals_end_the_program_with_their_code_and_a_word_on_how_to_go_on() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let place = Place::new();
        let mut child = place.command("out", &LONG).spawn().unwrap();
        let mut rest = wait_for(&mut child, "mae epoch 1/2000");
        signal(&child, name);
        let mut lines = String::new();
        rest.read_to_string(&mut lines).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_one_line(
            &output,
            code,
            &[&format!("stopped by SIG{name}"), "--resume"],
        );
        assert!(!lines.contains("finetuned"), "{lines}");
        assert!(!place.path("out/metrics.json").exists());
        assert!(!place.path("out/mae").exists());
        // It goes on where it was, and is stopped again.
        let mut child = place
            .command("out", &[&LONG[..], &["--resume"]].concat())
            .spawn()
            .unwrap();
        let rest = goes_on(&mut child);
        signal(&child, name);
        drop(rest);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn an_epoch_that_was_reported_is_kept() {
    for _ in 0..5 {
        let place = Place::new();
        let mut child = place.command("out", &LONG).spawn().unwrap();
        let rest = wait_for(&mut child, "mae epoch 1/2000");
        child.kill().unwrap();
        drop(rest);
        child.wait().unwrap();
        let resume = [&LONG[..], &["--resume"]].concat();
        let mut child = place.command("out", &resume).spawn().unwrap();
        drop(goes_on(&mut child));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Reads lines until the run goes on where it was; it must not start anew.
#[track_caller]
fn goes_on(child: &mut Child) -> BufReader<ChildStdout> {
    let (line, rest) = wait_for_any(child, &["mae: going on after epoch", "mae epoch "]);
    assert!(line.contains("going on"), "{line}");
    rest
}

/// The program in a terminal, which util-linux's `script` makes; `keys` are sent once the view is there. Its code and
/// all that it wrote.
fn in_a_terminal(
    place: &Place,
    [term, no_color]: [&str; 2],
    args: &[&str],
    keys: &[&[u8]],
) -> (i32, String) {
    let inner = place.command("out", args);
    let words = inner.get_args().map(|word| word.to_str().unwrap());
    let line = [env!("CARGO_BIN_EXE_tiny-mae")].into_iter().chain(words);
    let line = line.collect::<Vec<_>>().join(" ");
    let mut child = Command::new("script")
        .args(["-qefc", &line, "/dev/null"])
        .current_dir(place.path(""))
        .env("TERM", term)
        .env("NO_COLOR", no_color)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux");
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        output.read_to_end(&mut all).unwrap();
        String::from_utf8_lossy(&all).into_owned()
    });
    let start = Instant::now();
    while !place.path("out/runs/mae/epoch-2.json").exists() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "no second epoch");
        std::thread::sleep(Duration::from_millis(20));
    }
    for key in keys {
        std::thread::sleep(Duration::from_millis(400));
        let _ = input.write_all(key).and_then(|()| input.flush());
    }
    let code = child.wait().unwrap().code().unwrap();
    drop(input);
    (code, reader.join().unwrap())
}

/// Closes the view.
const CLOSE: &str = "\u{1b}[?1049l";
/// Opens it.
const OPEN: &str = "\u{1b}[?1049h";

#[test]
fn stopping_in_the_terminal_view_is_no_success() {
    for keys in [&[&b"q"[..], b"s"][..], &[b"\x03"], &[b"q", b"k"]] {
        let place = Place::new();
        let (code, text) = in_a_terminal(&place, ["xterm", ""], &LONG, keys);
        assert_eq!(code, 130, "{keys:?}: {text}");
        let (opened, closed) = (text.rfind(OPEN), text.rfind(CLOSE));
        assert!(opened.is_some() && closed > opened, "{text}");
        let told = &text[closed.unwrap()..];
        assert!(told.contains("--resume"), "{keys:?}: {told}");
        assert!(
            !text.contains("NaN") && !text.contains("MAE loss"),
            "{text}"
        );
        assert!(!place.path("out/runs/finetuned").exists());
        assert!(!place.path("out/metrics.json").exists());
    }
}

/// A window that is closed while the view opens, or later. The shell stays to tell the program's code.
#[test]
fn a_terminal_that_goes_ends_the_program_as_sighup_does() {
    for (moment, delay) in [
        ("out/runs", 0),
        ("out/runs", 20),
        ("out/runs/mae/epoch-2.json", 0),
    ] {
        let place = Place::new();
        let inner = place.command("out", &LONG);
        let words = inner.get_args().map(|word| word.to_str().unwrap());
        let line = [env!("CARGO_BIN_EXE_tiny-mae")].into_iter().chain(words);
        let line = line.collect::<Vec<_>>().join(" ");
        let mut child = Command::new("script")
            .args([
                "-qefc",
                &format!("trap '' HUP; {line}; echo $? >code"),
                "/dev/null",
            ])
            .current_dir(place.path(""))
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script, of util-linux");
        wait_until(|| place.path(moment).exists());
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        let code = || std::fs::read_to_string(place.path("code")).unwrap_or_default();
        wait_until(|| code().ends_with('\n'));
        assert_eq!(code().trim(), "129", "{moment} and {delay} ms");
    }
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "it did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_terminal_that_knows_no_view_or_no_colours_gets_lines() {
    let place = Place::new();
    let args = ["--epochs", "3", "--task", "mae"];
    for environment in [["dumb", ""], ["xterm", "1"]] {
        let (code, text) = in_a_terminal(&place, environment, &args, &[]);
        assert_eq!(code, 0, "{text}");
        assert!(
            text.contains("mae epoch 3/3") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
    let (code, text) = in_a_terminal(&place, ["xterm", ""], &args, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains(OPEN) && text.contains(CLOSE), "{text}");
}
