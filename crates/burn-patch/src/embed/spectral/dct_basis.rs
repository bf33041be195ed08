//! Bases of the discrete cosine transform.

use core::f64::consts::PI;

use crate::Error;
use crate::embed::spectral::matrix::Matrix;

/// JPEG's blocks are 8 pixels wide and high.
const JPEG_BLOCK: usize = 8;

/// JFIF's conversion from RGB, without the offset of 128: rows Y, Cb, Cr.
const YCBCR: [[f64; 3]; 3] = [
    [0.299, 0.587, 0.114],
    [-0.168_735_891_647_856_7, -0.331_264_108_352_143_3, 0.5],
    [0.5, -0.418_687_589_158_345_2, -0.081_312_410_841_654_8],
];

/// The orthonormal DCT-II: row `k` is `√(2/n)·cos(π(i + ½)k/n)`, row 0 divided by `√2`.
pub(crate) fn dct_matrix(n: usize) -> Matrix {
    Matrix::from_fn(n, n, |k, i| {
        let scale = if k == 0 { 1.0 } else { 2.0 };
        let angle = PI * (i as f64 + 0.5) * k as f64 / n as f64;
        (scale / n as f64).sqrt() * angle.cos()
    })
}

/// JPEG's order of the coefficients of a block, for rectangles too: anti-diagonal after anti-diagonal of `v + u`,
/// the even ones upwards, the odd ones downwards. Each is `[v, u]`.
pub(crate) fn zigzag([height, width]: [usize; 2]) -> Vec<[usize; 2]> {
    let diagonal = |sum: usize| {
        let rows = sum.saturating_sub(width - 1)..=sum.min(height - 1);
        let cells = rows.map(move |v| [v, sum - v]);
        let mut cells: Vec<[usize; 2]> = cells.collect();
        if sum.is_multiple_of(2) {
            cells.reverse();
        }
        cells
    };
    (0..height + width - 1).flat_map(diagonal).collect()
}

/// The first `keep` coefficients of a block in zig-zag order: `[keep, height·width]`.
pub(crate) fn block_basis(block: [usize; 2], keep: usize) -> Matrix {
    let picked: Vec<usize> = zigzag(block)[..keep]
        .iter()
        .map(|[v, u]| v * block[1] + u)
        .collect();
    dct_matrix(block[0])
        .kron(&dct_matrix(block[1]))
        .select(&picked)
}

/// Sides of the blocks of luma and of chroma in a patch, as a JPEG file with 4:2:0 subsampling has them, or
/// `merged` to one block per component.
pub(crate) fn jpeg_blocks(patch: [usize; 2], merged: bool) -> Result<[[usize; 2]; 2], Error> {
    let check = |what, divisor: usize, sides: [usize; 2]| match sides
        .iter()
        .find(|side| !side.is_multiple_of(divisor))
    {
        Some(got) => Err(Error::Indivisible {
            what,
            divisor,
            got: *got,
        }),
        None => Ok(()),
    };
    check("side of a patch with subsampled chroma", 2, patch)?;
    let chroma = patch.map(|side| side / 2);
    if merged {
        return Ok([patch, chroma]);
    }
    let cut = |sides: [usize; 2]| sides.map(|side| side.min(JPEG_BLOCK));
    let whole = |what, sides: [usize; 2]| {
        let large = sides.map(|side| if side > JPEG_BLOCK { side } else { JPEG_BLOCK });
        check(what, JPEG_BLOCK, large)
    };
    whole("side of a patch of 8×8 luma blocks", patch)?;
    whole("side of a patch of 8×8 chroma blocks", chroma)?;
    Ok([cut(patch), cut(chroma)])
}

/// Coefficients of luma, then Cb, then Cr of an RGB patch, `keep` from each block: `[features, 3·height·width]`.
///
/// Chroma is averaged over 2×2 pixels. Blocks follow each other row by row.
pub(crate) fn jpeg_basis(
    patch: [usize; 2],
    [luma, chroma]: [[usize; 2]; 2],
    keep: impl Fn([usize; 2]) -> usize,
) -> Matrix {
    let half = patch.map(|side| side / 2);
    let mean = average_pairs(half[0]).kron(&average_pairs(half[1]));
    let luma = compose(&component(patch, luma, keep(luma)), None, 0);
    let blocks = component(half, chroma, keep(chroma));
    let [blue, red] = [1, 2].map(|row| compose(&blocks, Some(&mean), row));
    Matrix::stack(&[luma, blue, red])
}

