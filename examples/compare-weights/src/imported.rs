//! An encoder with another library's weights.

use std::fmt::Display;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use burn_patch::Noise;
use burn_patch::resample::{Profile, Resize};
use burn_vit::import::{Architecture, ImportedModel, Importer, Preparation};
use support::Error;
use support::data::Split;

use crate::encoder::Encoder;

/// The longest side of pictures, unless a side is asked for.
const LONGEST: usize = 224;

/// The encoder at `path` for the pictures of `split`, resized to `side`.
pub(crate) fn imported(
    path: &Path,
    side: Option<u32>,
    split: &Split,
    device: &Device,
) -> Result<Encoder, Error> {
    let refused = |why: &dyn Display| Error::Model {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let importer = Importer::new(path);
    let found = importer
        .inspect()
        .map_err(|why| refused(&why))?
        .architecture;
    let size = size(side, &found).map_err(|why| refused(&why))?;
    let from = split.train.size;
    let loaded = importer.with_image(size).load(device);
    let loaded = loaded.map_err(|why| refused(&why))?;
    let vit = match loaded.model {
        ImportedModel::Vit(vit) => vit,
        ImportedModel::Mae(mae) => mae.vit,
    };
    vit.layout(size).map_err(|why| refused(&why))?;
    let (channels, has) = (split.train.channels, found.channels);
    if channels != has && channels != 1 {
        let why = format!("expected pictures of {has} channels or one, got {channels}");
        return Err(refused(&why));
    }
    let resize = Resize::try_new(from, size, Profile::Timm).map_err(|why| refused(&why))?;
    let normalise = normalisation(loaded.preparation.as_ref(), has, device);
    Ok(Encoder {
        name: path.display().to_string(),
        what: format!("pooled, pictures of {}×{} px", size[0], size[1]),
        encode: Box::new(move |images| {
            let images = images.repeat_dim(1, has / channels);
            let images = normalise(resize.apply_map(images));
            let tokens = vit.forward_features(images, Noise::None);
            vit.head.pool(&tokens)
        }),
    })
}

/// The side asked for, or else the checkpoint's own image, shortened.
fn size(side: Option<u32>, found: &Architecture) -> Result<[usize; 2], String> {
    let Some(side) = side.map(|side| side as usize) else {
        return Ok([0, 1].map(|axis| shortened(found.image[axis], found.patch[axis])));
    };
    let patch = found.patch;
    match patch.iter().all(|patch| side.is_multiple_of(*patch)) {
        true => Ok([side; 2]),
        false => Err(format!(
            "expected a side that is a multiple of the patch {patch:?}, got {side}"
        )),
    }
}

/// `side` or the largest multiple of `patch` that is not longer than [`LONGEST`].
fn shortened(side: usize, patch: usize) -> usize {
    match side <= LONGEST {
        true => side,
        false => (LONGEST / patch).max(1) * patch,
    }
}

/// From values in −1..1 to what the checkpoint says of its input; without that, as they are.
fn normalisation(
    preparation: Option<&Preparation>,
    channels: usize,
    device: &Device,
) -> impl Fn(Tensor<4>) -> Tensor<4> + use<> {
    let [mean, std] = match preparation {
        Some(Preparation { mean, std, .. }) if mean.len() == channels => {
            [mean, std].map(Vec::clone)
        }
        _ => [0.5, 0.5].map(|value| vec![value; channels]),
    };
    let [mean, std] = [mean, std]
        .map(|values| Tensor::<4>::from_data(TensorData::new(values, [1, channels, 1, 1]), device));
    move |images| ((images + 1.0) / 2.0 - mean.clone()) / std.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_vit::import::Interpolation;

    #[test]
    fn a_long_side_becomes_whole_patches() {
        assert_eq!(shortened(518, 14), 224);
        assert_eq!(shortened(512, 16), 224);
        assert_eq!(shortened(378, 15), 210);
        assert_eq!(shortened(32, 8), 32);
        assert_eq!(shortened(1024, 256), 256);
    }

    #[test]
    fn pictures_are_normalised_as_the_checkpoint_says() {
        let device = Device::flex();
        let images = || Tensor::<4>::from_floats([[[[-1.0, 1.0]], [[-1.0, 0.0]]]], &device);
        let preparation = Preparation {
            size: [8, 8],
            mean: vec![0.5, 0.25],
            std: vec![0.5, 0.125],
            interpolation: Interpolation::Bicubic,
            crop: 1.0,
            squash: false,
        };
        let values = |tensor: Tensor<4>| tensor.into_data().try_to_vec_as::<f32>().unwrap();
        let said = normalisation(Some(&preparation), 2, &device)(images());
        assert_eq!(values(said), [-1.0, 1.0, -2.0, 2.0]);
        let unsaid = normalisation(None, 2, &device)(images());
        assert_eq!(values(unsaid), [-1.0, 1.0, -1.0, 0.0]);
    }
}
