//! Learned absolute positions.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::ops::gather_rows;
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::place::{cell_coordinates, interpolate};
use crate::{Error, Tokens};

/// Configuration of [`LearnedPosition`].
#[derive(Config, Debug)]
pub struct LearnedPositionConfig {
    /// Grid `[rows, cols]`.
    pub grid: [usize; 2],
    /// Width of the embeddings.
    pub dim: usize,
    /// Rows of the table in front of the grid's, for class and register tokens. 0 is timm's
    /// `no_embed_class`: prefix tokens then get no position.
    #[config(default = 0)]
    pub prefix: usize,
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
///   table's: class token first, then registers, which get no position (DINOv2)
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
/// use burn_patch::position::LearnedPositionConfig;
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = LearnedPositionConfig::new([2, 3], 8).with_prefix(1).init(&device);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 8, 12], &device));
/// let tokens = position.forward(tokens.with_prefix(Tensor::zeros([1, 1, 8], &device)));
/// assert_eq!(tokens.embeddings().dims(), [2, 7, 8]);
/// ```
#[derive(Module, Debug)]
pub struct LearnedPosition {
    /// The table, `[1, prefix + rows·cols, dim]`.
    pub pos_embed: Param<Tensor<3>>,
    grid: [usize; 2],
    prefix: usize,
}

impl LearnedPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid or dim.
    pub fn try_init(&self, device: &Device) -> Result<LearnedPosition, Error> {
        nonzero("grid", &self.grid)?;
        nonzero("dim", &[self.dim])?;
        let rows = self.prefix + self.grid[0] * self.grid[1];
        Ok(LearnedPosition {
            pos_embed: self.initializer.init([1, rows, self.dim], device),
            grid: self.grid,
            prefix: self.prefix,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> LearnedPosition {
        self.try_init(device).or_panic()
    }
}

impl LearnedPosition {
    /// Adds positions.
    ///
    /// # Panics
    ///
    /// If the grid or the dim differs from the table's, or there are some prefix tokens but fewer than the
    /// table has rows for.
    #[track_caller]
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let grid = tokens.grid();
        assert_eq!(
            [grid.rows, grid.cols],
            self.grid,
            "the tokens' grid and the position table's"
        );
        let table = self.pos_embed.val();
        assert_eq!(
            tokens.dim(),
            table.dims()[2],
            "the tokens' dim and the position table's"
        );
        let prefix = self.prefix_table();
        assert!(
            tokens.prefix() == 0 || tokens.prefix() >= self.prefix,
            "expected no prefix tokens or at least {}, got {}",
            self.prefix,
            tokens.prefix()
        );
        let patches = match self.prefix {
            0 => table,
            prefix => table.slice_dim(1, prefix..),
        };
        let patches = if tokens.is_off_grid() {
            interpolate(patches, self.grid, cell_coordinates(&tokens))
        } else {
            match tokens.source() {
                Some(source) => {
                    let [_, cells, dim] = patches.dims();
                    gather_rows(patches.expand([tokens.batch(), cells, dim]), source)
                }
                None => patches,
            }
        };
        add(tokens, patches, prefix)
    }

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
        let position = LearnedPositionConfig::new([2, 3], 4)
            .with_prefix(1)
            .init(&device);
        let index = Tensor::from_ints([[4, 1, 0], [2, 2, 5]], &device);
        let before = position.forward(tokens(&device)).select(index.clone());
        let after = position.forward(tokens(&device).select(index));
        after
            .into_embeddings()
            .into_data()
            .assert_eq(&before.into_embeddings().into_data(), true);
    }

    #[test]
    fn a_token_off_the_grid_gets_the_table_at_its_center() {
        let device = Device::flex();
        let position = LearnedPositionConfig::new([2, 3], 4).init(&device);
        // Over the four cells at the left, whose centres lie at 1 and 3.
        let boxes = Tensor::from_floats([[[2.0, 2.0, 4.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]], &device);
        let index = Tensor::from_ints([[0], [2]], &device);
        let moved = tokens(&device).select(index).with_boxes_px(boxes);
        let table = position.pos_embed.val();
        let rows = |cells: &[i32]| {
            let cells = Tensor::<1, burn::tensor::Int>::from_ints(cells, &device);
            table.clone().select(1, cells).mean_dim(1)
        };
        let want = Tensor::cat(vec![rows(&[0, 1, 3, 4]), rows(&[2])], 0);
        position
            .forward(moved)
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
        let position = LearnedPositionConfig::new([2, 3], 4).init(&device);
        let tokens = tokens(&device).with_prefix(Tensor::ones([1, 1, 4], &device));
        let prefix = position.forward(tokens).prefix_embeddings().unwrap();
        prefix
            .into_data()
            .assert_eq(&Tensor::<3>::ones([2, 1, 4], &device).into_data(), true);
    }

    #[test]
    fn registers_behind_the_class_token_get_no_position() {
        let device = Device::flex();
        let position = LearnedPositionConfig::new([2, 3], 4)
            .with_prefix(1)
            .init(&device);
        let tokens = tokens(&device).with_prefix(Tensor::zeros([1, 3, 4], &device));
        let tokens = position.forward(tokens);
        let got = tokens.into_embeddings().slice([0..1, 0..9, 0..4]);
        let table = position.pos_embed.val();
        let zeros = Tensor::zeros([1, 2, 4], &device);
        let [class, patches] = [table.clone().slice_dim(1, ..1), table.slice_dim(1, 1..)];
        let want = Tensor::cat(vec![class, zeros, patches], 1);
        got.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    #[should_panic(expected = "the tokens' grid and the position table's")]
    fn another_grid_is_refused() {
        let device = Device::flex();
        LearnedPositionConfig::new([3, 2], 4)
            .init(&device)
            .forward(tokens(&device));
    }
}
