//! The operation that no embedding runs on its own: the GELU.

use burn::tensor::Device;
use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};

use super::{CHANNELS, DIM, STRIDE, images};
use crate::subject::Subject;

pub(super) fn subjects() -> Vec<Subject> {
    vec![gelu()]
}

fn gelu() -> Subject {
    let init = |device: &Device| LinearPatchEmbedConfig::new(STRIDE, CHANNELS, DIM).init(device);
    Subject::new("ops::gelu", init, |embed, device, dtype| {
        let tokens = embed.forward(images(device, dtype)).into_embeddings();
        vec![burn_patch::ops::gelu(tokens * 3.0)]
    })
}
