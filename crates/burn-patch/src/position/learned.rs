//! Learned absolute positions.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::ops::gather_rows;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::place::interpolate;
use crate::position::position::Position;
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind, Places, Units};
use crate::{Error, Tokens};

/// Configuration of [`LearnedPosition`].
#[derive(Config, Debug)]
pub struct LearnedPositionConfig {
    /// Rows of the table in front of the grid's, for class and register tokens; none: one for each prefix token of the
    /// [`Site`]. 0 is timm's `no_embed_class`: prefix tokens then get no position.
    pub prefix: Option<usize>,
    /// Initialiser of the table. timm truncates `N(0, 0.02)` at ±2, a hundred standard deviations, so
    /// the plain normal distribution is the same.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.02 }")]
    pub initializer: Initializer,
}

/// One trained vector per grid cell, added to its token.
///
/// Dosovitskiy et al., [An Image is Worth 16×16 Words](https://arxiv.org/abs/2010.11929), eq. 1;
/// timm's `pos_embed [1, prefix + rows·cols, dim]`.
///
/// # Shapes
///
/// - tokens on a grid of `rows × cols`, or any of its cells; the prefix empty or at least as long as the
///   table's: class token first, then registers; those beyond the table's rows get no position (DINOv2)
/// - the same tokens, `ê = e + π`
///
/// # Departures
///
/// Tokens that know which cell they came from get that cell's position, so adding before or after
/// masking is the same. Tokens off the grid get the table's value at their centre, bilinearly. Grids of
/// another size are refused, not interpolated.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{LearnedPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 8).with_prefix(1), &device);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 8, 12], &device));
/// let tokens = position.add(tokens.with_prefix(Tensor::zeros([1, 1, 8], &device)), 0);
/// assert_eq!(tokens.embeddings().dims(), [2, 7, 8]);
/// ```
#[derive(Module, Debug)]
pub struct LearnedPosition {
    /// The table, `[1, prefix + frames·rows·cols, dim]`.
    pub pos_embed: Param<Tensor<3>>,
    grid: [usize; 3],
    prefix: usize,
}

