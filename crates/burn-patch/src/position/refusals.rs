//! What encodings refuse alike.

use crate::Error;
use crate::tokens::Layout;

/// [`Error::Place`].
pub(crate) fn refuse(
    what: &'static str,
    expected: impl Into<String>,
    got: impl Into<String>,
) -> Result<(), Error> {
    Err(Error::Place {
        what,
        expected: expected.into(),
        got: got.into(),
    })
}

/// Refuses clips.
pub(crate) fn one_frame(what: &'static str, layout: &Layout) -> Result<(), Error> {
    match layout.grids().iter().find(|grid| grid.frames > 1) {
        None => Ok(()),
        Some(grid) => refuse(what, "one frame", format!("{} frames", grid.frames)),
    }
}

/// The `[rows, cols]` that all images have; refuses clips and grids of different sizes.
pub(crate) fn one_grid(what: &'static str, layout: &Layout) -> Result<[usize; 2], Error> {
    one_frame(what, layout)?;
    let mut grids = layout.grids().iter().map(|grid| [grid.rows, grid.cols]);
    let Some(first) = grids.next() else {
        return Ok([0, 0]);
    };
    if let Some(other) = grids.find(|grid| *grid != first) {
        refuse(
            what,
            "one grid (rows, columns) for all images",
            format!("{first:?} and {other:?}"),
        )?;
    }
    Ok(first)
}
