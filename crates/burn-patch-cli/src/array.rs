//! Values on the host, and the safetensors files that they come from and go to.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData, bf16, f16};
use burn_vit::import::{Checkpoint, Dtype, Entry};
use safetensors::tensor::{Dtype as Stored, TensorView};

use crate::failure::Failure;
use crate::output::write_whole;

/// Values in row-major order, and their shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl Array {
    pub(crate) fn of<const D: usize>(tensor: Tensor<D>) -> Result<Self, Failure> {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().try_to_vec_as::<f32>();
        let values = values.map_err(|error| Failure::failed(format_args!("{error:?}")))?;
        Ok(Self { shape, values })
    }

    /// The tensor called `entry.name`.
    pub(crate) fn read(file: &Checkpoint, entry: &Entry) -> Result<Self, Failure> {
        let bytes = file
            .read(&entry.name)
            .map_err(|error| Failure::import(file.path(), &error))?;
        let values: Vec<f32> = match entry.dtype {
            Dtype::F32 => words(&bytes).map(f32::from_le_bytes).collect(),
            Dtype::F64 => words(&bytes)
                .map(|word| f64::from_le_bytes(word) as f32)
                .collect(),
            Dtype::F16 => words(&bytes)
                .map(|word| f16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::Bf16 => words(&bytes)
                .map(|word| bf16::from_le_bytes(word).to_f32())
                .collect(),
            Dtype::Other(8) => words(&bytes)
                .map(|word| i64::from_le_bytes(word) as f32)
                .collect(),
            Dtype::Other(4) => words(&bytes)
                .map(|word| i32::from_le_bytes(word) as f32)
                .collect(),
            Dtype::Other(_) => bytes.iter().map(|byte| f32::from(*byte)).collect(),
        };
        let (name, shape) = (&entry.name, entry.shape.clone());
        if values.len() != shape.iter().product::<usize>() {
            let reason = format!("{name}: its values are of a type that is not read here");
            return Err(Failure::file(file.path(), reason));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let reason = format!(
                "{name}: expected finite values, got {} at position {at}",
                values[at]
            );
            return Err(Failure::file(file.path(), reason));
        }
        Ok(Self { shape, values })
    }

    /// Entries `from..to` of the first axis.
    pub(crate) fn rows(&self, from: usize, to: usize) -> Self {
        let row: usize = self.shape[1..].iter().product();
        let mut shape = self.shape.clone();
        shape[0] = to - from;
        Self {
            shape,
            values: self.values[from * row..to * row].to_vec(),
        }
    }

    /// As a tensor; panics if it has not `D` axes.
    pub(crate) fn tensor<const D: usize>(self, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.values, self.shape), device)
    }

    /// With `other` behind it on the first axis.
    fn extend(&mut self, other: Self) {
        self.shape[0] += other.shape[0];
        self.values.extend(other.values);
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Named arrays that grow batch by batch.
#[derive(Debug, Default)]
pub(crate) struct Arrays(pub(crate) BTreeMap<String, Array>);

impl Arrays {
    /// Behind what has this name already.
    pub(crate) fn add(&mut self, name: impl Into<String>, array: Array) {
        let name = name.into();
        match self.0.get_mut(&name) {
            Some(before) => before.extend(array),
            None => {
                self.0.insert(name, array);
            }
        }
    }

    /// Writes them as a safetensors file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let bytes = self.to_bytes().map_err(|why| Failure::file(path, why))?;
        write_whole(path, &bytes)
    }

    /// A safetensors file with them that transformers and timm open.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let bytes: Vec<(&str, &[usize], Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, array)| {
                let bytes = array.values.iter().flat_map(|value| value.to_le_bytes());
                (name.as_str(), array.shape.as_slice(), bytes.collect())
            })
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Stored::F32, shape.to_vec(), bytes);
            view.map(|view| (*name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>();
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let file = views.and_then(|views| safetensors::serialize(views, Some(format)));
        file.map_err(|error| error.to_string())
    }

    /// Names and shapes, in one line.
    pub(crate) fn summary(&self) -> String {
        let each = self.0.iter();
        let each = each.map(|(name, array)| format!("{name} {:?}", array.shape));
        each.collect::<Vec<_>>().join(", ")
    }
}
