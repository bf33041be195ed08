//! Pictures as a model wants them.

use std::fs;
use std::path::Path;

use burn_patch_data::{Interpolation, Preprocess, Resize, decode};
use burn_vit::import::{Interpolation as Named, Preparation};
use image::RgbImage;

use crate::failure::Failure;

/// Beyond this, a file is no picture that anybody took.
const MAX_FILE: u64 = 1 << 30;

/// The picture in a file, upright, over white.
pub(crate) fn open(path: &Path, size: [usize; 2]) -> Result<RgbImage, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, error);
    let about = fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Failure::file(path, "not a regular file"));
    }
    if about.len() > MAX_FILE {
        return Err(Failure::file(path, "too long for a picture"));
    }
    let bytes = fs::read(path).map_err(failed)?;
    let side = size[0].max(size[1]) as u32;
    decode(&bytes, side).map_err(|why| Failure::file(path, why))
}

/// How a picture of this `[height, width]` becomes an input of `size`: resized so that the crop is its share of the
/// whole, cropped at the centre, normalised.
pub(crate) fn preprocess(
    preparation: &Preparation,
    size: [usize; 2],
    picture: [u32; 2],
) -> Result<Preprocess, Failure> {
    let three = |what: &str, values: &[f32]| -> Result<[f32; 3], Failure> {
        values.try_into().map_err(|_| {
            Failure::failed(format_args!(
                "pictures have three channels, the configuration's {what} is {values:?}"
            ))
        })
    };
    // Shares are quotients of whole numbers, which may come out a little short.
    let whole = size.map(|side| (side as f64 / preparation.crop + 1e-6).floor().max(1.0));
    let resize = match (preparation.squash, size[0] == size[1]) {
        (true, _) => Resize::Exact(whole.map(|side| side as u32)),
        (false, true) => Resize::Shorter(whole[0] as u32),
        // Both sides are covered, the aspect is kept.
        (false, false) => {
            let scales = [0, 1].map(|axis| whole[axis] / f64::from(picture[axis].max(1)));
            let scale = scales[0].max(scales[1]);
            Resize::Exact(picture.map(|side| (f64::from(side) * scale).round().max(1.0) as u32))
        }
    };
    Ok(Preprocess {
        resize,
        crop: Some(size.map(|side| side as u32)),
        interpolation: match preparation.interpolation {
            Named::Nearest => Interpolation::Nearest,
            Named::Bilinear => Interpolation::Bilinear,
            Named::Bicubic => Interpolation::Bicubic,
            Named::Lanczos => Interpolation::Lanczos,
        },
        mean: three("mean", &preparation.mean)?,
        std: three("std", &preparation.std)?,
    })
}

/// What a command says where nothing tells how pictures become inputs.
pub(crate) fn unprepared(weights: &Path) -> Failure {
    Failure::file(
        weights,
        "how pictures become its input is open; expected a config.json with timm's pretrained_cfg or a \
         preprocessor_config.json beside it, --config, --preset, or tensors named images as input",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preparation(crop: f64, squash: bool) -> Preparation {
        Preparation {
            size: [224, 224],
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
            interpolation: Named::Bicubic,
            crop,
            squash,
        }
    }

    #[test]
    fn the_crop_is_its_share_of_what_is_resized() {
        let resize = |crop, squash, size| {
            let preprocess = preprocess(&preparation(crop, squash), size, [300, 400]);
            preprocess.unwrap().resize
        };
        assert_eq!(resize(0.9, false, [224, 224]), Resize::Shorter(248));
        assert_eq!(
            resize(224.0 / 256.0, false, [224, 224]),
            Resize::Shorter(256)
        );
        assert_eq!(resize(1.0, true, [224, 200]), Resize::Exact([224, 200]));
        // 300 × 400 covers 100 × 300 at three quarters.
        assert_eq!(resize(1.0, false, [100, 300]), Resize::Exact([225, 300]));
    }
}
