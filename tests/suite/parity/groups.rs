//! Parameter groups: for each parameter of timm's models, whether it decays and its part of the learning rate.

use std::collections::HashMap;

use burn::tensor::Device;
use burn_patch_tests::golden_folder;
use burn_vit::import::{ImportedModel, Importer, Step};
use burn_vit::{Layered, ParamGroups, PvtConfig, SwinConfig, SwinVersion};

const LAYER_DECAY: f64 = 0.5;

/// Models that are imported, whose plan says which parameter is which.
const IMPORTED: &[&str] = &[
    "timm_vit",
    "timm_vit_reg4_ls_qknorm",
    "timm_vit_avg_fcnorm",
    "timm_vit_map",
    "timm_clip",
    "timm_deit_distilled",
    "timm_eva02",
    "timm_rope_mixed",
    "timm_beit",
];

/// Scale and decay by timm's name.
type Theirs = HashMap<String, (f64, bool)>;

fn theirs(folder: &str) -> Theirs {
    let path = golden_folder().join("groups.json");
    let text = std::fs::read_to_string(path).expect("the golden file");
    let mut all: HashMap<String, Theirs> = serde_json::from_str(&text).expect("scales and decays");
    all.remove(folder).expect("a folder of it")
}

/// A path without the names of enums' variants, which checkpoints do not have.
fn plain(path: &str) -> String {
    let names = path.split('.');
    let names = names.filter(|name| !name.starts_with(char::is_uppercase));
    names.collect::<Vec<_>>().join(".")
}

/// Every parameter of ours is as each of timm's that it is made of, and none of timm's is left.
fn assert_groups(folder: &str, model: &impl Layered, names: impl Fn(&str) -> Vec<String>) {
    let groups = ParamGroups::of(model).with_layer_decay(LAYER_DECAY);
    let mut left = theirs(folder);
    let all = left.clone();
    for param in groups.params() {
        let names = names(&plain(&param.path));
        assert!(!names.is_empty(), "{folder}: nothing is {}", param.path);
        for name in names {
            let want = all.get(&name);
            let want = want.unwrap_or_else(|| panic!("{folder}: {} is no {name}", param.path));
            let got = (groups.scale(param), param.decays);
            assert_eq!(got, *want, "{folder}: {} is {name}", param.path);
            left.remove(&name);
        }
    }
    assert!(left.is_empty(), "{folder}: {left:?}");
}

#[test]
fn vits_have_the_groups_of_timm() {
    for folder in IMPORTED {
        let importer = Importer::new(golden_folder().join("checkpoints").join(folder));
        let steps = importer.inspect().unwrap().plan.steps;
        let ImportedModel::Vit(vit) = importer.load(&Device::flex()).unwrap().model else {
            panic!("{folder}: expected a ViT");
        };
        let sources = |steps: &[Step], path: &str| {
            let step = steps.iter().find(|step| step.target == path);
            step.map_or_else(Vec::new, |step| step.sources.clone())
        };
        assert_groups(folder, &vit, |path| sources(&steps, path));
    }
}

/// timm's name of a parameter of a hierarchical backbone.
fn renamed(path: &str, names: &[(&str, &str)]) -> Vec<String> {
    let stage = path.strip_prefix("patch_embed.levels.");
    let path = match stage.and_then(|path| path.split_once('.')) {
        Some(("0", rest)) => format!("patch_embed.{rest}"),
        Some((stage, rest)) => format!("stages.{stage}.downsample.{rest}"),
        None => path.to_owned(),
    };
    let path = path.replace(".gamma", ".weight").replace(".beta", ".bias");
    let renamed = names
        .iter()
        .fold(path, |path, (ours, theirs)| path.replace(ours, theirs));
    vec![renamed]
}

#[test]
fn swin_has_the_groups_of_timm() {
    let names = [
        ("stages.", "layers."),
        (
            "position.relative_position_bias_table.0",
            "attn.relative_position_bias_table",
        ),
        ("position.fc1.0", "attn.cpb_mlp.0"),
        ("position.fc2.0", "attn.cpb_mlp.2"),
        ("head.", "head.fc."),
    ];
    let second = SwinVersion::V2 {
        pretrained_window: None,
    };
    for (folder, version) in [("timm_swin", SwinVersion::V1), ("timm_swinv2", second)] {
        let swin = SwinConfig::new([64, 64], 24, vec![2, 2], vec![2, 4])
            .with_window([4, 4])
            .with_version(version)
            .with_classes(Some(10))
            .init(&Device::flex());
        assert_groups(folder, &swin, |path| renamed(path, &names));
    }
}

#[test]
fn pvt_has_the_groups_of_timm() {
    let names = [("attn.sr.proj", "attn.sr"), ("attn.sr.norm", "attn.norm")];
    let pvt = PvtConfig::new([16, 32, 40, 64], [1; 4], [1, 2, 5, 8])
        .with_classes(Some(10))
        .init(&Device::flex());
    assert_groups("timm_pvt_v2", &pvt, |path| renamed(path, &names));
}
