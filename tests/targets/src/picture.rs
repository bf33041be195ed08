//! One picture.

use burn_patch_data::{Interpolation, Preprocess, Resize, decode};

use crate::sets::SIDE;

/// Decodes the picture, and makes it what a model takes.
pub fn picture(data: &[u8]) {
    let Ok(picture) = decode(data, SIDE) else {
        return;
    };
    assert!(picture.width() > 0 && picture.height() > 0, "no pixels");
    let preprocess = Preprocess {
        resize: Resize::Shorter(SIDE),
        crop: Some([SIDE; 2]),
        interpolation: Interpolation::Bicubic,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    let (values, size) = preprocess.apply(&picture);
    assert_eq!(size, [SIDE as usize; 2]);
    assert!(values.iter().all(|value| value.abs() <= 1.0));
}
