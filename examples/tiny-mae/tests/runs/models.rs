//! A model is used again.

use std::fs;

use image::{GrayImage, Luma};

use crate::program::{Place, SIDE, text};

const BASE: [&str; 4] = ["--epochs", "24", "--batch", "16"];

fn header(bytes: &[u8]) -> serde_json::Value {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    serde_json::from_slice(&bytes[8..8 + length]).unwrap()
}

#[test]
fn a_trained_model_names_pictures_by_their_classes() {
    let place = Place::new();
    place.succeeds("out", &[&BASE[..], &["--task", "vit"]].concat());
    let results = place.results("out");
    assert!(
        results["test_accuracy_scratch"].as_f64().unwrap() > 0.9,
        "{results}"
    );
    // Columns, rows and diagonals, as in the training pictures; the second is a PNG by content alone.
    for (name, class) in [("columns.png", 0), ("rows.jpg", 1), ("diagonals.png", 2)] {
        let picture = GrayImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
            let bright = [x % 2 == 0, y % 2 == 0, (x + y) % 4 < 2][class];
            Luma([if bright { 160 } else { 60 }])
        });
        picture
            .save_with_format(place.path(name), image::ImageFormat::Png)
            .unwrap();
    }
    let predict = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tiny-mae"));
        command.current_dir(place.path(""));
        command.args(["predict", "--model", "out/vit-scratch"]);
        let output = command
            .args(["columns.png", "rows.jpg", "diagonals.png"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let lines = predict();
    let firsts: Vec<&str> = lines
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(firsts, ["0", "1", "2"], "{lines}");
    fs::remove_file(place.path("out/vit-scratch/model.bpk")).unwrap();
    assert_eq!(predict(), lines, "by its safetensors alone");
}

#[test]
fn a_model_that_cannot_be_used_says_why() {
    let place = Place::new();
    place.succeeds("out", &["--epochs", "1"]);
    let predict = |model: &str, image: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tiny-mae"));
        command
            .current_dir(place.path(""))
            .args(["predict", "--model", model, image]);
        command.output().unwrap()
    };
    let fails = |model: &str, part: &str| {
        crate::program::assert_one_line(&predict(model, "x.png"), 1, &[part]);
    };
    fails("nowhere", "nowhere/config.json");
    fails("out/mae", "expected a vit, got mae");
    fails("out/vit-scratch", "x.png is not readable");
    let path = place.path("out/vit-scratch/config.json");
    let whole = fs::read_to_string(&path).unwrap();
    let otherwise = |change: &dyn Fn(&mut serde_json::Value), part: &str| {
        let mut config = serde_json::from_str(&whole).unwrap();
        change(&mut config);
        fs::write(&path, config.to_string()).unwrap();
        fails("out/vit-scratch", part);
        fs::write(&path, &whole).unwrap();
    };
    otherwise(
        &|config| config["image_size"] = [16, 16].into(),
        "image_size is not what its vit has",
    );
    otherwise(
        &|config| config["num_classes"] = 0.into(),
        "num_classes is not",
    );
    otherwise(
        &|config| config["channels"] = 3.into(),
        "channels is not what its embedding has",
    );
    otherwise(
        &|config| config["classes"] = ["a"].as_slice().into(),
        "classes is not",
    );
    let of_both = |config: &mut serde_json::Value, word: &str, size: usize| {
        config[word] = size.into();
        config["vit"]["encoder"][word] = size.into();
    };
    otherwise(
        &|config| of_both(config, "depth", 1 << 40),
        "a size of 1099511627776",
    );
    otherwise(&|config| of_both(config, "depth", 1000), "model.bpk");
    let larger = |config: &mut serde_json::Value| {
        let side = [40_000, 40_000];
        config["image_size"] = side.into();
        config["vit"]["image"] = side.into();
        config["vit"]["encoder"]["position"] = serde_json::json!({"SinCos": {"dialect": "Mae"}});
    };
    otherwise(&larger, "a size of 100000000");
    let wider = |config: &mut serde_json::Value| {
        config["embedding_config"]["Linear"]["dim"] = 100_000.into()
    };
    otherwise(&wider, "model.bpk");
    let record = place.path("out/vit-scratch/model.bpk");
    let mut bytes = fs::read(&record).unwrap();
    bytes[2000] ^= 1;
    fs::write(&record, bytes).unwrap();
    fails("out/vit-scratch", "model.bpk: damaged");
    fs::remove_file(record).unwrap();
    let safetensors = place.path("out/vit-scratch/model.safetensors");
    let mut bytes = fs::read(&safetensors).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&safetensors, bytes).unwrap();
    fails("out/vit-scratch", "model.safetensors: damaged");
    fs::remove_file(safetensors).unwrap();
    fails("out/vit-scratch", "model.bpk: No such file");
    fs::write(place.path("out/vit-scratch/config.json"), "{").unwrap();
    fails("out/vit-scratch", "config.json");
}

