//! Weights as safetensors with timm's names and PyTorch's layout.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};

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

/// The names of a `VisionTransformer`, and ours.
const BACK: [(&str, &str); 4] = [
    (r"^pos_embed$", "encoder.position.pos_embed"),
    (r"^(blocks|norm)\.", "encoder.$1."),
    (r"^((?:cls|dist|reg)_token)$", "prefix.$1"),
    (r"^head\.", "head.fc."),
];

fn store(bytes: Option<Vec<u8>>, names: &[(&str, &str)]) -> SafetensorsStore {
    let store = SafetensorsStore::from_bytes(bytes).skip_enum_variants(true);
    names.iter().fold(store, |store, (from, to)| {
        store.with_key_remapping(*from, *to)
    })
}

/// The file's content.
pub(super) fn write<M: Module>(model: &M) -> Result<Vec<u8>, String> {
    let mut store = store(None, &NAMES)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(BurnToPyTorchAdapter);
    let written = model.save_into(&mut store);
    let content = written.and_then(|()| store.get_bytes());
    content.map_err(|error| error.to_string())
}

/// `vit` with the weights of a file, every one of which has its place.
pub(super) fn read<M: Module>(mut vit: M, content: Vec<u8>) -> Result<M, String> {
    let mut store = store(Some(content), &BACK)
        .allow_partial(true)
        .with_from_adapter(PyTorchToBurnAdapter);
    let read = vit.load_from(&mut store);
    let read = read.map_err(|error| error.to_string())?;
    let missing = read.missing.iter().map(|(name, _)| format!("no {name}"));
    let unknown = read.unused.iter().map(|name| format!("unknown {name}"));
    match missing.chain(unknown).next() {
        Some(why) => Err(why),
        None => Ok(vit),
    }
}
