//! Pictures of a folder or of shards.

use std::path::Path;

use burn_patch_data::{OnBad, open};

use crate::data::pictures::Pictures;
use crate::data::split::Split;
use crate::error::Error;
use crate::output::say;
use crate::stop;

/// Fewest training pictures.
const FEWEST: usize = 10;

/// What [`open`] finds under `path`, each picture resized to `side × side` RGB when it is asked for. All of them are
/// decoded once here, to find those that cannot be used and the checksum of the rest; what was left out is said.
pub(super) fn read(path: &Path, side: u32, on_bad: OnBad) -> Result<Split, Error> {
    let refused = |why: String| Error::DataFolder {
        path: path.to_owned(),
        why,
    };
    let go_on = || stop::check().is_ok();
    let sets = open(path).and_then(|sets| sets.checked_while(side, on_bad, go_on));
    stop::check().map_err(|error| error.ended("nothing was trained yet"))?;
    let sets = sets.map_err(|error| refused(error.to_string()))?;
    let summary = sets.summary();
    say(format_args!("{}: {summary}", path.display()));
    let classes = sets.classes.clone();
    let digest = sets.digest.clone().expect("checked");
    let (train, test) = sets.held_out();
    if train.len() < FEWEST {
        return Err(refused(format!(
            "expected at least {FEWEST} pictures to train with, got {} ({summary})",
            train.len()
        )));
    }
    if test.is_empty() {
        return Err(refused(format!(
            "expected pictures to hold out, got none that can be read ({summary})"
        )));
    }
    let [train, test] =
        [train, test].map(|set| Pictures::in_files(set, digest.clone(), side).shuffled());
    let name = path.display().to_string();
    Ok(Split::new(&name, classes, train, test))
}
