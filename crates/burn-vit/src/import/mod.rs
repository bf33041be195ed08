//! Weights of other libraries: a checkpoint's header, its dialect, a configuration and a plan become a model.
//!
//! What reads headers, configurations and plans (`file`, `config`, `dialect`, `preset`, `architecture`, `facts`, `part`,
//! `plan`, `report`, `understand`, `usual`, `weights`, `written_config`, `error`) is plain Rust without tensors; `build`,
//! `load`, `resizing` and `export` meet Burn.

mod architecture;
mod array;
mod build;
mod config;
mod dialect;
mod error;
mod export;
mod facts;
mod file;
mod importer;
mod load;
mod part;
mod plan;
mod preset;
mod report;
mod resizing;
mod understand;
mod usual;
mod weights;
mod written_config;

pub use architecture::{Act, Architecture, Biases, Decoder, Places, Pool, Rotary};
pub use config::{HubConfig, Interpolation, Preparation};
pub use dialect::Dialect;
pub use error::ImportError;
pub use export::export;
pub use facts::Facts;
pub use file::{Checkpoint, Dtype, Entry, MAX_HEADER, parse_header, parse_index};
pub use importer::{Imported, ImportedModel, Importer, Inspected};
pub use part::{Kind, Part, parameters, parts};
pub use plan::{Op, Plan, Step, plan};
pub use preset::Preset;
pub use report::Report;
pub use understand::understand;
