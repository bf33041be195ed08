//! The data in this repository, compiled in so that the program runs from any folder.

use serde::Deserialize;

use crate::data::idx;
use crate::data::pictures::Pictures;
use crate::data::split::Split;
use crate::error::Error;

/// Training pictures of the bundled Fashion-MNIST file; the rest is held out.
const FASHION_TRAIN: usize = 8_000;
/// As its authors name them.
const FASHION_CLASSES: [&str; 10] = [
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
];

/// The 10,000 pictures of the official test file: 8,000 to train, 2,000 held out.
pub(super) fn fashion() -> Result<Split, Error> {
    let all = idx::decode(
        include_bytes!("../../../../data/fashion-mnist/t10k-images-idx3-ubyte.gz"),
        include_bytes!("../../../../data/fashion-mnist/t10k-labels-idx1-ubyte.gz"),
    )
    .map_err(|(_, why)| broken("fashion-mnist", why))?;
    let count = all.len();
    Ok(Split::new(
        "fashion",
        FASHION_CLASSES.map(str::to_owned).to_vec(),
        all.pick(0..FASHION_TRAIN),
        all.pick(FASHION_TRAIN..count),
    ))
}

#[derive(Deserialize)]
struct EmojiLabels {
    cell: usize,
    columns: usize,
    count: usize,
    categories: Vec<String>,
    labels: Vec<u8>,
}

/// 1,911 emoji from one atlas.
pub(super) fn emoji() -> Result<Split, Error> {
    let atlas = image::load_from_memory(include_bytes!("../../../../data/emoji/emoji32.png"))
        .map_err(|error| broken("emoji", error.to_string()))?
        .into_rgb8();
    let labels: EmojiLabels =
        serde_json::from_str(include_str!("../../../../data/emoji/labels.json"))
            .map_err(|error| broken("emoji", error.to_string()))?;
    let side = labels.cell;
    let mut pixels = Vec::with_capacity(labels.count * 3 * side * side);
    for cell in 0..labels.count {
        let [left, top] = [cell % labels.columns * side, cell / labels.columns * side];
        for channel in 0..3 {
            for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
                pixels.push(atlas.get_pixel((left + x) as u32, (top + y) as u32)[channel]);
            }
        }
    }
    let all = Pictures::in_memory(pixels, labels.labels, 3, [side; 2]);
    Ok(Split::shuffled("emoji", labels.categories, all))
}

fn broken(name: &str, why: String) -> Error {
    Error::DataFile {
        path: name.into(),
        why,
    }
}
