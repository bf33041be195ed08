//! Bases of the discrete Fourier transform of real pictures.

use core::f64::consts::TAU;

use crate::embed::spectral::matrix::Matrix;

/// The frequencies `[v, u]` of `numpy.fft.rfft2`, row by row: `height × (width/2 + 1)` of them. The others are
/// conjugates of these.
pub(crate) fn half_plane([height, width]: [usize; 2]) -> Vec<[usize; 2]> {
    (0..height)
        .flat_map(|v| (0..=width / 2).map(move |u| [v, u]))
        .collect()
}

/// Distance from the constant, in cycles per pixel: each axis reaches ½.
pub(crate) fn radius([height, width]: [usize; 2], [v, u]: [usize; 2]) -> f64 {
    let y = v.min(height - v) as f64 / height as f64;
    let x = u as f64 / width as f64;
    y.hypot(x)
}

/// How many frequencies of the whole plane one of the half plane stands for: `Σ weight·|X|² = Σ x²`.
pub(crate) fn plane_weight(width: usize, [_, u]: [usize; 2]) -> f64 {
    if u == 0 || 2 * u == width { 1.0 } else { 2.0 }
}

/// Real parts, then imaginary parts, of the orthonormal transform at `frequencies`: `[2·frequencies, height·width]`.
pub(crate) fn fourier_basis([height, width]: [usize; 2], frequencies: &[[usize; 2]]) -> Matrix {
    let (count, pixels) = (frequencies.len(), height * width);
    let scale = 1.0 / (pixels as f64).sqrt();
    Matrix::from_fn(2 * count, pixels, |row, pixel| {
        let [v, u] = frequencies[row % count];
        let (y, x) = (pixel / width, pixel % width);
        // Whole turns are taken off in integers, so that half turns are found exactly.
        let turns = (v * y * width + u * x * height) % pixels;
        let angle = TAU * turns as f64 / pixels as f64;
        match (row < count, 2 * turns == pixels) {
            (true, _) => scale * angle.cos(),
            (false, true) => 0.0,
            (false, false) => -scale * angle.sin(),
        }
    })
}

/// The inverse of [`fourier_basis`] at the [`half_plane`]: its transpose with the plane's weights,
/// `[height·width, 2·frequencies]`. As in `irfft2`, imaginary parts that no real picture has are ignored.
pub(crate) fn inverse_fourier_basis(size: [usize; 2]) -> Matrix {
    let frequencies = half_plane(size);
    let basis = fourier_basis(size, &frequencies);
    Matrix::from_fn(basis.cols(), basis.rows(), |pixel, row| {
        let frequency = frequencies[row % frequencies.len()];
        basis.at(row, pixel) * plane_weight(size[1], frequency)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [[usize; 2]; 5] = [[1, 1], [4, 2], [3, 5], [6, 4], [16, 16]];

    fn picture([height, width]: [usize; 2]) -> Vec<f64> {
        (0..height * width)
            .map(|i| (((7919 * i) % 2003) as f64) / 2003.0 - 0.5)
            .collect()
    }

    #[test]
    fn energy_is_that_of_the_picture_with_the_weights_of_the_plane() {
        for size in SIZES {
            let frequencies = half_plane(size);
            let picture = picture(size);
            let spectrum = fourier_basis(size, &frequencies).apply(&picture);
            let (real, imaginary) = spectrum.split_at(frequencies.len());
            let energy: f64 = frequencies
                .iter()
                .zip(real.iter().zip(imaginary))
                .map(|(at, (re, im))| plane_weight(size[1], *at) * (re * re + im * im))
                .sum();
            let want: f64 = picture.iter().map(|value| value * value).sum();
            assert!((energy - want).abs() < 1e-12 * want.max(1.0), "{size:?}");
        }
    }

    #[test]
    fn the_way_back_gives_the_picture() {
        for size in SIZES {
            let picture = picture(size);
            let spectrum = fourier_basis(size, &half_plane(size)).apply(&picture);
            let back = inverse_fourier_basis(size).apply(&spectrum);
            let apart = back.iter().zip(&picture).map(|(l, r)| (l - r).abs());
            assert!(apart.fold(0.0, f64::max) < 1e-12, "{size:?}");
        }
    }

    #[test]
    fn what_is_its_own_conjugate_has_no_imaginary_part() {
        let frequencies = half_plane([4, 6]);
        let basis = fourier_basis([4, 6], &frequencies);
        for (index, at) in frequencies.iter().enumerate() {
            let own = [0, 2].contains(&at[0]) && [0, 3].contains(&at[1]);
            let zero = (0..24).all(|pixel| basis.at(frequencies.len() + index, pixel) == 0.0);
            assert_eq!(own, zero, "{at:?}");
        }
    }

    #[test]
    fn radii_count_cycles_per_pixel_from_both_ends() {
        assert_eq!(radius([8, 4], [0, 0]), 0.0);
        assert_eq!(radius([8, 4], [6, 0]), 0.25);
        assert_eq!(radius([8, 4], [4, 2]), 0.5f64.hypot(0.5));
    }
}
