//! Polynomial positions.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::NORMAL;
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::position::Position;
use crate::position::refusals::{one_frame, refuse};
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Units};
use crate::{Error, Tokens};

const WHAT: &str = "these polynomials of row and column";

/// The usual degree.
const DEGREE: usize = 6;

/// Configuration of [`PolynomialPosition`].
#[derive(Config, Debug)]
pub struct PolynomialPositionConfig {
    /// Largest sum of the exponents of row and column; less than the longer side of the grid has cells, since these
    /// determine no more. None: 6, or as many as they determine.
    pub degree: Option<usize>,
    /// Initialiser of the coefficients.
    #[config(default = "NORMAL")]
    pub initializer: Initializer,
}

/// Trained polynomials of row and column, one for each value of a token, added to it.
///
/// The basis is that of Legendre (DLMF [18.3](https://dlmf.nist.gov/18.3)), orthogonal over the image, in both
/// coordinates.
///
/// # Shapes
///
/// - tokens of width `dim`, on any grid or off it
/// - the same tokens, `ê = e + π`; prefix tokens unchanged
///
/// # Equation
///
/// `π(y, x) = Σ C_ij·√((2i + 1)(2j + 1))·P_i(y)·P_j(x)` over `i + j ≤ degree`, `i < rows`, `j < cols`, with row and column
/// from −1 at the image's top and left edge to 1 at its bottom and right. Each term has the mean square 1 over the image.
///
/// # Departures
///
/// None, for there is no reference: positions as learned polynomials have been asked for, not published. Beyond the
/// image's edge the terms grow with the power of their degree.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{PolynomialPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let config = PolynomialPositionConfig::new().with_degree(Some(2));
/// let position = config.init(&Site::new([3, 3], 8), &device);
/// assert_eq!(position.coefficients.dims(), [6, 8]); // 1, y, x, y², y·x, x²
/// let tokens = embed.forward(Tensor::ones([1, 1, 8, 20], &device)); // another grid
/// assert_eq!(position.add(tokens, 0).embeddings().dims(), [1, 10, 8]);
/// ```
#[derive(Module, Debug)]
pub struct PolynomialPosition {
    /// A row for each term, by rising degree, then rising exponent of the column: `[terms, dim]`.
    pub coefficients: Param<Tensor<2>>,
    /// Exponents of row and column of each term.
    #[module(skip)]
    terms: Vec<[usize; 2]>,
}