impl LearnedPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<LearnedPosition, Error> {
        nonzero("grid", &site.grid)?;
        nonzero("dim", &[site.dim])?;
        let prefix = self.prefix.unwrap_or(site.prefix);
        Ok(LearnedPosition {
            pos_embed: self
                .initializer
                .init([1, prefix + site.cells(), site.dim], device),
            grid: site.grid,
            prefix,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> LearnedPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for LearnedPosition {
    fn check(&self, layout: &Layout, places: PlaceKind, prefix: usize) -> Result<(), Error> {
        let refuse = |expected: String, got: String| {
            Err(Error::Place {
                what: "this position table",
                expected,
                got,
            })
        };
        for grid in layout.grids() {
            let got = [grid.frames, grid.rows, grid.cols];
            if got != self.grid {
                return refuse(
                    format!("a grid of {:?} (frames, rows, columns)", self.grid),
                    format!("{got:?}"),
                );
            }
        }
        if prefix > 0 && prefix < self.prefix {
            return refuse(
                format!("no prefix tokens or at least {}", self.prefix),
                format!("{prefix}"),
            );
        }
        if places == PlaceKind::Boxes && self.grid[0] > 1 {
            return refuse(
                "cells of its grid".into(),
                "boxes off the grid of a clip".into(),
            );
        }
        Ok(())
    }

    fn packs(&self) -> bool {
        true
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if before_block > 0 {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        let table = self.pos_embed.val();
        assert_eq!(
            tokens.dim(),
            table.dims()[2],
            "the tokens' dim and the position table's"
        );
        let patches = match self.prefix {
            0 => table,
            prefix => table.slice_dim(1, prefix..),
        };
        let patches = match tokens.places() {
            Places::Cells => patches,
            Places::Picked(cells) => {
                let [_, count, dim] = patches.dims();
                gather_rows(patches.expand([tokens.batch(), count, dim]), cells.clone())
            }
            Places::Boxes(_) => {
                let [_, rows, cols] = self.grid;
                interpolate(patches, [rows, cols], tokens.coordinates(Units::Cells))
            }
        };
        add(tokens, patches, self.prefix_table())
    }
}

impl LearnedPosition {
    /// The rows for prefix tokens, `[1, prefix, dim]`.
    pub fn prefix_table(&self) -> Option<Tensor<3>> {
        (self.prefix > 0).then(|| self.pos_embed.val().slice_dim(1, ..self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([2, 2], Remainder::Reject)
            .layout([4, 6])
            .unwrap();
        Tokens::from_grid(Tensor::zeros([2, 6, 4], device), grid)
    }

    #[test]
    fn adding_then_selecting_equals_selecting_then_adding() {
        let device = Device::flex();
        let position =
            LearnedPositionConfig::new().init(&Site::new([2, 3], 4).with_prefix(1), &device);
        let index = Tensor::from_ints([[4, 1, 0], [2, 2, 5]], &device);
        let before = position.add(tokens(&device), 0).select(index.clone());
        let after = position.add(tokens(&device).select(index), 0);
        after
            .into_embeddings()
            .into_data()
            .assert_eq(&before.into_embeddings().into_data(), true);
    }

    #[test]
    fn a_token_off_the_grid_gets_the_table_at_its_center() {
        let device = Device::flex();
        let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &device);
        // Over the four cells at the left, whose centres lie at 1 and 3.
        let boxes = Tensor::from_floats([[[2.0, 2.0, 4.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]], &device);
        let index = Tensor::from_ints([[0], [2]], &device);
        let moved = tokens(&device)
            .select(index)
            .with_places(Places::Boxes(boxes));
        let table = position.pos_embed.val();
        let rows = |cells: &[i32]| {
            let cells = Tensor::<1, burn::tensor::Int>::from_ints(cells, &device);
            table.clone().select(1, cells).mean_dim(1)
        };
        let want = Tensor::cat(vec![rows(&[0, 1, 3, 4]), rows(&[2])], 0);
        position
            .add(moved, 0)
            .into_embeddings()
            .into_data()
            .assert_approx_eq(
                &want.into_data(),
                burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6),
            );
    }

    #[test]
    fn without_prefix_rows_the_class_token_gets_no_position() {
        let device = Device::flex();
        let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &device);
        let tokens = tokens(&device).with_prefix(Tensor::ones([1, 1, 4], &device));
        let prefix = position.add(tokens, 0).prefix_embeddings().unwrap();
        prefix
            .into_data()
            .assert_eq(&Tensor::<3>::ones([2, 1, 4], &device).into_data(), true);
    }

    #[test]
    fn registers_behind_the_class_token_get_no_position() {
        let device = Device::flex();
        let position =
            LearnedPositionConfig::new().init(&Site::new([2, 3], 4).with_prefix(1), &device);
        let tokens = tokens(&device).with_prefix(Tensor::zeros([1, 3, 4], &device));
        let tokens = position.add(tokens, 0);
        let got = tokens.into_embeddings().slice([0..1, 0..9, 0..4]);
        let table = position.pos_embed.val();
        let zeros = Tensor::zeros([1, 2, 4], &device);
        let [class, patches] = [table.clone().slice_dim(1, ..1), table.slice_dim(1, 1..)];
        let want = Tensor::cat(vec![class, zeros, patches], 1);
        got.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    fn images_with_grids_of_their_own_need_the_tables() {
        let window = Window::patch([2, 2], Remainder::Reject);
        let [same, other] = [[4, 6], [6, 4]].map(|size| window.layout(size).unwrap());
        let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &Device::flex());
        let check = |grids: [crate::grid::PatchGrid; 2]| {
            position.check(&Layout::Each(grids.into()), PlaceKind::Cells, 0)
        };
        assert!(check([same, same]).is_ok());
        assert!(matches!(check([same, other]), Err(Error::Place { .. })));
    }

    #[test]
    #[should_panic(expected = "this position table cannot place")]
    fn another_grid_is_refused() {
        let device = Device::flex();
        LearnedPositionConfig::new()
            .init(&Site::new([3, 2], 4), &device)
            .add(tokens(&device), 0);
    }
}
