//! Naming what is in pictures.

use std::sync::Arc;

use burn::tensor::activation::softmax;
use burn_patch::ops::backends::device;
use support::data::{Pictures, picture};
use support::train::{PictureBatcher, TEST_BATCH};
use support::{Draws, Error, prepare_backend, say, stop};

use crate::cli::PredictArgs;
use crate::model::saved::load;

/// Classes named for each picture.
const NAMED: usize = 3;

/// Prints a line for each picture: the likeliest classes and how likely they are.
pub(crate) fn predict(args: &PredictArgs) -> Result<(), Error> {
    prepare_backend(&args.backend, false);
    let device = device(&args.backend)?;
    let (vit, config) = load(&args.model, &device)?;
    for paths in args.images.chunks(TEST_BATCH) {
        stop::check().map_err(|error| error.ended("the pictures above are done"))?;
        let mut pixels = Vec::new();
        for path in paths {
            pixels.extend(picture(path, config.image_size, config.channels)?);
        }
        let pictures = Pictures::unlabelled(pixels, config.channels, config.image_size);
        let batcher = PictureBatcher::new(Arc::new(pictures), 0, false, Draws::new(0, 0));
        let all: Vec<usize> = (0..paths.len()).collect();
        let logits = vit.forward(batcher.collect(&all, 0, &device)?.images);
        let shares = softmax(logits, 1)
            .into_data()
            .try_to_vec_as::<f32>()
            .expect("shares are floats");
        for (path, shares) in paths.iter().zip(shares.chunks(config.num_classes)) {
            say(format_args!(
                "{}: {}",
                path.display(),
                named(shares, &config.classes)
            ));
        }
    }
    Ok(())
}

fn named(shares: &[f32], classes: &[String]) -> String {
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let words = order.into_iter().take(NAMED).map(|label| {
        let name = classes.get(label).map_or("?", String::as_str);
        format!("{name} {:.1} %", 100.0 * shares[label])
    });
    words.collect::<Vec<_>>().join(", ")
}
