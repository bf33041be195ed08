//! `describe` of presets, weights and configurations.

use std::collections::BTreeMap;
use std::fs;

use crate::program::{assert_refused, checkpoints, describe, folder, run, text, values};

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

#[test]
fn hierarchical_backbones_are_described_by_level() {
    let tiny = describe(&["--preset", "swin_tiny_patch4_window7_224"]);
    assert_eq!(tiny["parameters"], 28_288_354);
    assert_eq!(tiny["levels"][3]["grid"], serde_json::json!([7, 7]));
    for (name, family, dim) in [
        ("timm_swin", "swin", 48),
        ("timm_swinv2", "swinv2", 48),
        ("timm_pvt_v2", "pvt_v2", 64),
    ] {
        let weights = checkpoints().join(name).join("model.safetensors");
        let own = describe(&["--weights", text(&weights)]);
        assert_eq!((&own["family"], &own["dim"]), (&family.into(), &dim.into()));
        let stored = values(&weights);
        let stored = stored
            .iter()
            .filter(|(name, _)| !name.contains("relative_position_index"));
        let stored: usize = stored.map(|(_, (_, values))| values.len()).sum();
        assert_eq!(own["parameters"], stored, "{name}");
    }
}

#[test]
fn configurations_of_hierarchical_backbones_are_described() {
    for name in ["timm_swin", "timm_swinv2", "timm_pvt_v2"] {
        let folder = checkpoints().join(name);
        let [weights, config] = ["model.safetensors", "config.json"].map(|file| folder.join(file));
        let by_weights = describe(&["--weights", text(&weights)]);
        let by_config = describe(&["--config", text(&config)]);
        for what in ["family", "levels", "image", "classes", "parameters"] {
            assert_eq!(by_config[what], by_weights[what], "{name}: {what}");
        }
    }
    let folder = folder();
    let file = folder.path().join("config.json");
    // transformers' defaults: Swin-T and PVTv2-B0; the counts are timm's, without classifier.
    for (config, parameters) in [
        (r#"{"model_type": "swin"}"#, 27_519_354),
        (
            r#"{"model_type": "pvt_v2", "image_size": {"height": 224, "width": 224}}"#,
            3_409_760,
        ),
        (
            r#"{"architecture": "swin_base_patch4_window7_224.ms_in22k", "num_classes": 0}"#,
            86_743_224,
        ),
    ] {
        fs::write(&file, config).unwrap();
        let described = describe(&["--config", text(&file)]);
        assert_eq!(described["parameters"], parameters, "{config}");
    }
    for (config, word) in [
        (r#"{"model_type": "swin", "depths": [2, 2]}"#, "num_heads"),
        (r#"{"model_type": "swin", "depths": "many"}"#, "depths"),
        (r#"{"model_type": "swin", "embed_dim": 1e30}"#, "embed_dim"),
        (
            r#"{"model_type": "pvt_v2", "sr_ratios": [0, 1, 1, 1]}"#,
            "sr_ratios",
        ),
    ] {
        fs::write(&file, config).unwrap();
        assert_refused(
            &["describe", "--config", text(&file)],
            &["config.json", word],
        );
    }
}