/// What timm's `VisionTransformer` and the `MaskedAutoencoderViT` of MAE's authors call their tensors.
#[test]
fn safetensors_have_the_names_of_timm_and_mae_and_say_what_they_are() {
    let place = Place::new();
    place.succeeds("out", &["--epochs", "1"]);
    let config = place.json("out/vit-scratch/config.json");
    for (key, value) in [
        ("architecture", serde_json::json!("vit")),
        ("image_size", serde_json::json!([SIDE, SIDE])),
        ("channels", serde_json::json!(1)),
        ("patch_size", serde_json::json!([4, 4])),
        ("heads", serde_json::json!(4)),
        ("depth", serde_json::json!(4)),
        ("embedding", serde_json::json!("linear")),
        ("position", serde_json::json!("learned")),
        (
            "normalisation",
            serde_json::json!({"mean": [0.5], "std": [0.5]}),
        ),
        ("classes", serde_json::json!(["0", "1", "2"])),
        ("version", serde_json::json!(env!("CARGO_PKG_VERSION"))),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let block = |prefix: &str, index: usize| {
        [
            "attn.proj",
            "attn.qkv",
            "mlp.fc1",
            "mlp.fc2",
            "norm1",
            "norm2",
        ]
        .into_iter()
        .flat_map(move |name| [format!("{name}.bias"), format!("{name}.weight")])
        .map(|name| format!("{prefix}.{index}.{name}"))
        .collect::<Vec<_>>()
    };
    let layer = |name: &str| [format!("{name}.bias"), format!("{name}.weight")];
    let encoder = || {
        let blocks = (0..4).flat_map(|index| block("blocks", index));
        let rest = [layer("norm"), layer("patch_embed.proj")].concat();
        blocks
            .chain(rest)
            .chain(["pos_embed".to_owned(), "__metadata__".to_owned()])
    };
    let decoder = (0..2).flat_map(|index| block("decoder_blocks", index));
    let ends = ["decoder_embed", "decoder_norm", "decoder_pred"]
        .map(layer)
        .concat();
    let mae = encoder()
        .chain(decoder)
        .chain(ends)
        .chain(["mask_token".to_owned()]);
    for (model, mut expected) in [
        (
            "vit-finetuned",
            encoder().chain(layer("head")).collect::<Vec<_>>(),
        ),
        ("vit-scratch", encoder().chain(layer("head")).collect()),
        ("mae", mae.collect()),
    ] {
        let header =
            header(&fs::read(place.path(&format!("out/{model}/model.safetensors"))).unwrap());
        let mut names: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
        names.sort();
        expected.sort();
        assert_eq!(names, expected, "{model}");
        assert_eq!(header["__metadata__"], serde_json::json!({"format": "pt"}));
    }
}

/// Byte for byte: the order of the tensors as well.
#[test]
fn the_same_run_twice_leaves_the_same_safetensors() {
    let place = Place::new();
    for out in ["first", "second"] {
        place.succeeds(out, &["--epochs", "1"]);
    }
    for model in ["mae", "vit-finetuned", "vit-scratch"] {
        let read =
            |out: &str| fs::read(place.path(&format!("{out}/{model}/model.safetensors"))).unwrap();
        assert!(read("first") == read("second"), "{model}");
    }
}
