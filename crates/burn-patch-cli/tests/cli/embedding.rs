//! `embed` of every whole checkpoint.

use std::fs;

use burn_patch::ops::backends::compiled;

use crate::program::{Values, assert_close, checkpoints, folder, run, text, values};

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
        let want = wanted(&io);
        for backend in compiled().filter(|backend| backend.runs_on == "CPU, pure Rust") {
            let files = ["model.safetensors", "model.npz"].map(|name| folder.join(name));
            let weights = files.into_iter().find(|file| file.is_file()).unwrap();
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
            let got = values(&out);
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