impl PolynomialPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or no width, [`Error::Range`] for a degree that the grid does not determine,
    /// [`Error::Place`] for a clip.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<PolynomialPosition, Error> {
        let [frames, rows, cols] = site.grid;
        nonzero("grid", &site.grid)?;
        nonzero("dim", &[site.dim])?;
        if frames > 1 {
            refuse(WHAT, "one frame", format!("{frames} frames"))?;
        }
        let most = rows.max(cols) - 1;
        let degree = self.degree.unwrap_or(most.min(DEGREE));
        if degree > most {
            return Err(Error::Range {
                what: "degree of polynomials of row and column",
                expected: format!("0 to {most}, which a grid of {rows}×{cols} determines"),
                got: degree as f64,
            });
        }
        let exponents = (0..=degree).flat_map(|sum| (0..=sum).map(move |x| [sum - x, x]));
        let terms: Vec<_> = exponents.filter(|[y, x]| *y < rows && *x < cols).collect();
        Ok(PolynomialPosition {
            coefficients: self.initializer.init([terms.len(), site.dim], device),
            terms,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> PolynomialPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for PolynomialPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if !self.adds(before_block) {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let dtype = tokens.embeddings().dtype();
        let coefficients = self.coefficients.val();
        let precise = at_least_single(coefficients.dtype());
        let terms = self.basis(tokens.coordinates(Units::Centred).cast(precise));
        let value = terms.matmul(coefficients.cast(precise).unsqueeze_dim(0));
        add(tokens, value.cast(dtype), None)
    }
}

impl PolynomialPosition {
    /// The terms at places (`[batch, tokens, 2]`), `[batch, tokens, terms]`.
    fn basis(&self, places: Tensor<3>) -> Tensor<3> {
        let [ys, xs] = [0, 1].map(|axis| {
            let exponents = self.terms.iter().map(|term| term[axis]);
            let place = places.clone().slice_dim(2, axis..axis + 1);
            legendre(place, exponents.max().unwrap_or(0))
        });
        let terms = self.terms.iter();
        let terms = terms.map(|[y, x]| ys[*y].clone() * xs[*x].clone());
        Tensor::cat(terms.collect(), 2)
    }
}

/// `√(2n + 1)·P_n(x)` for `n` from 0 to `degree`, by `n·P_n = (2n − 1)·x·P_{n−1} − (n − 1)·P_{n−2}`.
fn legendre(x: Tensor<3>, degree: usize) -> Vec<Tensor<3>> {
    let mut polynomials = vec![x.ones_like(), x.clone()];
    for n in 2..=degree {
        let order = n as f64;
        let [before, last] = [&polynomials[n - 2], &polynomials[n - 1]];
        let next = x.clone() * last.clone() * ((2.0 * order - 1.0) / order)
            - before.clone() * ((order - 1.0) / order);
        polynomials.push(next);
    }
    polynomials.truncate(degree + 1);
    let scaled = polynomials.into_iter().enumerate();
    scaled
        .map(|(n, polynomial)| polynomial * (2.0 * n as f64 + 1.0).sqrt())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::{DType, TensorData, Tolerance};

    /// Zeros on a grid of `[rows, cols]` cells.
    fn zeros([rows, cols]: [usize; 2], dim: usize, device: &Device) -> Tokens {
        let grid = Window::patch([2, 3], Default::default());
        let grid = grid.layout([2 * rows, 3 * cols]).unwrap();
        Tokens::from_grid(Tensor::zeros([1, rows * cols, dim], device), grid)
    }

    /// Row and column of the cells' centres, from −1 to 1.
    fn centers([rows, cols]: [usize; 2]) -> Vec<[f64; 2]> {
        let along = |index: usize, cells: usize| (2 * index + 1) as f64 / cells as f64 - 1.0;
        let cells = (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x)));
        cells
            .map(|(y, x)| [along(y, rows), along(x, cols)])
            .collect()
    }

    fn known([y, x]: [f64; 2]) -> f64 {
        1.0 - 2.0 * y + 3.0 * y * x + 0.5 * x * x - y * x * x
    }

    fn assert_known(position: &PolynomialPosition, tokens: Tokens, places: &[[f64; 2]]) {
        let want: Vec<f32> = places.iter().map(|place| known(*place) as f32).collect();
        let want = TensorData::new(want, [1, places.len(), 1]);
        let got = position.add(tokens, 0).into_embeddings().into_data();
        got.assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-5, 1e-5));
    }

    #[test]
    fn a_known_polynomial_is_given_exactly_on_any_grid_and_off_it() {
        let device = Device::flex();
        let config = PolynomialPositionConfig::new().with_degree(Some(3));
        let mut position = config.init(&Site::new([4, 5], 1), &device);
        // x² = (2·P₂ + 1)/3, so the constant has a sixth more, and the row a third less.
        let coefficient = |exponents: &[usize; 2]| {
            let of_legendre = match exponents {
                [0, 0] => 1.0 + 0.5 / 3.0,
                [1, 0] => -2.0 - 1.0 / 3.0,
                [1, 1] => 3.0,
                [0, 2] => 1.0 / 3.0,
                [1, 2] => -2.0 / 3.0,
                _ => 0.0f64,
            };
            let squares = exponents.map(|exponent| 2.0 * exponent as f64 + 1.0);
            (of_legendre / (squares[0] * squares[1]).sqrt()) as f32
        };
        let values: Vec<f32> = position.terms.iter().map(coefficient).collect();
        let count = values.len();
        position.coefficients = Param::from_data(TensorData::new(values, [count, 1]), &device);

        for grid in [[4, 5], [7, 2], [1, 9]] {
            assert_known(&position, zeros(grid, 1, &device), &centers(grid));
        }
        let boxes = Tensor::from_floats([[[1.0, 14.0, 3.0, 1.0], [8.0, 0.0, 1.0, 1.0]]], &device);
        let tokens = zeros([4, 5], 1, &device).select(Tensor::from_ints([[0, 1]], &device));
        let tokens = tokens.with_places(Places::Boxes(boxes));
        assert_known(&position, tokens, &[[-0.75, 14.0 / 7.5 - 1.0], [1.0, -1.0]]);
    }

    #[test]
    fn coefficients_fitted_on_one_grid_give_the_polynomial_on_another() {
        let device = Device::flex();
        let site = |dim| Site::new([4, 4], dim);
        let config = PolynomialPositionConfig::new().with_degree(Some(3));
        let terms = config.init(&site(1), &device).terms.len();
        let mut position = config.init(&site(terms), &device);
        position.coefficients = Param::from_tensor(Tensor::eye(terms, &device));
        let basis = position.add(zeros([4, 4], terms, &device), 0);
        let basis = basis.into_embeddings().into_data();
        let basis: Vec<f64> = basis.try_to_vec_as().unwrap();
        let values: Vec<f64> = centers([4, 4]).into_iter().map(known).collect();
        let fitted = least_squares(&basis, &values, terms);

        let mut position = config.init(&site(1), &device);
        let fitted: Vec<f32> = fitted.into_iter().map(|value| value as f32).collect();
        position.coefficients = Param::from_data(TensorData::new(fitted, [terms, 1]), &device);
        assert_known(&position, zeros([9, 6], 1, &device), &centers([9, 6]));
    }

    /// Solves the normal equations of `basis` (a row per value) by Gauss and Jordan.
    fn least_squares(basis: &[f64], values: &[f64], terms: usize) -> Vec<f64> {
        let rows: Vec<&[f64]> = basis.chunks(terms).collect();
        let mut system: Vec<Vec<f64>> = (0..terms)
            .map(|i| {
                let product = |j: usize| rows.iter().map(|row| row[i] * row[j]).sum();
                let right = rows.iter().zip(values).map(|(row, value)| row[i] * value);
                (0..terms).map(product).chain([right.sum()]).collect()
            })
            .collect();
        for pivot in 0..terms {
            let row: Vec<f64> = system[pivot]
                .iter()
                .map(|value| value / system[pivot][pivot])
                .collect();
            for (index, other) in system.iter_mut().enumerate() {
                let share = if index == pivot { 0.0 } else { other[pivot] };
                let reduced = other.iter().zip(&row).map(|(a, b)| a - share * b);
                *other = if index == pivot {
                    row.clone()
                } else {
                    reduced.collect()
                };
            }
        }
        system.into_iter().map(|row| row[terms]).collect()
    }

    #[test]
    fn the_terms_are_orthogonal_over_the_image_with_mean_square_one() {
        let device = Device::flex();
        let config = PolynomialPositionConfig::new().with_degree(Some(4));
        let position = config.init(&Site::new([5, 5], 1), &device);
        let grid = [400, 400];
        let places = centers(grid).concat();
        let places = TensorData::new(places, [1, grid[0] * grid[1], 2]);
        let basis = position.basis(Tensor::from_data(places, (&device, DType::F64)));
        let [_, cells, terms] = basis.dims();
        let products = basis.clone().swap_dims(1, 2).matmul(basis) / cells as f64;
        let want = Tensor::<2>::eye(terms, &device)
            .unsqueeze::<3>()
            .into_data();
        let close = Tolerance::<f64>::rel_abs(1e-3, 1e-3);
        products
            .into_data()
            .assert_approx_eq(&want.convert::<f64>(), close);
    }

    #[test]
    fn a_degree_that_the_grid_does_not_determine_is_an_error() {
        let init = |degree, grid| {
            let config = PolynomialPositionConfig::new().with_degree(degree);
            config.try_init(&Site::new(grid, 3), &Device::flex())
        };
        let error = init(Some(6), [2, 6]).unwrap_err().to_string();
        let want = "expected 0 to 5, which a grid of 2×6 determines, got 6";
        assert!(error.ends_with(want), "{error}");
        // Rows have two exponents, columns up to six.
        assert_eq!(init(Some(5), [2, 6]).unwrap().terms.len(), 6 + 5);
        assert_eq!(init(None, [1, 1]).unwrap().terms, [[0, 0]]);
        assert_eq!(init(None, [14, 14]).unwrap().terms.len(), 28);
    }
}
