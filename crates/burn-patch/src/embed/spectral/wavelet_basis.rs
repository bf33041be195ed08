//! Bases of discrete wavelet transforms.

use serde::{Deserialize, Serialize};

use crate::embed::spectral::matrix::Matrix;

/// An orthonormal wavelet.
///
/// Daubechies' wavelets go by two numbers, the taps of the filter and half as many vanishing moments: D4 is `db2`
/// in PyWavelets, and `db4` there is D8. The names here count taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Wavelet {
    /// Haar: 2 taps, 1 vanishing moment; D2, `haar` or `db1` in PyWavelets.
    #[default]
    Haar,
    /// Daubechies' with 4 taps and 2 vanishing moments: D4, `db2` in PyWavelets.
    DaubechiesFourTaps,
    /// Daubechies' with 8 taps and 4 vanishing moments: D8, `db4` in PyWavelets.
    DaubechiesEightTaps,
}

impl Wavelet {
    /// The scaling filter, by rising place (`rec_lo` in PyWavelets).
    fn taps(self) -> Vec<f64> {
        match self {
            Self::Haar => vec![0.5f64.sqrt(); 2],
            Self::DaubechiesFourTaps => {
                let root = 3.0f64.sqrt();
                [1.0 + root, 3.0 + root, 3.0 - root, 1.0 - root]
                    .map(|tap| tap / (4.0 * 2.0f64.sqrt()))
                    .to_vec()
            }
            Self::DaubechiesEightTaps => vec![
                0.230_377_813_308_896_5,
                0.714_846_570_552_915_7,
                0.630_880_767_929_858_9,
                -0.027_983_769_416_859_854,
                -0.187_034_811_719_093_1,
                0.030_841_381_835_560_764,
                0.032_883_011_666_885_2,
                -0.010_597_401_785_069_032,
            ],
        }
    }

    fn filters(self) -> [Filter; 2] {
        let low = self.taps();
        let start = 1 - (low.len() / 2) as isize;
        let high = (0..low.len()).map(|tap| {
            let sign = if tap.is_multiple_of(2) { 1.0 } else { -1.0 };
            sign * low[low.len() - 1 - tap]
        });
        let high = Filter {
            start,
            taps: high.collect(),
        };
        [Filter { start, taps: low }, high]
    }

    /// How many pixels on each side of a cell the coefficients over it read, after `levels`.
    pub(crate) fn reach(self, levels: usize) -> usize {
        (self.taps().len() / 2 - 1) * ((1 << levels) - 1)
    }
}

/// Coefficient `k` of a level is `Σ taps[i]·x[2^level·k + start + i]`.
#[derive(Debug, Clone)]
struct Filter {
    start: isize,
    taps: Vec<f64>,
}

impl Filter {
    /// This over the approximation that `coarse` gives with a step of `step`.
    fn after(&self, coarse: &Self, step: usize) -> Self {
        let len = (self.taps.len() - 1) * step + coarse.taps.len();
        let mut taps = vec![0.0; len];
        for (outer, left) in self.taps.iter().enumerate() {
            for (inner, right) in coarse.taps.iter().enumerate() {
                taps[outer * step + inner] += left * right;
            }
        }
        Self {
            start: self.start * step as isize + coarse.start,
            taps,
        }
    }

    /// The coefficients over a cell of `side` pixels: `[side/step, cols]`, with a column for each pixel by `place`.
    fn rows(
        &self,
        side: usize,
        step: usize,
        cols: usize,
        place: impl Fn(isize) -> usize,
    ) -> Matrix {
        let mut rows = Matrix::from_fn(side / step, cols, |_, _| 0.0);
        for k in 0..side / step {
            for (tap, value) in self.taps.iter().enumerate() {
                let pixel = (k * step + tap) as isize + self.start;
                rows.add(k, place(pixel), *value);
            }
        }
        rows
    }
}

