//! The size for a budget of tokens.

use crate::Error;
use crate::grid::nonzero;

/// Where the search ends, and ten times the least ratio.
const PRECISION: f64 = 1e-5;
const LARGEST: f64 = 100.0;

/// What to resize an image of `size` (`[height, width]` in pixels) to, so that its patches are at most `budget` and as
/// many as possible at its aspect ratio.
///
/// Dehghani et al., [Patch n' Pack](https://arxiv.org/abs/2307.06304) (NaViT), section 2.1; Tschannen et al.,
/// [SigLIP 2](https://arxiv.org/abs/2502.14786) (NaFlex); `get_image_size_for_seq` in
/// `timm/data/naflex_transforms.py` of timm 1.0.31, and `get_image_size_for_max_num_patches` in transformers' Siglip2,
/// which give the same sizes.
///
/// # Equation
///
/// Per axis `patch·max(⌈size·ratio/patch⌉, 1)`, for the largest `ratio` between `10⁻⁶` and 100 that keeps the budget,
/// found by halving until `10⁻⁵` is left.
///
/// # Errors
///
/// [`Error::Zero`] for an empty image or patch or no budget, [`Error::Range`] for an image so large that no ratio of the
/// range brings it down to the budget, [`Error::Overflow`].
///
/// ```
/// use burn_patch::pack::size_for_budget;
///
/// assert_eq!(size_for_budget([480, 640], [16, 16], 256)?, [224, 288]); // 14·18 = 252 patches
/// assert_eq!(size_for_budget([37, 51], [16, 16], 576)?, [320, 448]);
/// assert!(size_for_budget([480, 640], [16, 16], 0).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
pub fn size_for_budget(
    size: [usize; 2],
    patch: [usize; 2],
    budget: usize,
) -> Result<[usize; 2], Error> {
    nonzero("image size in px", &size)?;
    nonzero("patch", &patch)?;
    nonzero("budget of patches", &[budget])?;
    let patches = |ratio: f64| {
        [0, 1].map(|axis| {
            let scaled = (size[axis] as f64 * ratio / patch[axis] as f64).ceil();
            (scaled as usize).max(1)
        })
    };
    let fits = |ratio: f64| {
        let [rows, cols] = patches(ratio);
        rows.checked_mul(cols).is_some_and(|count| count <= budget)
    };
    let (mut low, mut high) = (PRECISION / 10.0, LARGEST);
    while high - low >= PRECISION {
        let middle = (low + high) / 2.0;
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if low <= PRECISION {
        return Err(Error::Range {
            what: "ratio of an image's size for a budget of patches",
            expected: format!("between {PRECISION} and {LARGEST}"),
            got: low,
        });
    }
    let [rows, cols] = patches(low);
    let px = [rows.checked_mul(patch[0]), cols.checked_mul(patch[1])];
    match px {
        [Some(height), Some(width)] => Ok([height, width]),
        _ => Err(Error::Overflow {
            what: "patches × patch",
            got: vec![rows, cols, patch[0], patch[1]],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case([480, 640], 256, [224, 288])]
    #[case([480, 640], 1024, [432, 576])]
    #[case([1000, 10], 64, [1024, 16])]
    #[case([37, 51], 576, [320, 448])]
    fn sizes_are_those_of_timm(
        #[case] size: [usize; 2],
        #[case] budget: usize,
        #[case] want: [usize; 2],
    ) {
        assert_eq!(size_for_budget(size, [16, 16], budget).unwrap(), want);
    }

    #[test]
    fn no_size_exceeds_its_budget() {
        for seed in 1..200usize {
            let size = [1 + seed * 7919 % 4000, 1 + seed * 104_729 % 4000];
            let (patch, budget) = ([1 + seed % 17, 1 + seed % 23], 1 + seed * 31 % 700);
            let [height, width] = size_for_budget(size, patch, budget).unwrap();
            assert!(height / patch[0] * (width / patch[1]) <= budget, "{size:?}");
            assert_eq!([height % patch[0], width % patch[1]], [0, 0]);
        }
    }

    #[test]
    fn what_no_ratio_fits_is_an_error() {
        for (size, patch, budget) in [
            ([0, 5], [4, 4], 9),
            ([5, 5], [4, 0], 9),
            ([5, 5], [4, 4], 0),
        ] {
            let error = size_for_budget(size, patch, budget).unwrap_err();
            assert!(matches!(error, Error::Zero { .. }), "{error}");
        }
        let error = size_for_budget([1_000_000_000; 2], [16, 16], 100).unwrap_err();
        assert!(
            error.to_string().contains("between 0.00001 and 100"),
            "{error}"
        );
    }
}
