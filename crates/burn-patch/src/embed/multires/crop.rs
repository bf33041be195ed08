//! Crops: parts of an image, resized.

use core::ops::RangeInclusive;

use burn::tensor::Tensor;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::resample::align::Align;
use crate::resample::filter::Filter;
use crate::resample::resize::Resize;
use crate::resample::resize_matrix::ResizeMatrix;

/// Part of an image, in its pixels; fractions are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CropBox {
    /// Top.
    pub y: f32,
    /// Left.
    pub x: f32,
    /// Height.
    pub height: f32,
    /// Width.
    pub width: f32,
}

impl CropBox {
    /// Refuses an empty box and one that reaches beyond an `image` of that size.
    pub(crate) fn check(&self, image: [usize; 2]) -> Result<(), Error> {
        let sides = [
            ("height of a crop", self.height),
            ("width of a crop", self.width),
        ];
        for (what, side) in sides {
            if side.is_nan() || side <= 0.0 {
                return Err(Error::Range {
                    what,
                    expected: "more than 0 px".into(),
                    got: f64::from(side),
                });
            }
        }
        let fits = |start: f32, side: f32, all: usize| {
            start >= 0.0 && f64::from(start) + f64::from(side) <= all as f64
        };
        if fits(self.y, self.height, image[0]) && fits(self.x, self.width, image[1]) {
            return Ok(());
        }
        Err(Error::OutsideImage {
            got: [self.y, self.x, self.height, self.width],
            image,
        })
    }

    /// Pixels of the image per pixel of the crop resized to `size`.
    pub(crate) fn steps(&self, size: [usize; 2]) -> [f32; 2] {
        [self.height / size[0] as f32, self.width / size[1] as f32]
    }

    /// The crop of each image, resized to `size`: `[batch, channels, height, width]`.
    pub(crate) fn cut(&self, images: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [_, _, height, width] = images.dims();
        let steps = self.steps(size).map(f64::from);
        let sides = [(self.y, self.height, height), (self.x, self.width, width)];
        let [rows, cols] = [0, 1].map(|axis| {
            let (start, side, pixels) = sides[axis];
            let places = places(start.into(), side.into(), size[axis], steps[axis]);
            ResizeMatrix::at(pixels, &places, steps[axis], Filter::Linear(Align::Edges)).or_panic()
        });
        Resize::by(rows, cols).apply_map(images)
    }
}

/// Centres of `count` pixels of `step` from `start`, no nearer to the crop's edges than half a pixel; the image's
/// first centre is 0.
fn places(start: f64, side: f64, count: usize, step: f64) -> Vec<f64> {
    let border = 0.5f64.min(side / 2.0);
    (0..count)
        .map(|pixel| start - 0.5 + ((pixel as f64 + 0.5) * step).clamp(border, side - border))
        .collect()
}

/// Random crops on whole pixels of an image of `size`.
///
/// Each covers a part of its area drawn evenly from `scale`, with a ratio of width to height between ¾ and 4/3 drawn
/// evenly in its logarithm: torchvision's `RandomResizedCrop` with sides cut to the image instead of new tries.
///
/// # Errors
///
/// [`Error::Zero`] for no crops or an empty image, [`Error::Range`] for a `scale` outside `(0, 1]` or reversed.
pub fn random_crops(
    count: usize,
    size: [usize; 2],
    scale: RangeInclusive<f32>,
    rng: &mut impl Rng,
) -> Result<Vec<CropBox>, Error> {
    nonzero("crops", &[count])?;
    nonzero("image size in px", &size)?;
    let (low, high) = (*scale.start(), *scale.end());
    let range = |got: f32, expected: &str| Error::Range {
        what: "scale of a crop",
        expected: expected.into(),
        got: f64::from(got),
    };
    if low.is_nan() || low <= 0.0 {
        return Err(range(low, "more than 0"));
    }
    if high.is_nan() || high > 1.0 || high < low {
        return Err(range(high, "from the smallest scale to 1"));
    }
    let [height, width] = size;
    let ratio = (4.0f32 / 3.0).ln();
    let draw = |_| {
        let mut even = |low: f32, high: f32| low + (high - low) * rng.random::<f32>();
        let area = (height * width) as f32 * even(low, high);
        let aspect = even(-ratio, ratio).exp();
        let side = |length: f32, all: usize| (length.round() as usize).clamp(1, all);
        let (rows, cols) = (
            side((area / aspect).sqrt(), height),
            side((area * aspect).sqrt(), width),
        );
        let mut start = |room: usize| rng.random_range(0..=room) as f32;
        CropBox {
            y: start(height - rows),
            x: start(width - cols),
            height: rows as f32,
            width: cols as f32,
        }
    };
    Ok((0..count).map(draw).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn a_crop_of_the_asked_size_on_whole_pixels_is_that_part_of_the_image() {
        let images = Tensor::random([2, 3, 7, 9], Distribution::Default, &Device::flex());
        let crop = CropBox {
            y: 3.0,
            x: 4.0,
            height: 4.0,
            width: 5.0,
        };
        let part = images.clone().slice([0..2, 0..3, 3..7, 4..9]);
        crop.cut(images, [4, 5])
            .into_data()
            .assert_approx_eq(&part.into_data(), Tolerance::<f32>::absolute(1e-6));
    }

    #[test]
    fn random_crops_lie_inside_and_have_the_asked_area() {
        let mut rng = StdRng::seed_from_u64(1);
        let crops = random_crops(200, [60, 90], 0.1..=0.4, &mut rng).unwrap();
        for crop in &crops {
            crop.check([60, 90]).unwrap();
            let area = crop.height * crop.width / 5400.0;
            assert!((0.09..0.42).contains(&area), "{area}");
        }
        assert!(crops.iter().any(|crop| crop.height > crop.width));
        assert!(random_crops(0, [60, 90], 0.1..=0.4, &mut rng).is_err());
        assert!(random_crops(1, [60, 0], 0.1..=0.4, &mut rng).is_err());
        assert!(random_crops(1, [60, 90], 0.0..=0.4, &mut rng).is_err());
        assert!(random_crops(1, [60, 90], 0.5..=0.4, &mut rng).is_err());
        assert!(random_crops(1, [60, 90], 0.5..=1.5, &mut rng).is_err());
    }
}
