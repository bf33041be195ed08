//! A picture as a checkpoint wants it.

use image::RgbImage;
use image::imageops::{self, FilterType};

/// How pixels between pixels are found; all of them take the mean over what they shrink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Triangles (Pillow's `BILINEAR`).
    Bilinear,
    /// Cubic, a = −½ (Pillow's `BICUBIC`).
    #[default]
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
}

impl Interpolation {
    fn filter(self) -> FilterType {
        match self {
            Self::Nearest => FilterType::Nearest,
            Self::Bilinear => FilterType::Triangle,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Lanczos => FilterType::Lanczos3,
        }
    }
}

/// The size before cropping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side gets this length, in pixels; the other keeps the aspect, cut to whole pixels (torchvision).
    Shorter(u32),
    /// `[height, width]`, whatever the aspect.
    Exact([u32; 2]),
}

/// Resizing, cropping and normalisation.
///
/// ```
/// use burn_patch_data::{Interpolation, Preprocess, Resize};
///
/// let preprocess = Preprocess {
///     resize: Resize::Shorter(8),
///     crop: Some([8, 8]),
///     interpolation: Interpolation::Bicubic,
///     mean: [0.5; 3],
///     std: [0.25; 3],
/// };
/// let white = image::RgbImage::from_pixel(20, 16, image::Rgb([255; 3]));
/// let (values, size) = preprocess.apply(&white);
/// assert_eq!((values.len(), size), (3 * 8 * 8, [8, 8]));
/// assert!(values.iter().all(|value| *value == 2.0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// The size before cropping.
    pub resize: Resize,
    /// `[height, width]` of the part at the centre that is kept.
    pub crop: Option<[u32; 2]>,
    /// How it is resized.
    pub interpolation: Interpolation,
    /// Subtracted from each channel, whose values lie in `[0, 1]`.
    pub mean: [f32; 3],
    /// Divides each channel then.
    pub std: [f32; 3],
}

impl Preprocess {
    /// Values `[3, height, width]`, one after another, with their height and width.
    pub fn apply(&self, picture: &RgbImage) -> (Vec<f32>, [usize; 2]) {
        let picture = self.bytes(picture);
        let size = [picture.height() as usize, picture.width() as usize];
        let mut values = Vec::with_capacity(3 * size[0] * size[1]);
        for channel in 0..3 {
            let normal =
                |value: u8| (f32::from(value) / 255.0 - self.mean[channel]) / self.std[channel];
            values.extend(picture.pixels().map(|pixel| normal(pixel[channel])));
        }
        (values, size)
    }

    /// The picture resized and cropped. What a crop reaches beyond it is black.
    pub fn bytes(&self, picture: &RgbImage) -> RgbImage {
        let [height, width] = self.resized([picture.height(), picture.width()]);
        let resized = if [height, width] == [picture.height(), picture.width()] {
            picture.clone()
        } else {
            imageops::resize(picture, width, height, self.interpolation.filter())
        };
        match self.crop {
            Some(crop) => centre(&resized, crop),
            None => resized,
        }
    }

    fn resized(&self, [height, width]: [u32; 2]) -> [u32; 2] {
        match self.resize {
            Resize::Exact(size) => size,
            Resize::Shorter(side) => {
                let long = |long: u32, short: u32| {
                    (u64::from(side) * u64::from(long) / u64::from(short.max(1))) as u32
                };
                if height <= width {
                    [side, long(width, height)]
                } else {
                    [long(height, width), side]
                }
            }
        }
    }
}

/// The centre, its corner rounded to even as torchvision's `center_crop` does.
fn centre(picture: &RgbImage, [height, width]: [u32; 2]) -> RgbImage {
    let corner =
        |side: u32, crop: u32| ((f64::from(side) - f64::from(crop)) / 2.0).round_ties_even() as i64;
    let mut out = RgbImage::new(width, height);
    let left = corner(picture.width(), width);
    let top = corner(picture.height(), height);
    imageops::replace(&mut out, picture, -left, -top);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_met_and_the_other_cut_to_whole_pixels() {
        let preprocess = Preprocess {
            resize: Resize::Shorter(10),
            crop: None,
            interpolation: Interpolation::Bilinear,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let size = |width, height| preprocess.apply(&RgbImage::new(width, height)).1;
        assert_eq!(size(37, 20), [10, 18]);
        assert_eq!(size(20, 37), [18, 10]);
    }

    #[test]
    fn the_crop_is_the_centre_and_black_beyond_the_picture() {
        let picture = RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let crop = centre(&picture, [2, 3]);
        assert_eq!(crop.get_pixel(0, 0).0, [1, 1, 9]);
        let wide = centre(&picture, [4, 7]);
        assert_eq!(wide.get_pixel(0, 0).0, [0, 0, 0]);
        assert_eq!(wide.get_pixel(1, 0).0, [0, 0, 9]);
    }
}
