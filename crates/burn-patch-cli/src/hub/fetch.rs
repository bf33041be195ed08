//! Fetching a model's files into the Hub's cache, by its own client.

use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use burn_vit::import::parse_index;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use crate::failure::Failure;
use crate::hub::address::Address;

/// How long the Hub may take to answer what a model consists of.
const PATIENCE: Duration = Duration::from_secs(10);

/// Files of weights, the one to be preferred first.
const WEIGHTS: &[&str] = &[
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
];

/// Files beside them that say what weights do not.
const BESIDE: &[&str] = &["config.json", "preprocessor_config.json"];

/// The weights on this machine: from the cache where they are there, else from the Hub that `HF_ENDPOINT` names.
pub(crate) fn fetch(address: &Address) -> Result<PathBuf, Failure> {
    let Address { model, revision } = address;
    let repo = Repo::with_revision(model.clone(), RepoType::Model, revision.clone());
    // Configurations come before weights, so they are there as well.
    if let Some(weights) = Cache::from_env().repo(repo.clone()).get(WEIGHTS[0]) {
        return Ok(weights);
    }
    let builder = ApiBuilder::from_env().with_progress(stderr().is_terminal());
    let builder = match std::env::var("HF_TOKEN") {
        Ok(token) => builder.with_token(Some(token)),
        Err(_) => builder,
    };
    let api = builder.build().map_err(|error| refusal(address, &error))?;
    let names = names(address, api.repo(repo.clone()))?;
    let has = |name: &&&str| names.iter().any(|has| has == **name);
    let Some(weights) = WEIGHTS.iter().find(has) else {
        return Err(Failure::failed(format_args!(
            "{address}: it has none of {}",
            WEIGHTS.join(", ")
        )));
    };
    let repo = api.repo(repo);
    let get = |name: &str| repo.get(name).map_err(|error| refusal(address, &error));
    for name in BESIDE.iter().filter(has) {
        get(name)?;
    }
    let path = get(weights)?;
    if weights.ends_with(".json") {
        let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, error))?;
        let files = parse_index(&text).map_err(|reason| Failure::file(&path, reason))?;
        for file in files.keys() {
            get(file)?;
        }
    }
    Ok(path)
}

/// The names of the model's files. The client waits without end, so it is left behind where the Hub does not answer.
fn names(address: &Address, repo: ApiRepo) -> Result<Vec<String>, Failure> {
    let (answer, wait) = channel();
    thread::spawn(move || answer.send(repo.info()));
    let Ok(info) = wait.recv_timeout(PATIENCE) else {
        return Err(Failure::failed(format_args!(
            "{address}: the Hub did not answer within {} s",
            PATIENCE.as_secs()
        )));
    };
    let info = info.map_err(|error| refusal(address, &error))?;
    Ok(info
        .siblings
        .into_iter()
        .map(|file| file.rfilename)
        .collect())
}

/// The client's error in words about the model.
fn refusal(address: &Address, error: &ApiError) -> Failure {
    let text = error.to_string();
    let why = match ["401", "403", "404"].map(|status| text.contains(&format!("status: {status}")))
    {
        // The Hub answers so for models that are not there, too.
        [true, _, _] | [_, true, _] => {
            "no such public model; where it is a private one, HF_TOKEN gives access"
        }
        [_, _, true] => "no such model, revision or file",
        _ => "the Hub cannot be reached",
    };
    Failure::failed(format_args!("{address}: {why} ({text})"))
}
