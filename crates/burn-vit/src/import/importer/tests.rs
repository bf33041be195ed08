//! Importing what the exporter wrote.

use super::*;
use burn::tensor::{DType, Distribution, Tensor, Tolerance};
use burn_patch::embed::PatchEmbed;
use burn_patch::resample::ChannelMap;

use crate::import::array::Array;
use crate::import::export::export;
use crate::prefix::PrefixConfig;

/// A folder with a tiny ViT in timm's names, which goes with the value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("burn-vit-importer-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let device = Device::flex();
        let preset = Preset::by_name("vit_tiny_patch16_224").unwrap();
        let arch = Architecture {
            image: [32, 32],
            dim: 12,
            hidden: 24,
            depth: 1,
            classes: Some(3),
            ..preset.architecture().unwrap()
        };
        let embed = arch.embed_config().init(&device);
        let vit = arch.vit_config().init(embed, &device);
        export(&vit, &arch, Dialect::Timm, &folder).unwrap();
        Self(folder)
    }

    /// The file with its header changed, of the same length.
    fn change(&self, from: &str, to: &str) {
        let path = self.0.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let mut places = bytes.windows(from.len());
        let at = places.position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(path, bytes).unwrap();
    }

    fn importer(&self) -> Importer {
        Importer::new(&self.0)
    }

    fn error(&self, importer: &Importer) -> String {
        importer.load(&Device::flex()).unwrap_err().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_missing_and_unused_is_an_error_unless_allowed_by_name() {
    let folder = Folder::new("unused");
    folder.change("blocks.0.norm2.bias", "blocks.0.norm9.bias");
    let error = folder.error(&folder.importer());
    assert!(
        error.contains("missing: [encoder.blocks.0.norm2.beta]"),
        "{error}"
    );
    assert!(error.contains("unused: [blocks.0.norm9.bias]"), "{error}");
    let importer = folder.importer().allow("blocks.0.norm9");
    assert!(folder.error(&importer).contains("unused: []"));
    let importer = importer.allow("encoder.blocks.0.norm2.beta");
    let report = importer.load(&Device::flex()).unwrap().report;
    assert_eq!(report.unused, ["blocks.0.norm9.bias"]);
    assert!(
        report
            .to_string()
            .contains("missing: encoder.blocks.0.norm2.beta")
    );
}

#[test]
fn a_value_that_is_no_number_is_refused_by_name() {
    let folder = Folder::new("nan");
    let path = folder.0.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
    let error = folder.error(&folder.importer());
    assert!(error.contains("expected finite values, got NaN"), "{error}");
}

#[test]
fn a_cut_file_is_refused_with_its_name() {
    let folder = Folder::new("cut");
    let path = folder.0.join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = folder.error(&folder.importer());
        assert!(error.contains("model.safetensors: "), "{length}: {error}");
    }
}

#[test]
fn another_image_resizes_the_table_and_runs() {
    let folder = Folder::new("resized");
    let device = Device::flex();
    let imported = folder
        .importer()
        .with_image([48, 64])
        .load(&device)
        .unwrap();
    assert_eq!(imported.report.resized, ["pos_embed"]);
    let ImportedModel::Vit(vit) = imported.model else {
        panic!("expected a ViT");
    };
    let images = Tensor::random([1, 3, 48, 64], Distribution::Default, &device);
    assert_eq!(vit.forward(images).dims(), [1, 3]);
}

#[test]
fn patches_and_channels_are_those_that_are_asked_for() {
    let folder = Folder::new("patches");
    let device = Device::flex();
    let vit = |importer: Importer| {
        let imported = importer.load(&device).unwrap();
        match imported.model {
            ImportedModel::Vit(vit) => (vit, imported.architecture, imported.report),
            ImportedModel::Mae(_) => panic!("expected a ViT"),
        }
    };
    let (plain, ..) = vit(folder.importer());
    let importer = folder.importer().with_patch_size([8, 12]).with_channels(5);
    let (other, arch, report) = vit(importer.clone());
    // The grid stays.
    assert_eq!(
        (arch.image, arch.patch, arch.channels),
        ([16, 24], [8, 12], 5)
    );
    assert_eq!(report.resized, ["patch_embed.proj.weight"]);
    let embed = plain.patch_embed.with_patch_size([8, 12]).unwrap();
    let embed = embed
        .with_channels(&ChannelMap::repeat(3, 5).unwrap())
        .unwrap();
    let images = Tensor::random([1, 5, 16, 24], Distribution::Default, &device);
    let want = embed.forward(images.clone()).into_embeddings().into_data();
    let got = other.patch_embed.forward(images).into_embeddings();
    got.into_data()
        .assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-6));
    let (_, arch, report) = vit(importer.with_image([32, 32]));
    assert_eq!(arch.grid(), [4, 2]);
    assert_eq!(report.resized, ["patch_embed.proj.weight", "pos_embed"]);
    let error = folder.error(&folder.importer().with_patch_size([33, 0]));
    assert!(error.contains("at least one patch"), "{error}");
}

#[test]
fn halves_are_kept_where_asked_for() {
    let folder = Folder::new("halves");
    let path = folder.0.join("model.safetensors");
    let header = r#"{"cls_token":{"dtype":"BF16","shape":[1,1,12],"data_offsets":[0,24]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    let bytes = [&length[..], header.as_bytes(), &[0x80, 0x3f].repeat(12)].concat();
    std::fs::write(&path, bytes).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let entry = checkpoint.entry("cls_token").unwrap();
    let ones = Array::decode(entry, &checkpoint.read("cls_token").unwrap()).unwrap();
    assert_eq!(ones.values, [1.0; 12]);
    let device = Device::flex();
    for (halves, dtype) in [(true, DType::BF16), (false, DType::F32)] {
        let prefix = PrefixConfig::new().init(12, &device);
        let values = HashMap::from([("cls_token".to_owned(), ones.clone())]);
        let token = fill(prefix, values, &[], halves)
            .unwrap()
            .cls_token
            .unwrap();
        assert_eq!(token.val().dtype(), dtype);
    }
}

#[test]
fn a_preset_stands_in_for_the_configuration() {
    let folder = Folder::new("preset");
    std::fs::remove_file(folder.0.join("config.json")).unwrap();
    let error = folder.error(&folder.importer());
    assert!(
        error.contains("the number of attention heads is open"),
        "{error}"
    );
    assert!(
        folder
            .importer()
            .with_heads(3)
            .load(&Device::flex())
            .is_ok()
    );
    let error = folder.error(&folder.importer().with_preset("no_such_vit"));
    assert!(error.contains("no_such_vit"), "{error}");
    let error = folder.error(&folder.importer().with_preset("vit_tiny_patch16_224"));
    assert!(error.contains("192") && error.contains("12"), "{error}");
}
