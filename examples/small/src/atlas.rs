//! Pieces of the bundled emoji atlas, as pictures of any size.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;

/// Side of an emoji in pixels.
const CELL: u32 = 32;

/// The block of `rows × cols` emoji whose upper left one is at `[row, col]` of the atlas (40 rows of 48).
///
/// # Panics
///
/// If it lies beyond the atlas.
pub fn emoji([row, col]: [u32; 2], [rows, cols]: [u32; 2]) -> RgbImage {
    let atlas = image::load_from_memory(include_bytes!("../../../data/emoji/emoji32.png"));
    let atlas = atlas.expect("the bundled atlas is a PNG").into_rgb8();
    let [left, top, width, height] = [col, row, cols, rows].map(|cells| cells * CELL);
    assert!(
        left + width <= atlas.width() && top + height <= atlas.height(),
        "expected emoji within the atlas"
    );
    image::imageops::crop_imm(&atlas, left, top, width, height).to_image()
}

/// A picture as `[3, height, width]`, from −1 to 1.
pub fn to_tensor(picture: &RgbImage, device: &Device) -> Tensor<3> {
    let (width, height) = picture.dimensions();
    let values = picture
        .iter()
        .map(|value| f32::from(*value) / 127.5 - 1.0)
        .collect::<Vec<_>>();
    let data = TensorData::new(values, [height as usize, width as usize, 3]);
    Tensor::<3>::from_data(data, device).permute([2, 0, 1])
}
