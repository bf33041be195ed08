//! Values from a checkpoint into the parameters of a model.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::resample::{ChannelMap, Filter, Profile, resize, resize_kernel};

use crate::import::array::Array;
use crate::import::dialect::FlaxOrder;
use crate::import::error::ImportError;
use crate::import::file::{Checkpoint, Dtype};
use crate::import::plan::{Op, Step};
use crate::import::resizing::Resizing;

/// The values of a step's parameter.
pub(crate) fn values(
    step: &Step,
    checkpoint: &Checkpoint,
    resizing: Resizing,
    device: &Device,
) -> Result<Array, ImportError> {
    let read = |name: &String| {
        let bytes = checkpoint.read(name)?;
        let entry = checkpoint.entry(name).expect("a name of the plan");
        let array = Array::decode(entry, &bytes)?;
        Ok(match step.flax {
            true => array.permuted(&FlaxOrder::of(name, &entry.shape)),
            false => array,
        })
    };
    let parts: Vec<Array> = step.sources.iter().map(read).collect::<Result<_, _>>()?;
    let all = Array::join(parts);
    let mut array = match &step.op {
        Op::Copy => all,
        Op::Join { rows, transpose } => {
            let taken = all.rows(*rows);
            if *transpose { taken.transpose() } else { taken }
        }
        Op::Unflatten => {
            let shape = <[usize; 4]>::try_from(step.shape.as_slice());
            all.unflatten(shape.expect("a convolution's shape"))
        }
        Op::Adapt { from, flat } => {
            let kernel = match flat {
                true => all.unflatten([step.shape[0], from[0], from[1], from[2]]),
                false => all,
            };
            adapted(kernel, &step.shape, resizing.kernel, device)?
        }
        Op::Resize { prefix, from, to } => {
            resized(all, *prefix, [*from, *to], resizing.table, device)
        }
    };
    array.shape.clone_from(&step.shape);
    Ok(array)
}

/// A convolution's kernel for the channels and patches of `shape`.
fn adapted(
    kernel: Array,
    shape: &[usize],
    filter: Filter,
    device: &Device,
) -> Result<Array, ImportError> {
    let stored = kernel.stored;
    let data = TensorData::new(kernel.values, kernel.shape);
    let kernel = Tensor::<4>::from_data(data, device);
    let [_, channels, height, width] = kernel.dims();
    let mapped = match channels == shape[1] {
        true => Ok(kernel),
        false => ChannelMap::repeat(channels, shape[1]).and_then(|map| map.apply(kernel)),
    };
    let resized = mapped.and_then(|kernel| match [height, width] == shape[2..] {
        true => Ok(kernel),
        false => resize_kernel(kernel, [shape[2], shape[3]], filter),
    });
    let data = resized
        .map_err(|error| ImportError::Model(error.to_string()))?
        .into_data();
    Ok(Array {
        shape: shape.to_vec(),
        values: data.try_to_vec_as().expect("floats"),
        stored,
    })
}

/// A table of positions for another grid; the rows for prefix tokens stay.
fn resized(
    table: Array,
    prefix: usize,
    [from, to]: [[usize; 2]; 2],
    profile: Profile,
    device: &Device,
) -> Array {
    let dim = table.values.len() / (prefix + from[0] * from[1]);
    let (own, cells) = table.values.split_at(prefix * dim);
    let cells = TensorData::new(cells.to_vec(), [1, from[0], from[1], dim]);
    let cells = resize(Tensor::<4>::from_data(cells, device), to, profile);
    let cells: Vec<f32> = cells.into_data().try_to_vec_as().expect("floats");
    Array {
        shape: vec![1, prefix + to[0] * to[1], dim],
        values: [own, &cells].concat(),
        stored: table.stored,
    }
}

/// Gives every parameter of `module` that `values` names its value, in single precision, or where `halves` says so and the
/// file has it so, in half.
///
/// # Errors
///
/// [`ImportError::Model`] if one has another shape or is not there: the plan then is not that of this module.
pub(crate) fn fill<M: Module>(
    module: M,
    values: HashMap<String, Array>,
    missing: &[String],
    halves: bool,
) -> Result<M, ImportError> {
    let mut fill = Fill {
        values,
        halves,
        path: Vec::new(),
        wrong: Vec::new(),
        missing,
    };
    let module = module.map(&mut fill);
    fill.wrong.extend(fill.values.into_keys());
    if fill.wrong.is_empty() {
        return Ok(module);
    }
    let wrong = fill.wrong.join(", ");
    Err(ImportError::Model(format!(
        "its parameters are not those planned: {wrong}"
    )))
}

struct Fill<'a> {
    values: HashMap<String, Array>,
    path: Vec<Option<String>>,
    wrong: Vec<String>,
    missing: &'a [String],
    halves: bool,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        // The variant of an enum is no part of a parameter's name.
        let variant = container.starts_with("Enum");
        self.path.push((!variant).then(|| name.to_owned()));
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let parts: Vec<&str> = self.path.iter().flatten().map(String::as_str).collect();
        let path = parts.join(".");
        let Some(array) = self.values.remove(&path) else {
            if !self.missing.contains(&path) {
                self.wrong.push(path);
            }
            return param;
        };
        if param.lazy_shape().as_slice() != array.shape {
            self.wrong.push(format!("{path} {:?}", array.shape));
            return param;
        }
        let dtype = match array.stored {
            Dtype::F16 if self.halves => DType::F16,
            Dtype::Bf16 if self.halves => DType::BF16,
            _ => DType::F32,
        };
        let data = TensorData::new(array.values, array.shape);
        let tensor = Tensor::from_data(data, (&param.lazy_device(), dtype));
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
