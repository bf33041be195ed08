//! The encoder that a run of tiny-mae pre-trained.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::{Bytes, Device};
use burn_patch::Noise;
use burn_patch::embed::AnyPatchEmbedConfig;
use burn_vit::MaeConfig;
use serde::Deserialize;
use support::Error;
use support::data::Split;

use crate::encoder::Encoder;

/// What builds the model, of all that config.json says.
#[derive(Deserialize)]
struct Saved {
    embedding_config: AnyPatchEmbedConfig,
    mae: MaeConfig,
}

/// The encoder of the MAE below `run`, for the pictures of `split`: the mean of its patch tokens, all patches seen.
pub(crate) fn pretrained(run: &Path, split: &Split, device: &Device) -> Result<Encoder, Error> {
    let folder = run.join("mae");
    let wrong = |name: &str, why: &dyn Display| Error::Model {
        path: folder.join(name),
        why: why.to_string(),
    };
    let read = |name: &str| fs::read(folder.join(name)).map_err(|why| wrong(name, &why));
    let saved = serde_json::from_slice(&read("config.json")?);
    let saved: Saved = saved.map_err(|why| wrong("config.json", &why))?;
    let embed = saved.embedding_config.try_init(device);
    let embed = embed.map_err(|why| wrong("config.json", &why))?;
    let mae = saved.mae.try_init(embed, device);
    let mae = mae.map_err(|why| wrong("config.json", &why))?;
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(read("model.bpk")?));
    let record = record.map_err(|why| wrong("model.bpk", &why))?;
    let mae = mae.try_load_record(record);
    let vit = mae.map_err(|why| wrong("model.bpk", &why))?.vit;
    let size = split.train.size;
    vit.layout(size).map_err(|why| wrong("config.json", &why))?;
    Ok(Encoder {
        name: run.display().to_string(),
        what: "mean of the patch tokens, tiny MAE".to_owned(),
        encode: Box::new(move |images| vit.forward_features(images, Noise::None).mean()),
    })
}
