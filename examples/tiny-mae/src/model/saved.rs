//! Models in and out of their folders.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use burn_patch::embed::{AnyPatchEmbed, PatchEmbed};
use burn_vit::Vit;
use support::Error;
use support::report::write;
use support::run::digest;

use crate::model::model_config::{ModelConfig, can_have};
use crate::model::safetensors;

const CONFIG: &str = "config.json";
const RECORD: &str = "model.bpk";
const SAFETENSORS: &str = "model.safetensors";

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
    let safetensors = safetensors::write(&model).map_err(|why| broken(SAFETENSORS, why))?;
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

/// The classifier in `folder`, and what it is. Its weights are those of the Burn record, or of the safetensors where they
/// are alone.
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
    let exists = |name: &&str| folder.join(name).exists();
    let weights = [RECORD, SAFETENSORS].into_iter().find(exists);
    let weights = weights.unwrap_or(RECORD);
    let content = read(weights)?;
    let misfit = |why: String| wrong(CONFIG, why);
    let vit = config.classifier(content.len()).map_err(misfit)?;
    if config.files.get(weights) != Some(&digest(&content)) {
        let why = "damaged, or of another training than config.json: its checksum differs";
        return Err(wrong(weights, why.to_owned()));
    }
    let embed = config.embedding_config.try_init(device);
    let embed = embed.map_err(|error| misfit(error.to_string()))?;
    if embed.channels() != config.channels {
        return Err(misfit("channels is not what its embedding has".to_owned()));
    }
    let tokens = embed.tokens(vit.image);
    let tokens = tokens.map_err(|error| misfit(error.to_string()))?;
    can_have(tokens as u64, content.len()).map_err(misfit)?;
    let model = vit.try_init(embed, device);
    let model = model.map_err(|error| misfit(error.to_string()))?;
    let model = match weights {
        SAFETENSORS => safetensors::read(model, content),
        _ => with_record(model, content),
    };
    Ok((model.map_err(|why| wrong(weights, why))?, config))
}

/// `model` with the weights of a Burn record.
fn with_record<M: Module>(model: M, record: Vec<u8>) -> Result<M, String> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(record));
    let record = record.map_err(|error| error.to_string())?;
    let model = model.try_load_record(record);
    model.map_err(|error| error.to_string())
}
