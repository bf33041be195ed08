//! A file of weights.

use burn_vit::import::Checkpoint;

use crate::scratch::Scratch;

/// Longest tensor that is read here, in bytes.
const LONGEST: usize = 1 << 20;

/// Opens a file of these bytes, safetensors or PyTorch's. Tensors that are accepted can be read.
pub fn weights(data: &[u8]) {
    let scratch = Scratch::new();
    let path = scratch.write("model.safetensors", data);
    let Ok(checkpoint) = Checkpoint::open(path.expect("a file")) else {
        return;
    };
    for entry in checkpoint.entries() {
        let bytes = entry.range[1] - entry.range[0];
        assert!(bytes <= data.len(), "a tensor larger than its file");
        if bytes <= LONGEST {
            let read = checkpoint.read(&entry.name);
            assert_eq!(read.expect("it lies within the file").len(), bytes);
        }
    }
}
