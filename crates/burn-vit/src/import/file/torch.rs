//! PyTorch's `.pth` and `.bin` files, as `torch.save` writes them since version 1.6.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::import::file::dtype::Dtype;
use crate::import::file::entry::Entry;
use crate::import::file::pickle::{Pickled, StoredTensor, unpickle};
use crate::import::file::zip::Member;

/// Longest pickle that is read.
const MAX_PICKLE: u64 = 100_000_000;

/// Where training scripts keep a model's tensors.
const WITHIN: &[&str] = &["model", "state_dict", "model_state_dict", "teacher"];

/// The tensors of the archive `file`, with ranges from the start of the file. No value is read and nothing in it is run.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) fn read_torch(file: &mut File, members: &[Member]) -> Result<Vec<Entry>, String> {
    let pickle = members
        .iter()
        .find(|member| member.name.ends_with("/data.pkl"));
    let pickle = pickle.ok_or_else(|| {
        "it is a zip archive with neither PyTorch's data.pkl nor NumPy's arrays".to_owned()
    })?;
    if pickle.size > MAX_PICKLE {
        return Err("its pickle is too long".to_owned());
    }
    let mut bytes = vec![0; pickle.size as usize];
    let read = file
        .seek(SeekFrom::Start(pickle.start))
        .and_then(|_| file.read_exact(&mut bytes));
    read.map_err(|error| error.to_string())?;
    let root = pickle.name.strip_suffix("data.pkl").unwrap_or_default();
    let storages: HashMap<&str, &Member> = members
        .iter()
        .filter_map(|member| {
            Some((
                member.name.strip_prefix(root)?.strip_prefix("data/")?,
                member,
            ))
        })
        .collect();
    let tensors = tensors(unpickle(&bytes)?);
    if tensors.is_empty() {
        return Err("it holds no tensors by name".to_owned());
    }
    tensors
        .into_iter()
        .map(|(name, tensor)| entry(name, &tensor, &storages))
        .collect()
}

/// The tensors by name, of the dictionary itself or of the one in it that holds the model.
fn tensors(value: Pickled) -> Vec<(String, StoredTensor)> {
    let Pickled::Dict(mut pairs) = value else {
        return Vec::new();
    };
    for name in WITHIN {
        let at = pairs
            .iter()
            .position(|(key, value)| key == name && matches!(value, Pickled::Dict(_)));
        if let Some(at) = at {
            return tensors(pairs.swap_remove(at).1);
        }
    }
    let tensor = |(name, value)| match value {
        Pickled::Tensor(tensor) => Some((name, tensor)),
        _ => None,
    };
    pairs.into_iter().filter_map(tensor).collect()
}

fn entry(
    name: String,
    tensor: &StoredTensor,
    storages: &HashMap<&str, &Member>,
) -> Result<Entry, String> {
    let dtype = match tensor.storage.as_str() {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::Other(8),
        "IntStorage" => Dtype::Other(4),
        "ShortStorage" => Dtype::Other(2),
        "ByteStorage" | "CharStorage" | "BoolStorage" => Dtype::Other(1),
        other => return Err(format!("'{name}' has the unknown storage '{other}'")),
    };
    let sizes: Option<Vec<usize>> = tensor
        .shape
        .iter()
        .map(|side| usize::try_from(*side).ok())
        .collect();
    let bytes = sizes.as_ref().and_then(|shape| {
        shape
            .iter()
            .try_fold(dtype.size(), |product, side| product.checked_mul(*side))
    });
    let Some((shape, bytes)) = sizes.zip(bytes) else {
        return Err(format!(
            "the size of '{name}' overflows: {:?}",
            tensor.shape
        ));
    };
    if !contiguous(&tensor.shape, &tensor.strides) {
        return Err(format!(
            "'{name}' is not contiguous; save it again after `.contiguous()`"
        ));
    }
    let member = storages.get(tensor.member.as_str());
    let member = member.ok_or_else(|| format!("the values of '{name}' are not in the archive"))?;
    let from = usize::try_from(tensor.offset)
        .ok()
        .and_then(|offset| offset.checked_mul(dtype.size()));
    let range = from.and_then(|from| {
        let to = from
            .checked_add(bytes)
            .filter(|to| *to as u64 <= member.size)?;
        let start = usize::try_from(member.start).ok()?;
        Some([start.checked_add(from)?, start.checked_add(to)?])
    });
    let range =
        range.ok_or_else(|| format!("'{name}' lies outside its storage; the file is corrupt"))?;
    Ok(Entry {
        name,
        dtype,
        shape,
        range,
    })
}

/// Whether values lie in row-major order, one behind the other.
fn contiguous(shape: &[i64], strides: &[i64]) -> bool {
    let mut step = Some(1i64);
    shape.len() == strides.len()
        && shape.iter().zip(strides).rev().all(|(side, stride)| {
            let fits = *side == 1 || Some(*stride) == step || shape.contains(&0);
            step = step.and_then(|step| step.checked_mul(*side));
            fits
        })
}
