//! Models in and out of their folders.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleRecord, ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Bytes, Device};
use burn_patch::embed::AnyPatchEmbed;
use burn_vit::Vit;
use support::Error;
use support::report::write;
use support::run::digest;

use crate::model::model_config::ModelConfig;

const CONFIG: &str = "config.json";
const RECORD: &str = "model.bpk";
const SAFETENSORS: &str = "model.safetensors";

/// Our names, and those of timm's `VisionTransformer` and MAE's `MaskedAutoencoderViT` in their place.
const NAMES: [(&str, &str); 8] = [
    (r"^vit\.", ""),
    (r"^encoder\.position\.pos_embed$", "pos_embed"),
    (r"^encoder\.(blocks|norm)\.", "$1."),
    (r"^prefix\.", ""),
    (r"^head\.fc\.", "head."),
    (r"^decoder\.position\.pos_embed$", "decoder_pos_embed"),
    (r"^decoder\.blocks\.", "decoder_blocks."),
    (r"^decoder\.norm\.", "decoder_norm."),
];

/// Writes `model` into `folder`: as a Burn record, as safetensors with timm's names and PyTorch's layout, and what it
/// is beside them. The config comes last and has the checksums of the others, so that it never speaks of other weights.
pub(crate) fn save<M: Module>(
    folder: &Path,
    mut config: ModelConfig,
    model: M,
) -> Result<(), Error> {
    let broken = |name: &str, why: String| Error::Output {
        path: folder.join(name),
        why,
    };
    fs::create_dir_all(folder).map_err(|error| broken("", error.to_string()))?;
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata("format", "pt")
        .skip_enum_variants(true)
        .with_to_adapter(BurnToPyTorchAdapter);
    for (ours, theirs) in NAMES {
        store = store.with_key_remapping(ours, theirs);
    }
    let safetensors = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| broken(SAFETENSORS, error.to_string()))?;
    let record = model
        .into_record()
        .into_bytes()
        .map_err(|error| broken(RECORD, error.to_string()))?;
    for (name, content) in [(SAFETENSORS, &safetensors[..]), (RECORD, &record[..])] {
        write(&folder.join(name), content)?;
        config.files.insert(name.to_owned(), digest(content));
    }
    let json = serde_json::to_string_pretty(&config).expect("plain settings serialise");
    write(&folder.join(CONFIG), json.as_bytes())
}

/// The classifier in `folder`, and what it is.
pub(crate) fn load(
    folder: &Path,
    device: &Device,
) -> Result<(Vit<AnyPatchEmbed>, ModelConfig), Error> {
    let wrong = |name: &str, why: String| Error::Model {
        path: folder.join(name),
        why,
    };
    let read =
        |name: &str| fs::read(folder.join(name)).map_err(|error| wrong(name, error.to_string()));
    let config: ModelConfig =
        serde_json::from_slice(&read(CONFIG)?).map_err(|error| wrong(CONFIG, error.to_string()))?;
    let Some(vit) = &config.vit else {
        let why = format!(
            "expected a vit, got {}: it names no classes",
            config.architecture
        );
        return Err(wrong(CONFIG, why));
    };
    let record = read(RECORD)?;
    if config.files.get(RECORD) != Some(&digest(&record)) {
        let why = "damaged, or of another training than config.json: its checksum differs";
        return Err(wrong(RECORD, why.to_owned()));
    }
    let misfit = |why: String| wrong(CONFIG, why);
    let embed = config.embedding_config.try_init(device);
    let embed = embed.map_err(|error| misfit(error.to_string()))?;
    let model = vit.try_init(embed, device);
    let model = model.map_err(|error| misfit(error.to_string()))?;
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(record));
    let record = record.map_err(|error| wrong(RECORD, error.to_string()))?;
    let model = model.try_load_record(record);
    let model = model.map_err(|error| wrong(RECORD, error.to_string()))?;
    Ok((model, config))
}
