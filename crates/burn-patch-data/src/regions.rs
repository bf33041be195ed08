//! Regions of patches, drawn over the picture that they lie in.

use std::collections::HashMap;

use image::{Rgb, RgbImage};

const LINE: Rgb<u8> = Rgb([40, 40, 40]);

/// Two drawings of regions, each `scale` times as large as the picture: the picture with a line around every region, and
/// each region in the mean of its colours. `owner` names the region of each patch of a `[rows, cols]` grid, row by row.
///
/// # Panics
///
/// If `owner` has not one name for each patch, or the picture has fewer pixels than patches along an axis.
///
/// ```
/// use burn_patch_data::draw_regions;
/// use image::{Rgb, RgbImage};
///
/// let shades = RgbImage::from_fn(4, 2, |x, _| Rgb([10 * x as u8; 3]));
/// // The left three patches of each row are one region.
/// let [over, means] = draw_regions(&shades, &[0, 0, 0, 3, 0, 0, 0, 3], [2, 4], 3);
/// assert_eq!(over.dimensions(), (12, 6));
/// assert_eq!(means.get_pixel(0, 0), &Rgb([10; 3]));
/// assert_eq!(over.get_pixel(8, 0), means.get_pixel(8, 5)); // the line between them
/// ```
pub fn draw_regions(
    picture: &RgbImage,
    owner: &[i32],
    [rows, cols]: [usize; 2],
    scale: u32,
) -> [RgbImage; 2] {
    let (width, height) = picture.dimensions();
    assert_eq!(owner.len(), rows * cols, "expected a name for each patch");
    assert!(
        rows <= height as usize && cols <= width as usize,
        "expected a pixel for each patch"
    );
    let region = |x: u32, y: u32| {
        let row = y as usize * rows / height as usize;
        owner[row * cols + x as usize * cols / width as usize]
    };
    let means = means(picture, &region);
    let (wide, high) = (width * scale, height * scale);
    let edge = |x: u32, y: u32| {
        let here = region(x / scale, y / scale);
        let differs = |x: u32, y: u32| x < wide && y < high && region(x / scale, y / scale) != here;
        differs(x + 1, y) || differs(x, y + 1)
    };
    let drawn = |color: &dyn Fn(u32, u32) -> Rgb<u8>| {
        RgbImage::from_fn(wide, high, |x, y| match edge(x, y) {
            true => LINE,
            false => color(x / scale, y / scale),
        })
    };
    [
        drawn(&|x, y| *picture.get_pixel(x, y)),
        drawn(&|x, y| means[&region(x, y)]),
    ]
}

/// The mean colour of each region.
fn means(picture: &RgbImage, region: &impl Fn(u32, u32) -> i32) -> HashMap<i32, Rgb<u8>> {
    let mut sums = HashMap::<i32, [u64; 4]>::new();
    for (x, y, pixel) in picture.enumerate_pixels() {
        let sum = sums.entry(region(x, y)).or_default();
        for (sum, value) in sum.iter_mut().zip(pixel.0.into_iter().chain([1])) {
            *sum += u64::from(value);
        }
    }
    let mean = |[r, g, b, count]: [u64; 4]| Rgb([r, g, b].map(|sum| (sum / count) as u8));
    let means = sums.into_iter().map(|(region, sum)| (region, mean(sum)));
    means.collect()
}
