//! Learned positions of rows and of columns.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::{PatchGrid, nonzero};
use crate::ops::at_least_single;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::per_grid::per_grid;
use crate::position::position::Position;
use crate::position::refusals::one_frame;
use crate::position::site::Site;
use crate::resample::align::Align;
use crate::resample::filter::Filter;
use crate::resample::sample::axis_weights;
use crate::tokens::{Layout, PlaceKind, Units};
use crate::{Error, Tokens};

/// Configuration of [`FactorizedPosition`].
#[derive(Config, Debug)]
pub struct FactorizedPositionConfig {
    /// Whether rows and columns of another grid keep one scale, that of its longer side: timm's
    /// `pos_embed_ar_preserving`.
    #[config(default = false)]
    pub aspect: bool,
    /// Initialiser of both tables.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.02 }")]
    pub initializer: Initializer,
    /// Rows and columns of the table, where they are others than the [`Site`]'s; none: the site's.
    pub grid: Option<[usize; 2]>,
}

/// A trained vector per row and one per column, both added to each token.
///
/// Dehghani et al., [NaViT](https://arxiv.org/abs/2307.06304), section 2.1; `timm/models/naflexvit.py`
/// (`_apply_factorized_pos_embed`) of timm 1.0.31, which interpolates each axis linearly.
///
/// # Shapes
///
/// - tokens on any grid or off it, each image on its own, of one frame
/// - the same tokens; prefix tokens unchanged
///
/// # Equation
///
/// `ê = e + π_y(s_y·(y + ½) − ½) + π_x(s_x·(x + ½) − ½)`, with `s` the table's length by the grid's and both tables linear
/// between their rows and constant beyond.
///
/// # Departures
///
/// NaViT normalises coordinates by the image's side or by the largest side in training; the former is the default here,
/// the latter no option. Tokens off the grid get what their centre gets.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{FactorizedPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = FactorizedPositionConfig::new().init(&Site::new([6, 6], 8), &device);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 8, 40], &device));
/// assert_eq!(position.add(tokens, 0).embeddings().dims(), [2, 20, 8]);
/// ```
#[derive(Module, Debug)]
pub struct FactorizedPosition {
    /// A vector per row, `[1, rows, dim]`.
    pub pos_embed_y: Param<Tensor<3>>,
    /// A vector per column, `[1, cols, dim]`.
    pub pos_embed_x: Param<Tensor<3>>,
    aspect: bool,
}

impl FactorizedPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<FactorizedPosition, Error> {
        nonzero("grid", &site.grid)?;
        nonzero("dim", &[site.dim])?;
        let [_, rows, cols] = site.grid;
        let [rows, cols] = self.grid.unwrap_or([rows, cols]);
        nonzero("grid of the table", &[rows, cols])?;
        Ok(FactorizedPosition {
            pos_embed_y: self.initializer.init([1, rows, site.dim], device),
            pos_embed_x: self.initializer.init([1, cols, site.dim], device),
            aspect: self.aspect,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> FactorizedPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for FactorizedPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame("these vectors of rows and columns", layout)
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if before_block > 0 {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let [_, _, dim] = self.pos_embed_y.dims();
        assert_eq!(
            tokens.dim(),
            dim,
            "the tokens' dim and the position tables'"
        );
        let places = tokens.coordinates(Units::Cells);
        let rows = self.along(0, &self.pos_embed_y, tokens.layout(), &places);
        let cols = self.along(1, &self.pos_embed_x, tokens.layout(), &places);
        add(tokens, rows + cols, None)
    }
}

impl FactorizedPosition {
    /// The vectors of one axis, `[1 or batch, tokens, dim]`.
    fn along(
        &self,
        axis: usize,
        table: &Param<Tensor<3>>,
        layout: &Layout,
        places: &Tensor<3>,
    ) -> Tensor<3> {
        let [_, count, dim] = table.dims();
        let scale = |grid: &PatchGrid| {
            let sides = [grid.rows, grid.cols];
            let length = match self.aspect {
                true => sides[0].max(sides[1]),
                false => sides[axis],
            };
            Align::Edges.step_and_start(count, length)
        };
        let scale = per_grid(layout, places, scale);
        let [step, start] = [0, 1].map(|of| scale.clone().slice_dim(2, of..of + 1));
        let place = places.clone().slice_dim(2, axis..axis + 1) * step + start;
        let [images, tokens, _] = place.dims();
        let table = table.val();
        let (dtype, precise) = (table.dtype(), at_least_single(table.dtype()));
        let weights = axis_weights(place, None, count, Filter::Linear(Align::Edges));
        let weights = weights.cast(precise).reshape([1, images * tokens, count]);
        let rows = weights.matmul(table.cast(precise));
        rows.reshape([images, tokens, dim]).cast(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::Tolerance;

    fn assert_close(got: Tokens, want: Tensor<3>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_embeddings()
            .into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn on_the_tables_grid_it_is_the_sum_of_row_and_column() {
        let device = Device::flex();
        let position = FactorizedPositionConfig::new().init(&Site::new([2, 3], 4), &device);
        let grid = Window::patch([2, 2], Default::default()).layout([4, 6]);
        let tokens = Tokens::from_grid(Tensor::zeros([1, 6, 4], &device), grid.unwrap());
        let rows = position.pos_embed_y.val().reshape([1, 2, 1, 4]);
        let cols = position.pos_embed_x.val().reshape([1, 1, 3, 4]);
        let want = (rows + cols).reshape([1, 6, 4]);
        assert_close(position.add(tokens.clone(), 0), want.clone());
        let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
        assert_close(position.add(boxed, 0), want.clone());
        let index = Tensor::<2, burn::tensor::Int>::from_ints([[5, 0]], &device);
        let want = crate::ops::gather_rows(want, index.clone());
        assert_close(position.add(tokens.select(index), 0), want);
    }

    #[test]
    fn with_one_scale_the_shorter_axis_sees_a_part_of_its_table() {
        let device = Device::flex();
        let config = FactorizedPositionConfig::new().with_aspect(true);
        let position = config.init(&Site::new([4, 4], 4), &device);
        let grid = Window::patch([2, 2], Default::default()).layout([4, 8]);
        let tokens = Tokens::from_grid(Tensor::zeros([1, 8, 4], &device), grid.unwrap());
        let rows = position.pos_embed_y.val().slice_dim(1, 0..2);
        let cols = position.pos_embed_x.val().reshape([1, 1, 4, 4]);
        let want = (rows.reshape([1, 2, 1, 4]) + cols).reshape([1, 8, 4]);
        assert_close(position.add(tokens, 0), want);
    }

    #[test]
    fn a_clip_and_an_empty_grid_are_errors() {
        let device = Device::flex();
        let config = FactorizedPositionConfig::new();
        let empty = config.try_init(&Site::new([2, 0], 4), &device);
        assert!(matches!(empty, Err(Error::Zero { .. })));
        let position = config.init(&Site::new([2, 2], 4), &device);
        let grid = Window::patch([2, 2], Default::default()).layout([4, 4]);
        let clip = grid.unwrap().over_frames(2).into();
        let refused = position.check(&clip, PlaceKind::Cells, 0);
        assert!(matches!(refused, Err(Error::Place { .. })));
    }
}
