//! Pictures of a folder or of shards, in memory.

use std::path::Path;

use burn_patch_data::{OnBad, PictureSet, open};
use image::imageops::{FilterType, resize};
use rayon::prelude::*;

use crate::data::decode::planes;
use crate::data::pictures::Pictures;
use crate::data::split::Split;
use crate::error::Error;
use crate::output::say;

/// Fewest training pictures.
const FEWEST: usize = 10;

/// Reads what [`open`] finds under `path`, each picture resized to `side × side` RGB, and says what was left out.
pub(super) fn read(path: &Path, side: u32, on_bad: OnBad) -> Result<Split, Error> {
    let refused = |why: String| Error::DataFolder {
        path: path.to_owned(),
        why,
    };
    let sets = open(path).and_then(|sets| sets.checked(side, on_bad));
    let sets = sets.map_err(|error| refused(error.to_string()))?;
    if sets.classes.len() > usize::from(u8::MAX) {
        let got = sets.classes.len();
        return Err(refused(format!("expected at most 255 classes, got {got}")));
    }
    let summary = sets.summary();
    say(format_args!("{}: {summary}", path.display()));
    let classes = sets.classes.clone();
    let (train, test) = sets.held_out();
    if train.len() < FEWEST {
        return Err(refused(format!(
            "expected at least {FEWEST} pictures to train with, got {} ({summary})",
            train.len()
        )));
    }
    Ok(Split::new(
        &path.display().to_string(),
        &classes,
        pictures(&train, side)?.shuffled(),
        pictures(&test, side)?.shuffled(),
    ))
}

fn pictures(set: &PictureSet, side: u32) -> Result<Pictures, Error> {
    let decoded = (0..set.len()).into_par_iter().map(|index| {
        let picture = set.picture(index, side)?;
        Ok(planes(&resize(
            &picture,
            side,
            side,
            FilterType::CatmullRom,
        )))
    });
    let decoded = decoded.collect::<Result<Vec<_>, burn_patch_data::Error>>();
    Ok(Pictures {
        pixels: decoded.map_err(Error::Picture)?.concat(),
        labels: (0..set.len()).map(|index| set.label(index) as u8).collect(),
        channels: 3,
        size: [side as usize; 2],
    })
}
