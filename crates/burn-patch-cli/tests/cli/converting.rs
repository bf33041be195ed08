//! `convert` to other libraries, sizes, patches and channels.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device, Tensor, TensorData};
use burn_vit::SwinConfig;
use burn_vit::import::Architecture;
use safetensors::tensor::{Dtype, TensorView};

use crate::program::{
    assert_close, assert_refused, checkpoints, describe, embed, folder, run, text, values,
};

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

/// `images` of a checkpoint's inputs, one channel of them or that one three times.
fn grey(io: &Path, channels: usize, output: &Path) {
    let (shape, images) = &values(io)["images"];
    let (area, count) = (shape[2] * shape[3], shape[0]);
    let image = |at: usize| &images[at * shape[1] * area..][..area];
    let bytes: Vec<u8> = (0..count)
        .flat_map(|at| image(at).repeat(channels))
        .flat_map(f32::to_le_bytes)
        .collect();
    let shape = vec![count, channels, shape[2], shape[3]];
    let view = TensorView::new(Dtype::F32, shape, &bytes).unwrap();
    fs::write(
        output,
        safetensors::serialize([("images", view)], None).unwrap(),
    )
    .unwrap();
}

/// One channel is what all of them are together.
#[test]
fn hierarchical_backbones_take_other_channels_and_images() {
    for name in ["timm_swin", "timm_swinv2", "timm_pvt_v2"] {
        let folder = folder();
        let at = |file: &str| folder.path().join(file);
        let source = checkpoints().join(name);
        let weights = source.join("model.safetensors");
        let out = at("model.safetensors");
        convert(&weights, &out, &["--channels", "1"]);
        let io = source.join("io.safetensors");
        grey(&io, 3, &at("three.safetensors"));
        grey(&io, 1, &at("one.safetensors"));
        let want = embed(&weights, &at("three.safetensors"), &at("want.safetensors"));
        let got = embed(&out, &at("one.safetensors"), &at("got.safetensors"));
        for tensor in ["tokens", "logits"] {
            assert_close(&format!("{name}: {tensor}"), &got[tensor], &want[tensor]);
        }
        let now = describe(&["--weights", text(&out)]);
        let before = describe(&["--weights", text(&weights)]);
        assert_eq!(
            (&now["channels"], &now["image"]),
            (&1.into(), &before["image"])
        );
        let by_config = describe(&["--config", text(&at("config.json"))]);
        assert_eq!(by_config["levels"], now["levels"], "{name}");
        assert_eq!(by_config["parameters"], now["parameters"], "{name}");

        fs::create_dir(at("wide")).unwrap();
        let wide = at("wide/model.safetensors");
        convert(&weights, &wide, &["--image-size", "64x128"]);
        let now = describe(&["--weights", text(&wide)]);
        assert_eq!(now["image"], serde_json::json!([64, 128]), "{name}");
    }
    let folder = folder();
    let out = folder.path().join("out.safetensors");
    let weights = checkpoints().join("timm_swin/model.safetensors");
    for more in [["--patch-size", "8"], ["--dialect", "transformers-vit"]] {
        let args = [
            "convert",
            "--weights",
            text(&weights),
            "--output",
            text(&out),
        ];
        assert_refused(&[&args[..], &more].concat(), &["timm_swin", more[0]]);
    }
    let small = ["--image-size", "16"];
    let args = [
        "convert",
        "--weights",
        text(&weights),
        "--output",
        text(&out),
    ];
    assert_refused(&[&args[..], &small].concat(), &["timm_swin"]);
}

/// The settings beside the record build the model that it fills.
#[test]
fn a_record_is_loaded_by_the_settings_beside_it() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let source = checkpoints().join("timm_vit");
    convert(&source.join("model.safetensors"), &at("vit.bpk"), &[]);
    let settings = fs::read(at("vit.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap();
    let arch: Architecture = serde_json::from_value(settings["architecture"].clone()).unwrap();
    let device = Device::flex();
    let vit = arch
        .vit_config()
        .init(arch.embed_config().init(&device), &device);
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(fs::read(at("vit.bpk")).unwrap()));
    let vit = vit.try_load_record(record.unwrap()).unwrap();
    let io = values(&source.join("io.safetensors"));
    let (shape, images) = io["images"].clone();
    let images = Tensor::<4>::from_data(TensorData::new(images, shape), &device);
    let logits = vit.forward(images);
    let shape = logits.dims().to_vec();
    let got = (shape, logits.into_data().try_to_vec_as().unwrap());
    assert_close("logits", &got, &io["logits"]);

    let swin = checkpoints().join("timm_swin/model.safetensors");
    convert(&swin, &at("swin.bpk"), &[]);
    let settings = fs::read(at("swin.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_slice(&settings).unwrap();
    let config: SwinConfig = serde_json::from_value(settings["swin"].clone()).unwrap();
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(fs::read(at("swin.bpk")).unwrap()));
    config
        .init(&device)
        .try_load_record(record.unwrap())
        .unwrap();
    let named = ["--dialect", "timm"];
    let args = ["convert", "--weights", text(&swin), "--output", "x.bpk"];
    assert_eq!(run(&[&args[..], &named].concat()).status.code(), Some(2));
}

#[test]
fn weights_of_jax_are_written_in_other_names() {
    let folder = folder();
    let out = folder.path().join("model.safetensors");
    let source = checkpoints().join("flax_augreg");
    convert(&source.join("model.npz"), &out, &[]);
    assert_eq!(describe(&["--weights", text(&out)])["dialect"], "timm");
    let io = source.join("io.safetensors");
    let got = embed(&out, &io, &folder.path().join("out.safetensors"));
    assert_close("logits", &got["logits"], &values(&io)["logits"]);
    let args = ["convert", "--weights", text(&out), "--output", text(&out)];
    let args = [&args[..], &["--dialect", "flax"]].concat();
    assert_refused(&args, &["model.safetensors", ".npz"]);
}
