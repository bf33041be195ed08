//! The program as its user meets it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use burn_patch::ops::backends::compiled;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
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

/// A configuration alone says what the weights beside it say.
#[test]
fn weights_and_configurations_are_described() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(checkpoints()).unwrap() {
        let folder = entry.unwrap().path();
        let config = folder.join("config.json");
        let hierarchical = ["swin", "pvt"]
            .iter()
            .any(|name| text(&folder).contains(name));
        if !config.is_file() || hierarchical {
            continue;
        }
        let weights = folder.join("model.safetensors");
        let of_weights = describe(&["--weights", text(&weights)]);
        let of_config = describe(&["--config", text(&config)]);
        let all = |of: &serde_json::Value| -> BTreeMap<String, String> {
            let settings = [of, &of["architecture"]].map(|of| of.as_object().unwrap().clone());
            let settings = settings.into_iter().flatten();
            let own = settings
                .filter(|(name, _)| !["name", "dialect", "architecture"].contains(&name.as_str()));
            own.map(|(name, value)| (name, value.to_string())).collect()
        };
        let of_weights = all(&of_weights);
        for (name, value) in all(&of_config) {
            if value != of_weights[&name] {
                wrong.push(format!(
                    "{}: {name}: {value}, weights {}",
                    folder.display(),
                    of_weights[&name]
                ));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "{compared}");
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

fn convert(weights: &Path, output: &Path, more: &[&str]) {
    let args = [
        "convert",
        "--weights",
        text(weights),
        "--output",
        text(output),
    ];
    let done = run(&[&args[..], more].concat());
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{more:?}: {errors}");
}

fn embed(weights: &Path, input: &Path, output: &Path) -> Values {
    let args = ["embed", "--weights", text(weights), "--input", text(input)];
    let done = run(&[&args[..], &["--output", text(output)]].concat());
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    values(output)
}

/// The same outputs in another library's names, and the source library's at another resolution.
#[test]
fn converted_weights_give_the_same() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let vit = checkpoints().join("timm_vit");
    fs::create_dir(at("hf")).unwrap();
    let out = at("hf/weights.safetensors");
    convert(
        &vit.join("model.safetensors"),
        &out,
        &["--dialect", "transformers-vit"],
    );
    assert_eq!(
        describe(&["--weights", text(&out)])["dialect"],
        "transformers-vit"
    );
    let io = vit.join("io.safetensors");
    let got = embed(&out, &io, &at("out.safetensors"));
    assert_close("tokens", &got["tokens"], &values(&io)["tokens"]);
    assert_eq!(fs::read_dir(at("hf")).unwrap().count(), 2);

    let registers = checkpoints().join("hf_dinov2_registers");
    fs::create_dir(at("large")).unwrap();
    let out = at("large/model.safetensors");
    convert(
        &registers.join("model.safetensors"),
        &out,
        &["--image-size", "48"],
    );
    assert_eq!(
        describe(&["--weights", text(&out)])["image"],
        serde_json::json!([48, 48])
    );
    let io = values(&registers.join("io.safetensors"));
    let (shape, images) = &io["images_other"];
    let bytes: Vec<u8> = images
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, shape.clone(), &bytes).unwrap();
    let input = safetensors::serialize([("images", view)], None).unwrap();
    fs::write(at("in.safetensors"), input).unwrap();
    let got = embed(&out, &at("in.safetensors"), &at("out.safetensors"));
    assert_close("tokens_other", &got["tokens"], &io["tokens_other"]);
}

