//! Golden files: tensors that another library computed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::SafeTensors;

/// Folder of the golden files.
pub fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The tensors of one golden file, each taken once.
pub struct Golden {
    tensors: HashMap<String, TensorData>,
}

impl Golden {
    /// Reads `file` below the golden folder.
    ///
    /// # Panics
    ///
    /// If it cannot be read or holds anything but `f32`.
    pub fn open(file: &str) -> Self {
        let path = golden_folder().join(file);
        let bytes =
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed =
            SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
        let tensors = parsed.iter().map(|(name, view)| {
            assert_eq!(view.dtype(), safetensors::Dtype::F32, "{file}: {name}");
            let words = view.data().chunks_exact(4);
            let values: Vec<f32> = words
                .map(|word| f32::from_le_bytes(word.try_into().expect("four bytes")))
                .collect();
            (
                name.to_owned(),
                TensorData::new(values, view.shape().to_vec()),
            )
        });
        Self {
            tensors: tensors.collect(),
        }
    }

    /// Takes a tensor.
    ///
    /// # Panics
    ///
    /// If there is none of that name, or it was taken before.
    pub fn take(&mut self, name: &str) -> TensorData {
        self.tensors
            .remove(name)
            .unwrap_or_else(|| panic!("no golden tensor {name} left"))
    }

    /// Everything that is left.
    pub fn into_tensors(self) -> HashMap<String, TensorData> {
        self.tensors
    }
}
