//! Images of sizes of their own, given as flat patches.

use burn::tensor::{Device, Tensor};
use burn_patch::Tokens;
use burn_patch::embed::{FlatOrder, unpatchify};
use burn_patch::grid::{Remainder, Window};
use burn_vit::import::{ImportedModel, Importer};

use crate::arguments::Source;
use crate::array::{Array, Arrays};
use crate::failure::Failure;
use crate::input::tensors::Patches;
use crate::model::run::Model;
use crate::model::stage::Stage;
use crate::output::Progress;

/// Runs each image at its own size. Tokens are padded with zeros to as many as there are patches in a row.
pub(crate) fn run(
    source: &Source,
    patches: &Patches,
    stage: Option<Stage>,
    device: &Device,
) -> Result<Arrays, Failure> {
    let refuse = |error: &_| Failure::import(&source.weights, error);
    let importer: Importer = source.importer();
    let arch = importer.inspect().map_err(|error| refuse(&error))?;
    let arch = arch.architecture;
    let [side, width] = arch.patch;
    let values = arch.channels * side * width;
    if patches.patches.shape[2] != values {
        return Err(Failure::failed(format_args!(
            "patches: expected {values} values each, got {}",
            patches.patches.shape[2]
        )));
    }
    let progress = Progress::new("images embedded", patches.shapes.len());
    let mut all = Arrays::default();
    let mut loaded: Option<([usize; 2], Model)> = None;
    for (index, &[rows, cols]) in patches.shapes.iter().enumerate() {
        let size = [rows * side, cols * width];
        let model = match loaded.take() {
            Some((of, model)) if of == size => model,
            _ => {
                let importer = importer.clone().with_image(size);
                let imported = importer.load(device).map_err(|error| refuse(&error))?;
                Model::Plain(imported.model)
            }
        };
        if let Model::Plain(ImportedModel::Mae(_)) = model {
            return Err(Failure::failed(
                "patches: a masked autoencoder takes images",
            ));
        }
        let own = patches.patches.rows(index, index + 1).tensor::<3>(device);
        let own = own.slice_dim(1, ..rows * cols);
        let images = image(own, size, arch.patch)?;
        let prefix = arch.prefix();
        for (name, array) in model.outputs(images, None, stage)? {
            let own = if name == "embed" { 0 } else { prefix };
            let array = match array.shape.len() {
                3 => padded(array, own + patches.patches.shape[1]),
                _ => array,
            };
            all.add(name, array);
        }
        loaded = Some((size, model));
        progress.done(index + 1);
    }
    Ok(all)
}

/// The image of flat patches in (row, column, channel) order.
fn image(patches: Tensor<3>, size: [usize; 2], patch: [usize; 2]) -> Result<Tensor<4>, Failure> {
    let grid = Window::patch(patch, Remainder::Reject).layout(size);
    let tokens = Tokens::from_grid(patches, grid.map_err(Failure::failed)?);
    unpatchify(tokens, FlatOrder::ChannelsLast).map_err(Failure::failed)
}

/// `[1, tokens, dim]` with zeros behind.
fn padded(mut array: Array, tokens: usize) -> Array {
    array.shape[1] = tokens;
    array.values.resize(tokens * array.shape[2], 0.0);
    array
}