/// What surrounds a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surround {
    /// The cell again, periodically: columns are its pixels.
    Itself,
    /// The picture: columns are the pixels of the cell and [`Wavelet::reach`] more on each side.
    Picture,
}

/// The coefficients over a cell of the multi-level transform: coarsest approximation, then for each level from
/// the coarsest the details down the columns, along the rows, and both (cH, cV, cD of PyWavelets' `wavedec2`).
///
/// `2^levels` must divide both sides; then there are as many coefficients as pixels.
pub(crate) fn wavelet_basis(
    wavelet: Wavelet,
    levels: usize,
    cell: [usize; 2],
    surround: Surround,
) -> Matrix {
    let [low, high] = wavelet.filters();
    let reach = wavelet.reach(levels);
    let along = |filter: &Filter, level: usize, side: usize| match surround {
        Surround::Itself => filter.rows(side, 1 << level, side, |pixel| {
            pixel.rem_euclid(side as isize) as usize
        }),
        Surround::Picture => filter.rows(side, 1 << level, side + 2 * reach, |pixel| {
            (pixel + reach as isize) as usize
        }),
    };
    let both =
        |level, [y, x]: [&Filter; 2]| along(y, level, cell[0]).kron(&along(x, level, cell[1]));
    let mut approximation = Filter {
        start: 0,
        taps: vec![1.0],
    };
    let mut parts = Vec::new();
    for level in 1..=levels {
        let detail = high.after(&approximation, 1 << (level - 1));
        approximation = low.after(&approximation, 1 << (level - 1));
        let (a, d) = (&approximation, &detail);
        let details = [[d, a], [a, d], [d, d]].map(|pair| both(level, pair));
        parts.push(Matrix::stack(&details));
    }
    parts.push(both(levels, [&approximation, &approximation]));
    parts.reverse();
    Matrix::stack(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WAVELETS: [Wavelet; 3] = [
        Wavelet::Haar,
        Wavelet::DaubechiesFourTaps,
        Wavelet::DaubechiesEightTaps,
    ];

    #[rstest]
    #[case([4, 2], 1)]
    #[case([8, 4], 2)]
    #[case([16, 16], 4)]
    #[case([12, 8], 2)]
    fn reconstruction_is_perfect_even_where_filters_are_longer_than_the_patch(
        #[case] patch: [usize; 2],
        #[case] levels: usize,
    ) {
        for wavelet in WAVELETS {
            let basis = wavelet_basis(wavelet, levels, patch, Surround::Itself);
            assert_eq!([basis.rows(), basis.cols()], [patch[0] * patch[1]; 2]);
            assert!(
                basis.distance_from_orthonormal_rows() < 1e-12,
                "{wavelet:?}"
            );
        }
    }

    #[test]
    fn details_vanish_on_polynomials_below_the_number_of_moments() {
        for (wavelet, moments) in WAVELETS.into_iter().zip([1, 2, 4]) {
            let [_, high] = wavelet.filters();
            let moment = |power: i32| -> f64 {
                let terms = high.taps.iter().enumerate();
                terms
                    .map(|(place, tap)| tap * (place as f64).powi(power))
                    .sum()
            };
            assert!(
                (0..moments).all(|power| moment(power).abs() < 1e-9),
                "{wavelet:?}"
            );
            assert!(moment(moments).abs() > 0.1, "{wavelet:?}");
        }
    }

    #[test]
    fn a_cell_of_the_picture_reads_exactly_its_reach() {
        for wavelet in WAVELETS {
            let basis = wavelet_basis(wavelet, 2, [8, 4], Surround::Picture);
            let reach = wavelet.reach(2);
            assert_eq!(basis.cols(), (8 + 2 * reach) * (4 + 2 * reach));
            let read = |col| (0..basis.rows()).any(|row| basis.at(row, col).abs() > 1e-12);
            assert!(read(0) && read(basis.cols() - 1), "{wavelet:?}");
        }
    }
}
