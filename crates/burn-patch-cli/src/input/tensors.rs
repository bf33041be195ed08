//! Tensors from a safetensors file, taken as they are.

use std::path::Path;

use burn_vit::import::Checkpoint;

use crate::array::Array;
use crate::failure::Failure;

/// What a file of tensors holds for a model.
pub(crate) enum Tensors {
    /// Images.
    Images(Images),
    /// Images of sizes of their own, as flat patches.
    Patches(Patches),
}

/// Images `[batch, channels, height, width]`, with noise for masks.
pub(crate) struct Images {
    pub(crate) images: Array,
    /// `[batch, patches]`.
    pub(crate) noise: Option<Array>,
}

/// Flat patches in (row, column, channel) order.
pub(crate) struct Patches {
    /// `[batch, patches, values]`, the first ones of each image valid.
    pub(crate) patches: Array,
    /// Rows and columns of each image.
    pub(crate) shapes: Vec<[usize; 2]>,
}

/// Reads `images` (and `noise`), or `patches` and `shapes` (and `valid`).
pub(crate) fn read(path: &Path) -> Result<Tensors, Failure> {
    let file = Checkpoint::open(path).map_err(|error| Failure::import(path, &error))?;
    let tensor = |name: &str, axes: usize| -> Result<Option<Array>, Failure> {
        let Some(entry) = file.entry(name) else {
            return Ok(None);
        };
        if entry.shape.len() != axes || entry.shape.contains(&0) {
            let shape = &entry.shape;
            let reason = format!("{name}: expected {axes} axes, none empty, got {shape:?}");
            return Err(Failure::file(path, reason));
        }
        Array::read(&file, entry).map(Some)
    };
    let rows = |name: &str, array: &Array, expected: usize| match array.shape[0] {
        got if got != expected => {
            let reason = format!("{name}: expected {expected} images, got {got}");
            Err(Failure::file(path, reason))
        }
        _ => Ok(()),
    };
    if let Some(images) = tensor("images", 4)? {
        let noise = tensor("noise", 2)?;
        if let Some(noise) = &noise {
            rows("noise", noise, images.shape[0])?;
        }
        return Ok(Tensors::Images(Images { images, noise }));
    }
    let (Some(patches), Some(shapes)) = (tensor("patches", 3)?, tensor("shapes", 2)?) else {
        let reason = "expected a tensor named images, or patches and shapes";
        return Err(Failure::file(path, reason));
    };
    rows("shapes", &shapes, patches.shape[0])?;
    let shapes = grids(&patches, &shapes).map_err(|why| Failure::file(path, why))?;
    if let Some(valid) = tensor("valid", 2)? {
        rows("valid", &valid, patches.shape[0])?;
        agree(&valid, &shapes).map_err(|why| Failure::file(path, why))?;
    }
    Ok(Tensors::Patches(Patches { patches, shapes }))
}

fn grids(patches: &Array, shapes: &Array) -> Result<Vec<[usize; 2]>, String> {
    let held = patches.shape[1];
    let pairs = shapes.values.chunks(shapes.shape[1]);
    pairs
        .map(|pair| match *pair {
            [rows, cols] if rows >= 1.0 && cols >= 1.0 && rows * cols <= held as f32 => {
                Ok([rows as usize, cols as usize])
            }
            _ => Err(format!(
                "shapes: expected rows and columns of at most {held} patches, got {pair:?}"
            )),
        })
        .collect()
}

/// Refuses marks that are not the first rows·columns of each image.
fn agree(valid: &Array, shapes: &[[usize; 2]]) -> Result<(), String> {
    let marks = valid.values.chunks(valid.shape[1]);
    for (image, (marks, [rows, cols])) in marks.zip(shapes).enumerate() {
        let wanted = |at: usize| at < rows * cols;
        if marks
            .iter()
            .enumerate()
            .any(|(at, mark)| (*mark != 0.0) != wanted(at))
        {
            return Err(format!(
                "valid: expected the first {} patches of image {image}, as shapes says",
                rows * cols
            ));
        }
    }
    Ok(())
}
