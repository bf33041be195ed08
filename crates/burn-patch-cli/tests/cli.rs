//! The program as its user meets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use burn_patch::ops::backends::compiled;
use safetensors::SafeTensors;
use tempfile::TempDir;

type Values = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_burn-patch"))
        .args(args)
        .output()
        .expect("the program starts")
}

fn checkpoints() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/checkpoints")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn values(path: &Path) -> Values {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let words = view.data().as_chunks::<4>().0.iter();
        let values = words.map(|word| f32::from_le_bytes(*word)).collect();
        (name, (view.shape().to_vec(), values))
    });
    tensors.collect()
}

/// The program fails with code 1 and one line that holds `parts`, within a second.
fn assert_refused(args: &[&str], parts: &[&str]) {
    let start = Instant::now();
    let output = run(args);
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {text}");
    assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
    for part in parts {
        assert!(
            text.contains(part),
            "{args:?}: expected '{part}' in: {text}"
        );
    }
    assert!(took < Duration::from_secs(1), "{args:?}: {took:?}");
}

fn describe(args: &[&str]) -> serde_json::Value {
    let output = run(&[&["describe", "--json"], args].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_preset_is_described_in_numbers() {
    let base = describe(&["--preset", "vit_base_patch16_224"]);
    for (name, want) in [
        ("patch_tokens", 196),
        ("class_tokens", 1),
        ("dim", 768),
        ("depth", 12),
        ("classes", 1000),
        ("parameters", 86_567_656),
    ] {
        assert_eq!(base[name], want, "{name}");
    }
    assert_eq!(base["dialect"], "timm");
    let wide = describe(&[
        "--preset",
        "vit_base_patch16_224",
        "--image-size",
        "224x448",
    ]);
    assert_eq!(wide["grid"], serde_json::json!([14, 28]));
    assert_eq!(wide["parameters"], 86_567_656 + 196 * 768);
    let output = run(&["describe", "--preset", "vit_base_patch16_224"]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(
        table.contains("197 = 1 class + 196 patch (14×14)"),
        "{table}"
    );
    assert!(table.contains("86,567,656"), "{table}");
}

#[test]
fn weights_and_configurations_are_described() {
    let folder = checkpoints().join("hf_dinov2_registers");
    let weights = describe(&["--weights", text(&folder.join("model.safetensors"))]);
    assert_eq!(weights["register_tokens"], 4);
    let config = describe(&["--config", text(&folder.join("config.json"))]);
    assert_eq!(config["dim"], weights["dim"]);
    assert_eq!(config["heads"], 3);
}

/// What weights without a configuration do not say.
fn said(name: &str) -> Vec<String> {
    let words: &[&str] = match name {
        "facebook_dinov2" | "torchvision_vit" => &["--heads", "3"],
        "facebook_mae" => &["--heads", "3", "--decoder-heads", "4", "--norm-pix-loss"],
        _ => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Folders that hold a stem or an embedding alone.
const PARTS: &[&str] = &[
    "timm_convnext_stem",
    "timm_hybrid_r_s16_p8",
    "timm_levit_stem",
    "timm_pvt_v2_b0_embed",
    "timm_swin_embed_merge",
];

/// `[batch, dim, rows, cols]` to `[batch, rows·cols, dim]`.
fn channels_last((shape, values): &(Vec<usize>, Vec<f32>)) -> (Vec<usize>, Vec<f32>) {
    let [batch, dim, cells] = [shape[0], shape[1], shape[2] * shape[3]];
    let at = |index: usize| {
        let (image, cell, unit) = (index / (cells * dim), index / dim % cells, index % dim);
        values[(image * dim + unit) * cells + cell]
    };
    (vec![batch, cells, dim], (0..values.len()).map(at).collect())
}

/// Outputs under the program's names: those of a hierarchical backbone are tokens in row-major order.
fn wanted(io: &Values) -> Values {
    let mut want = Values::new();
    for (name, array) in io {
        let (shape, values) = array;
        match name.as_str() {
            "tokens_nhwc" => {
                let shape = vec![shape[0], shape[1] * shape[2], shape[3]];
                want.insert("tokens".to_owned(), (shape, values.clone()));
            }
            "features_nchw" => {
                want.insert("tokens".to_owned(), channels_last(array));
            }
            "tokens" | "pooled" | "logits" | "embed" | "pred" | "mask" | "loss" => {
                want.insert(name.clone(), array.clone());
            }
            _ => {}
        }
    }
    want
}

/// Tokens of padding mean nothing: zeros in both.
fn without_padding(values: &mut Values, io: &Values) {
    let (Some((_, valid)), Some((shape, tokens))) = (io.get("valid"), values.get_mut("tokens"))
    else {
        return;
    };
    for (mark, token) in valid.iter().zip(tokens.chunks_mut(shape[2])) {
        if *mark == 0.0 {
            token.fill(0.0);
        }
    }
}

fn assert_close(place: &str, got: &(Vec<usize>, Vec<f32>), want: &(Vec<usize>, Vec<f32>)) {
    assert_eq!(got.0, want.0, "{place}");
    let largest = want
        .1
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    let pairs = got.1.iter().zip(&want.1);
    let apart = pairs.fold(0f32, |most, (got, want)| most.max((got - want).abs()));
    assert!(
        apart <= 1e-4 * largest,
        "{place}: {apart:.1e} of {largest:.1e}"
    );
}

#[test]
fn every_whole_checkpoint_gives_what_its_library_gives() {
    let out = folder();
    let out = out.path().join("out.safetensors");
    let mut checked = 0;
    for entry in fs::read_dir(checkpoints()).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap();
        if !folder.is_dir() || PARTS.contains(&name) {
            continue;
        }
        let io_file = folder.join("io.safetensors");
        let io = values(&io_file);
        let mut want = wanted(&io);
        without_padding(&mut want, &io);
        for backend in compiled().filter(|backend| backend.runs_on == "CPU, pure Rust") {
            let weights = folder.join("model.safetensors");
            let said = said(name);
            let mut args = vec![
                "embed",
                "--weights",
                text(&weights),
                "--backend",
                backend.name,
            ];
            args.extend(["--input", text(&io_file), "--output", text(&out)]);
            args.extend(said.iter().map(String::as_str));
            let output = run(&args);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {errors}");
            let mut got = values(&out);
            without_padding(&mut got, &io);
            for (tensor, want) in &want {
                let place = format!("{name} on {}: {tensor}", backend.name);
                let got = got
                    .get(tensor)
                    .unwrap_or_else(|| panic!("{place} is missing"));
                assert_close(&place, got, want);
                checked += 1;
            }
        }
    }
    assert!(checked >= 60, "{checked}");
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
