//! Models as files: what another program, or `predict`, needs to use them again.

pub(crate) mod model_config;
mod safetensors;
pub(crate) mod saved;
