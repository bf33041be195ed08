//! `embed` with fewer tokens and other patches.

use std::path::Path;

use crate::program::{
    Values, assert_close, assert_refused, checkpoints, embed, folder, run, text, values,
};

/// What a checkpoint's own inputs give with more arguments.
fn with(name: &str, output: &Path, more: &[&str]) -> Values {
    let folder = checkpoints().join(name);
    let (weights, io) = (
        folder.join("model.safetensors"),
        folder.join("io.safetensors"),
    );
    let args = ["embed", "--weights", text(&weights), "--input", text(&io)];
    let done = run(&[&args[..], &["--output", text(output)], more].concat());
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name} {more:?}: {errors}");
    values(output)
}

#[test]
fn reducers_leave_fewer_tokens() {
    let folder = folder();
    let out = folder.path().join("out.safetensors");
    let plain = with("timm_vit", &out, &[]);
    let none = with("timm_vit", &out, &["--reduce", "tome:0"]);
    assert_close("tome:0", &none["logits"], &plain["logits"]);
    // 16 patches behind the class token, two blocks.
    let merged = with("timm_vit", &out, &["--reduce", "tome:3"]);
    assert_eq!(merged["tokens"].0, [2, 1 + 16 - 6, 48]);
    assert_eq!(merged["logits"].0, plain["logits"].0);
    assert_ne!(merged["logits"].1, plain["logits"].1);
    let block = ["--reduce", "tome:3", "--stage", "block:0"];
    assert_eq!(with("timm_vit", &out, &block)["block_0"].0, [2, 1 + 13, 48]);
    // Half of 16 and one, then half of 9, rounded up, and one.
    let kept = with("timm_vit", &out, &["--reduce", "evit:0.5"]);
    assert_eq!(kept["tokens"].0, [2, 1 + 6, 48]);
    // Of a masked autoencoder, the encoder.
    let mae = with("hf_vit_mae", &out, &["--reduce", "tome:2"]);
    let plain = with("hf_vit_mae", &out, &[]);
    assert_eq!(mae["tokens"].0[1] + 2 * 2, plain["tokens"].0[1]);
    assert!(plain.contains_key("pred") && !mae.contains_key("pred"));
}

/// As `convert` does it.
#[test]
fn patches_of_another_size_are_those_of_converted_weights() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let got = with("timm_vit", &at("out.safetensors"), &["--patch-size", "4x8"]);
    assert_eq!(got["tokens"].0, [2, 1 + 8 * 4, 48]);
    let vit = checkpoints().join("timm_vit");
    let (weights, io) = (vit.join("model.safetensors"), vit.join("io.safetensors"));
    let converted = at("model.safetensors");
    let args = [
        "convert",
        "--weights",
        text(&weights),
        "--output",
        text(&converted),
    ];
    let done = run(&[&args[..], &["--patch-size", "4x8", "--image-size", "32"]].concat());
    assert!(done.status.success());
    let want = embed(&converted, &io, &at("want.safetensors"));
    for name in ["embed", "tokens", "logits"] {
        assert_close(name, &got[name], &want[name]);
    }
}

#[test]
fn what_cannot_be_reduced_or_cut_otherwise_says_so() {
    let folder = folder();
    let out = folder.path().join("out.safetensors");
    let args = |name: &str| {
        let folder = checkpoints().join(name);
        let [weights, io] = ["model.safetensors", "io.safetensors"].map(|file| folder.join(file));
        [
            "embed",
            "--weights",
            text(&weights),
            "--input",
            text(&io),
            "--output",
            text(&out),
        ]
        .map(str::to_owned)
    };
    let refused = |name: &str, more: [&str; 2], parts: &[&str]| {
        let args = args(name);
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more).collect();
        assert_refused(&args, parts);
    };
    for more in [["--reduce", "tome:2"], ["--patch-size", "2"]] {
        refused("timm_swin", more, &["timm_swin", "not Swin or PVT v2"]);
        let args = args("hf_siglip2_naflex");
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more).collect();
        assert_eq!(run(&args).status.code(), Some(2));
    }
    refused(
        "timm_vit",
        ["--patch-size", "64"],
        &["timm_vit", "at least one patch"],
    );
    refused(
        "hf_vit_mae",
        ["--patch-size", "4"],
        &["hf_vit_mae", "masked autoencoder"],
    );
    refused("timm_vit_map", ["--reduce", "evit:0.5"], &["class token"]);
}
