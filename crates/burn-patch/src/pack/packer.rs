//! Several images in a row.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::grid::nonzero;
use crate::pack::by_size::BySize;
use crate::pack::overflow::Overflow;
use crate::pack::pack_plan::PackPlan;
use crate::pack::packed::Packed;
use crate::pack::slot::Slot;

/// Puts images into rows of a fixed number of tokens: each into the first row that has room for it, in the order of the
/// list.
///
/// Dehghani et al., [Patch n' Pack](https://arxiv.org/abs/2307.06304) (NaViT), section 2.1 and appendix A.3.
///
/// # Departures
///
/// NaViT drops images that are left over; here each is in a pack, or there is an error. vit-pytorch's NaViT opens a new
/// row as soon as the last has no room (next fit) and does not look at those before.
///
/// ```
/// use burn_patch::pack::{Overflow, Packer};
///
/// let packer = Packer::new(10).with_rows(Some(1)).with_overflow(Overflow::Spill);
/// let packs = packer.plan(&[6, 5, 4, 5])?;
/// assert_eq!(packs.iter().map(|pack| pack.images()).collect::<Vec<_>>(), [[0, 2], [1, 3]]);
/// assert!(packer.plan(&[11]).is_err());
/// assert!(packer.with_overflow(Overflow::Reject).plan(&[6, 5]).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packer {
    /// Tokens of a row.
    pub length: usize,
    /// Rows of a pack; none: as many as there must be.
    pub rows: Option<usize>,
    /// What happens where these rows have no room left.
    pub overflow: Overflow,
}

impl Packer {
    /// Rows of `length` tokens, as many as there must be.
    pub fn new(length: usize) -> Self {
        Self {
            length,
            rows: None,
            overflow: Overflow::Reject,
        }
    }

    /// Sets the number of rows of a pack; none: as many as there must be.
    #[must_use]
    pub fn with_rows(self, rows: Option<usize>) -> Self {
        Self { rows, ..self }
    }

    /// Sets what happens where these rows have no room left.
    #[must_use]
    pub fn with_overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// Where images of these `lengths` in tokens go: a pack after the other.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no images, an image without tokens, rows of no tokens or packs of no rows,
    /// [`Error::LongerThanRow`] for an image that no row holds, [`Error::PackFull`] for one that
    /// [does not fit](Overflow::Reject).
    pub fn plan(&self, lengths: &[usize]) -> Result<Vec<PackPlan>, Error> {
        nonzero("tokens of a row", &[self.length])?;
        nonzero("rows of a pack", &[self.rows.unwrap_or(1)])?;
        nonzero("images to pack", &[lengths.len()])?;
        nonzero("tokens of an image", lengths)?;
        let mut rows: Vec<Vec<Slot>> = Vec::new();
        for (image, &length) in lengths.iter().enumerate() {
            if length > self.length {
                return Err(Error::LongerThanRow {
                    image,
                    expected: self.length,
                    got: length,
                });
            }
            let room = rows.iter().position(|row| end(row) + length <= self.length);
            let row = room.unwrap_or(rows.len());
            if self.overflow == Overflow::Reject && self.rows == Some(row) {
                return Err(Error::PackFull {
                    image,
                    rows: row,
                    length: self.length,
                    got: length,
                });
            }
            if row == rows.len() {
                rows.push(Vec::new());
            }
            let start = end(&rows[row]);
            rows[row].push(Slot {
                image,
                start,
                length,
            });
        }
        let packs = rows.chunks(self.rows.unwrap_or(rows.len()));
        let packs = packs.map(|rows| PackPlan::new(self.length, rows.to_vec()));
        Ok(packs.collect())
    }

    /// Packs the tokens of images.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan).
    pub fn pack(&self, images: &BySize) -> Result<Vec<Packed>, Error> {
        let plans = self.plan(&images.lengths())?;
        Ok(plans
            .into_iter()
            .map(|plan| Packed::new(images, plan))
            .collect())
    }
}

/// Tokens of a row that are taken.
fn end(row: &[Slot]) -> usize {
    row.last().map_or(0, |slot| slot.start + slot.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(plan: &PackPlan) -> Vec<Vec<(usize, usize)>> {
        let row = |row: &Vec<Slot>| row.iter().map(|slot| (slot.image, slot.start)).collect();
        plan.rows().iter().map(row).collect()
    }

    #[test]
    fn each_image_is_in_the_first_row_with_room() {
        let plans = Packer::new(10).plan(&[6, 5, 4, 3, 2]).unwrap();
        assert_eq!(plans.len(), 1);
        let want = vec![vec![(0, 0), (2, 6)], vec![(1, 0), (3, 5), (4, 8)]];
        assert_eq!(starts(&plans[0]), want);
        assert_eq!((plans[0].tokens(), plans[0].pairs()), (20, 90));
    }

    #[test]
    fn what_does_not_fit_is_an_error_or_in_the_next_pack() {
        let packer = Packer::new(8).with_rows(Some(2));
        let lengths = [5, 6, 7, 3, 2];
        let error = packer.plan(&lengths).unwrap_err();
        let want = Error::PackFull {
            image: 2,
            rows: 2,
            length: 8,
            got: 7,
        };
        assert_eq!(error, want);
        let plans = packer
            .with_overflow(Overflow::Spill)
            .plan(&lengths)
            .unwrap();
        let images: Vec<_> = plans.iter().map(PackPlan::images).collect();
        assert_eq!(images, [vec![0, 1, 3, 4], vec![2]]);
    }

    #[test]
    fn an_image_that_no_row_holds_is_an_error_whatever_the_policy() {
        let packer = Packer::new(8).with_overflow(Overflow::Spill);
        let error = packer.plan(&[4, 9]).unwrap_err();
        let text = "image 1 of the list has 9 tokens; expected at most the 8 of a row";
        assert!(error.to_string().starts_with(text), "{error}");
    }

    #[test]
    fn nothing_to_pack_and_nothing_to_pack_into_are_errors() {
        for (packer, lengths) in [
            (Packer::new(0), vec![1]),
            (Packer::new(8).with_rows(Some(0)), vec![1]),
            (Packer::new(8), vec![]),
            (Packer::new(8), vec![3, 0]),
        ] {
            assert!(matches!(packer.plan(&lengths), Err(Error::Zero { .. })));
        }
    }
}
