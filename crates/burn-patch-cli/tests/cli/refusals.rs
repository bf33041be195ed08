//! What is refused, and how the program ends.

use std::fs;
use std::process::{Command, Stdio};

use crate::program::{assert_refused, checkpoints, folder, run, text};

#[test]
fn values_that_are_no_numbers_are_refused_by_name() {
    let folder = folder();
    let vit = checkpoints().join("timm_vit");
    let (weights, io) = (vit.join("model.safetensors"), vit.join("io.safetensors"));
    let out = folder.path().join("out.safetensors");
    let spoiled = folder.path().join("nan.safetensors");
    for (file, as_weights) in [(&weights, true), (&io, false)] {
        let mut bytes = fs::read(file).unwrap();
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for value in bytes[header..].as_chunks_mut::<4>().0 {
            *value = f32::NAN.to_le_bytes();
        }
        fs::write(&spoiled, bytes).unwrap();
        fs::copy(vit.join("config.json"), folder.path().join("config.json")).unwrap();
        let [weights, input] = if as_weights {
            [&spoiled, &io]
        } else {
            [&weights, &spoiled]
        };
        let args = ["embed", "--weights", text(weights), "--input", text(input)];
        let args = [&args[..], &["--output", text(&out)]].concat();
        assert_refused(
            &args,
            &["nan.safetensors: ", "expected finite values, got NaN"],
        );
        assert!(!out.exists());
    }
}

#[test]
fn hierarchical_weights_that_are_no_numbers_are_refused() {
    for name in ["timm_swin", "timm_pvt_v2"] {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let source = checkpoints().join(name);
        let mut bytes = fs::read(source.join("model.safetensors")).unwrap();
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
        fs::write(at("odd.safetensors"), bytes).unwrap();
        fs::copy(source.join("config.json"), at("config.json")).unwrap();
        let (odd, out) = (at("odd.safetensors"), at("out.safetensors"));
        let args = ["convert", "--weights", text(&odd), "--output", text(&out)];
        assert_refused(
            &args,
            &["odd.safetensors", "expected finite values, got inf"],
        );
    }
}

/// Says that a file is not usable, and why, before anything is allocated for what it claims.
#[test]
fn hostile_files_are_refused_with_file_and_reason() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read(checkpoints().join("timm_vit/model.safetensors")).unwrap();
    let io = checkpoints().join("timm_vit/io.safetensors");
    let huge = |header: &str| {
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], header.as_bytes()].concat()
    };
    let overflow =
        r#"{"images":{"dtype":"F32","shape":[4294967296,4294967296,9,9],"data_offsets":[0,4]}}"#;
    let beyond = r#"{"images":{"dtype":"F32","shape":[1,3,8,8],"data_offsets":[0,768]}}"#;
    let overlap = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    let twice = r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    for (name, bytes, reason) in [
        (
            "page.safetensors",
            b"<!DOCTYPE html><html></html>".to_vec(),
            "HTML",
        ),
        (
            "cut.safetensors",
            whole[..whole.len() / 2].to_vec(),
            "cut.safetensors: ",
        ),
        (
            "long.safetensors",
            u64::MAX.to_le_bytes().to_vec(),
            "long.safetensors: ",
        ),
        (
            "overflow.safetensors",
            huge(overflow),
            "overflow.safetensors: ",
        ),
        ("beyond.safetensors", huge(beyond), "beyond.safetensors: "),
        ("empty.safetensors", Vec::new(), "empty.safetensors: "),
        (
            "overlap.safetensors",
            [huge(overlap), vec![0; 3]].concat(),
            "overlaps",
        ),
        (
            "twice.safetensors",
            [huge(twice), vec![0; 2]].concat(),
            "twice",
        ),
        ("nested.safetensors", huge(&"[".repeat(100_000)), "header"),
    ] {
        let file = at(name);
        fs::write(&file, bytes).unwrap();
        let out = at("out.safetensors");
        let output = ["--output", text(&out)];
        let as_weights = ["embed", "--weights", text(&file), "--input", text(&io)];
        assert_refused(&[&as_weights[..], &output].concat(), &[name, reason]);
        assert_refused(&["describe", "--weights", text(&file)], &[name, reason]);
        let weights = checkpoints().join("timm_vit/model.safetensors");
        let as_input = ["embed", "--weights", text(&weights), "--input", text(&file)];
        assert_refused(&[&as_input[..], &output].concat(), &[name, reason]);
        assert!(!out.exists(), "{name}");
    }
    assert_refused(
        &["describe", "--weights", "nowhere.safetensors"],
        &["nowhere.safetensors"],
    );
    assert_refused(
        &["describe", "--config", text(&at("page.safetensors"))],
        &["page.safetensors"],
    );
}

#[test]
fn hostile_arrays_are_refused_with_file_and_reason() {
    let folder = folder();
    let array = fs::read(checkpoints().join("flax_augreg/model.npz")).unwrap();
    let changed = |from: &[u8], to: &[u8]| {
        let at = array.windows(from.len()).position(|window| window == from);
        let mut bytes = array.clone();
        bytes[at.unwrap()..][..to.len()].copy_from_slice(to);
        bytes
    };
    for (name, bytes, reason) in [
        ("cut.npz", array[..array.len() - 99].to_vec(), "zip"),
        ("object.npz", changed(b"'<f4'", b"'|O4'"), "type '|O4'"),
        ("order.npz", changed(b": False", b": True "), "Fortran"),
        ("short.npz", changed(b"'<f4'", b"'<f8'"), "bytes of values"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        assert_refused(&["describe", "--weights", text(&file)], &[name, reason]);
    }
}

/// Reading one would wait for ever, or never end.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused() {
    let folder = folder();
    let pipe = folder.path().join("pipe.safetensors");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let config = ["describe", "--config", text(&pipe)];
    assert_refused(&config, &["pipe.safetensors", "no regular file"]);
    for file in [text(&pipe), "/dev/zero"] {
        assert_refused(&["describe", "--weights", file], &[file, "no regular file"]);
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_burn-patch"))
        .args(["describe", "--preset", "vit_base_patch16_224", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn a_wrong_command_line_ends_with_two() {
    for args in [
        &["describe"][..],
        &["describe", "--preset", "vit_base_patch17"],
        &["embed", "--weights", "a", "--input", "b"],
        &[
            "embed",
            "--weights",
            "a",
            "--input",
            "b",
            "--output",
            "c",
            "--stage",
            "block:x",
        ],
        &[
            "embed",
            "--weights",
            "a",
            "--input",
            "b",
            "--output",
            "c",
            "--backend",
            "tpu",
        ],
        &[
            "convert",
            "--weights",
            "a",
            "--output",
            "c",
            "--image-size",
            "0x3",
        ],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{args:?}"
        );
    }
    let help = run(&["embed", "--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"));
}