#[test]
fn patches_and_channels_change_and_the_grid_stays() {
    let folder = folder();
    let out = folder.path().join("model.safetensors");
    let weights = checkpoints().join("timm_vit/model.safetensors");
    convert(&weights, &out, &["--patch-size", "4", "--channels", "5"]);
    let now = describe(&["--weights", text(&out)]);
    assert_eq!(now["grid"], serde_json::json!([4, 4]));
    assert_eq!(now["patch"], serde_json::json!([4, 4]));
    assert_eq!(
        (&now["channels"], &now["image"]),
        (&5.into(), &serde_json::json!([16, 16]))
    );
    // What lies there already says something else.
    let config = folder.path().join("config.json");
    let other = [
        "convert",
        "--weights",
        text(&weights),
        "--output",
        text(&out),
    ];
    assert_refused(&other, &["config.json", "other weights"]);
    assert!(fs::read_to_string(config).unwrap().contains("16"));
    let mae = checkpoints().join("hf_vit_mae/model.safetensors");
    let args = [
        "convert",
        "--weights",
        text(&mae),
        "--output",
        text(&out),
        "--channels",
        "1",
    ];
    assert_refused(&args, &["masked autoencoder"]);
}

/// A red disc on a blue ground.
fn picture(path: &Path, side: u32) {
    let inside = |x: u32, y: u32| {
        x.abs_diff(side / 2).pow(2) + y.abs_diff(side / 2).pow(2) < side * side / 9
    };
    let pixel = |x, y| match inside(x, y) {
        true => image::Rgb([220, 30, 20]),
        false => image::Rgb([20, 40, 200]),
    };
    image::RgbImage::from_fn(side, side, pixel)
        .save(path)
        .unwrap();
}

#[test]
fn pictures_are_embedded_and_shown() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    picture(&at("a.png"), 80);
    picture(&at("b.png"), 50);
    let weights = checkpoints().join("timm_vit/model.safetensors");
    let (a, b, out) = (at("a.png"), at("b.png"), at("out.safetensors"));
    let args = [
        "embed",
        "--weights",
        text(&weights),
        "--input",
        text(&a),
        text(&b),
    ];
    let done = run(&[&args[..], &["--output", text(&out), "--batch", "1"]].concat());
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let all = values(&out);
    assert_eq!(all["tokens"].0, [2, 17, 48]);
    assert_eq!(all["logits"].0, [2, 10]);
    let block = [
        "--output",
        text(&out),
        "--stage",
        "block:1",
        "--image-size",
        "48x32",
    ];
    assert!(run(&[&args[..], &block].concat()).status.success());
    assert_eq!(values(&out).keys().collect::<Vec<_>>(), ["block_1"]);
    assert_eq!(values(&out)["block_1"].0, [2, 25, 48]);
    let beyond = ["--output", text(&out), "--stage", "block:2"];
    assert_refused(&[&args[..], &beyond].concat(), &["block:2", "2 blocks"]);
    for what in ["pca", "attention"] {
        let png = at("seen.png");
        let args = [
            "show",
            "--weights",
            text(&weights),
            "--input",
            text(&a),
            text(&b),
        ];
        let done = run(&[&args[..], &["--output", text(&png), "--what", what]].concat());
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let seen = image::open(&png).unwrap().into_rgb8();
        assert_eq!(seen.dimensions(), (64, 64), "{what}");
        let right: std::collections::BTreeSet<_> = (0..64)
            .map(|y| seen.get_pixel(36 + y % 4 * 8, y).0)
            .collect();
        assert!(right.len() > 4, "{what}: {right:?}");
    }
    fs::write(at("page.jpg"), "<html></html>").unwrap();
    let page = at("page.jpg");
    let args = ["embed", "--weights", text(&weights), "--input", text(&page)];
    assert_refused(
        &[&args[..], &["--output", text(&out)]].concat(),
        &["page.jpg: not a picture"],
    );
    let bare = checkpoints().join("torchvision_vit/model.safetensors");
    let args = [
        "embed",
        "--weights",
        text(&bare),
        "--heads",
        "3",
        "--input",
        text(&a),
    ];
    assert_refused(
        &[&args[..], &["--output", text(&out)]].concat(),
        &["--preset", "config.json"],
    );
}

#[test]
fn a_closed_pipe_is_no_panic() {
    use std::process::Stdio;
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