/// Block transforms of a component of `size`: `[blocks·keep, height·width]`.
fn component(size: [usize; 2], block: [usize; 2], keep: usize) -> Matrix {
    let basis = block_basis(block, keep);
    let per_row = size[1] / block[1];
    let blocks = size[0] / block[0] * per_row;
    Matrix::from_fn(blocks * keep, size[0] * size[1], |row, col| {
        let (index, k) = (row / keep, row % keep);
        let (y, x) = (col / size[1], col % size[1]);
        if [y / block[0], x / block[1]] != [index / per_row, index % per_row] {
            return 0.0;
        }
        basis.at(k, y % block[0] * block[1] + x % block[1])
    })
}

/// Mean of each pair: `[n, 2n]`.
fn average_pairs(n: usize) -> Matrix {
    Matrix::from_fn(n, 2 * n, |row, col| if col / 2 == row { 0.5 } else { 0.0 })
}

/// `blocks` after `mean` after one row of the colour conversion.
fn compose(blocks: &Matrix, mean: Option<&Matrix>, row: usize) -> Matrix {
    let of_pixels = match mean {
        None => blocks.clone(),
        Some(mean) => product(blocks, mean),
    };
    let pixels = of_pixels.cols();
    Matrix::from_fn(of_pixels.rows(), 3 * pixels, |feature, value| {
        YCBCR[row][value / pixels] * of_pixels.at(feature, value % pixels)
    })
}

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    Matrix::from_fn(left.rows(), right.cols(), |row, col| {
        (0..left.cols())
            .map(|k| left.at(row, k) * right.at(k, col))
            .sum()
    })
}

/// `keep` checked against the smallest of the blocks.
pub(crate) fn check_frequencies(keep: usize, blocks: &[[usize; 2]]) -> Result<(), Error> {
    let most = blocks.iter().map(|[height, width]| height * width).min();
    let most = most.unwrap_or(0);
    if keep == 0 || keep > most {
        return Err(Error::Range {
            what: "frequencies of a block",
            expected: format!("1 to {most}"),
            got: keep as f64,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basis_is_orthonormal() {
        for n in [1, 2, 7, 16] {
            assert!(
                dct_matrix(n).distance_from_orthonormal_rows() < 1e-14,
                "{n}"
            );
        }
        let block = block_basis([4, 6], 24);
        assert!(block.distance_from_orthonormal_rows() < 1e-14);
    }

    #[test]
    fn zigzag_of_a_square_is_that_of_jpeg() {
        let first = [
            [0, 0],
            [0, 1],
            [1, 0],
            [2, 0],
            [1, 1],
            [0, 2],
            [0, 3],
            [1, 2],
        ];
        let order = zigzag([8, 8]);
        assert_eq!(order[..8], first);
        assert_eq!(order[61..], [[6, 7], [7, 6], [7, 7]]);
    }

    #[test]
    fn zigzag_of_a_rectangle_names_every_coefficient_once_by_rising_sum() {
        for size in [[2, 4], [4, 2], [1, 5], [3, 3]] {
            let order = zigzag(size);
            assert!(
                order
                    .windows(2)
                    .all(|pair| { pair[0].iter().sum::<usize>() <= pair[1].iter().sum::<usize>() })
            );
            let mut sorted = order.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), size[0] * size[1]);
        }
    }

    #[test]
    fn grey_has_no_chroma_and_its_luma_is_itself() {
        let patch = [16, 16];
        let blocks = jpeg_blocks(patch, false).unwrap();
        let basis = jpeg_basis(patch, blocks, |[h, w]| h * w);
        assert_eq!([basis.rows(), basis.cols()], [256 + 128, 768]);
        let grey = [0.5; 768];
        let coefficients = basis.apply(&grey);
        for (index, value) in coefficients.iter().enumerate() {
            let dc = index < 256 && index % 64 == 0;
            let want = if dc { 0.5 * 8.0 } else { 0.0 };
            assert!((value - want).abs() < 1e-12, "{index}: {value}");
        }
    }

    #[test]
    fn patches_that_blocks_do_not_fill_are_errors() {
        for patch in [[12, 16], [15, 16], [16, 24]] {
            assert!(matches!(
                jpeg_blocks(patch, false),
                Err(Error::Indivisible { .. })
            ));
        }
        assert_eq!(jpeg_blocks([12, 16], true), Ok([[12, 16], [6, 8]]));
        assert_eq!(jpeg_blocks([4, 2], false), Ok([[4, 2], [2, 1]]));
    }
}
