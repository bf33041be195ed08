//! How many tokens merge in each block.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How many tokens merge in each block.
///
/// Bolya et al., [Token Merging](https://arxiv.org/abs/2210.09461), section 4 and `tome/utils.py` (`parse_r`). Schedules
/// merge at most half of the tokens that are there, as the reference does.
///
/// ```
/// use burn_patch::reduce::MergeSchedule;
///
/// // The paper's decreasing schedule: as many in all as 8 in each of 4 blocks.
/// let falling = MergeSchedule::inflected(8, -1.0, 4)?;
/// assert_eq!(falling, MergeSchedule::List(vec![16, 10, 5, 0]));
/// assert_eq!(falling.merged(196, 1)?, 10);
/// assert_eq!(MergeSchedule::Constant(8).merged(11, 3)?, 5);
/// assert!(MergeSchedule::Once(8).merged(11, 0).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MergeSchedule {
    /// So many, in whatever one block it stands. More than half of the tokens are an error.
    Once(usize),
    /// So many in every block.
    Constant(usize),
    /// As many as leave so many.
    To(usize),
    /// So many in each block, from the first; 0 in those beyond the list.
    List(Vec<usize>),
}

impl MergeSchedule {
    /// `r` tokens a block on average over `depth` blocks, growing evenly for `inflect` 1, shrinking for −1, constant
    /// for 0, from `int(r·(1 − inflect))` to what makes the mean `r`, each cut to a whole number.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for an `inflect` outside `[−1, 1]`.
    pub fn inflected(r: usize, inflect: f64, depth: usize) -> Result<Self, Error> {
        if !(-1.0..=1.0).contains(&inflect) {
            return Err(Error::Range {
                what: "inflection of a merging schedule",
                expected: "a number in [-1, 1]".into(),
                got: inflect,
            });
        }
        let first = (r as f64 * (1.0 - inflect)).trunc();
        let last = 2.0 * r as f64 - first;
        let step = (last - first) / depth.saturating_sub(1).max(1) as f64;
        let merged = (0..depth).map(|block| (first + step * block as f64) as usize);
        Ok(Self::List(merged.collect()))
    }

    /// How many of `tokens` merge in block `block`, from 0.
    ///
    /// # Errors
    ///
    /// [`Error::Merged`] where [`Once`](Self::Once) is more than half.
    pub fn merged(&self, tokens: usize, block: usize) -> Result<usize, Error> {
        let half = tokens / 2;
        let wanted = match self {
            Self::Once(got) if *got > half => {
                return Err(Error::Merged { tokens, got: *got });
            }
            Self::Once(merged) | Self::Constant(merged) => *merged,
            Self::To(left) => tokens.saturating_sub(*left),
            Self::List(list) => list.get(block).copied().unwrap_or(0),
        };
        Ok(wanted.min(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// `parse_r` of the reference, run.
    #[rstest]
    #[case(12, 8, 0.0, vec![8; 12])]
    #[case(12, 8, -1.0, vec![16, 14, 13, 11, 10, 8, 7, 5, 4, 2, 1, 0])]
    #[case(12, 8, 1.0, vec![0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16])]
    #[case(5, 7, 0.3, vec![4, 5, 7, 8, 10])]
    #[case(1, 3, -1.0, vec![6])]
    fn schedules_are_the_references(
        #[case] depth: usize,
        #[case] r: usize,
        #[case] inflect: f64,
        #[case] want: Vec<usize>,
    ) {
        let got = MergeSchedule::inflected(r, inflect, depth).unwrap();
        assert_eq!(got, MergeSchedule::List(want));
    }

    #[test]
    fn a_list_ends_in_zeros_and_none_merges_more_than_half() {
        let list = MergeSchedule::List(vec![3, 9]);
        let merged = [0, 1, 2].map(|block| list.merged(10, block).unwrap());
        assert_eq!(merged, [3, 5, 0]);
        assert_eq!(MergeSchedule::To(3).merged(12, 0), Ok(6));
        assert_eq!(MergeSchedule::To(9).merged(12, 0), Ok(3));
        assert_eq!(MergeSchedule::To(9).merged(4, 0), Ok(0));
        assert!(MergeSchedule::inflected(8, 1.5, 4).is_err());
        let error = MergeSchedule::Once(7).merged(12, 0).unwrap_err();
        let text = "expected at most half of the 12 tokens to be merged away at once, got 7";
        assert_eq!(error.to_string(), text);
    }
}
