//! The program on a data set so small that an epoch takes a moment.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// Sides of the pictures in pixels.
pub(crate) const SIDE: usize = 8;
pub(crate) const TRAIN: usize = 50;
pub(crate) const TEST: usize = 30;

/// A folder with data and room for results.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With data of three classes.
    pub(crate) fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::create_dir(place.path("data")).unwrap();
        place.write_part("train", TRAIN, 1);
        place.write_part("t10k", TEST, 2);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Pictures of three kinds of stripes under noise.
    pub(crate) fn write_part(&self, part: &str, count: usize, seed: u64) {
        let mut state = seed;
        let mut noise = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 57) as u8
        };
        let mut pixels = Vec::new();
        for index in 0..count {
            for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
                let bright = [x % 2 == 0, y % 2 == 0, (x + y) % 4 < 2][index % 3];
                pixels.push(if bright { 100 } else { 0 } + noise());
            }
        }
        let header = |magic: u32, sides: &[usize]| {
            let words = [magic]
                .into_iter()
                .chain(sides.iter().map(|side| *side as u32));
            words.flat_map(u32::to_be_bytes).collect::<Vec<u8>>()
        };
        let images = [header(0x803, &[count, SIDE, SIDE]), pixels].concat();
        let labels = (0..count).map(|index| (index % 3) as u8).collect();
        let labels = [header(0x801, &[count]), labels].concat();
        for (kind, bytes) in [("images-idx3", images), ("labels-idx1", labels)] {
            let path = self.path(&format!("data/{part}-{kind}-ubyte.gz"));
            let mut file = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
            file.write_all(&bytes).unwrap();
            file.finish().unwrap();
        }
    }

    /// The program on this data, writing into `out`.
    pub(crate) fn command(&self, out: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiny-mae"));
        command
            .current_dir(self.folder.path())
            .args(["--data", "data", "--out", out])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, out: &str, args: &[&str]) -> Output {
        self.command(out, args)
            .output()
            .expect("the program starts")
    }

    /// The run succeeds; what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self, out: &str, args: &[&str]) -> String {
        let output = self.run(out, args);
        let (text, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{args:?}: {text}{errors}");
        text
    }

    /// The run ends with `code` and one line on standard error that holds `parts`.
    #[track_caller]
    pub(crate) fn fails(&self, out: &str, args: &[&str], code: i32, parts: &[&str]) -> String {
        let output = self.run(out, args);
        assert_one_line(&output, code, parts);
        text(&output.stdout)
    }

    /// Everything of metrics.json that does not tell the time.
    pub(crate) fn results(&self, out: &str) -> serde_json::Value {
        let mut metrics = self.json(&format!("{out}/metrics.json"));
        let metrics = metrics.as_object_mut().unwrap();
        metrics.retain(|name, _| !name.contains("second"));
        metrics.clone().into()
    }

    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        let bytes = fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::from_slice(&bytes).unwrap()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub(crate) fn assert_one_line(output: &Output, code: i32, parts: &[&str]) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for part in parts {
        assert!(errors.contains(part), "expected '{part}' in: {errors}");
    }
}

/// Reads lines until one holds `part`.
#[track_caller]
pub(crate) fn wait_for(child: &mut Child, part: &str) -> BufReader<ChildStdout> {
    wait_for_any(child, &[part]).1
}

/// Reads lines until one holds one of `parts`: that line, and what follows.
#[track_caller]
pub(crate) fn wait_for_any(child: &mut Child, parts: &[&str]) -> (String, BufReader<ChildStdout>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !parts.iter().any(|part| line.contains(part)) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "none of {parts:?}");
    }
    (line, lines)
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(status.expect("kill").success());
}

/// Every file below `folder`, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
