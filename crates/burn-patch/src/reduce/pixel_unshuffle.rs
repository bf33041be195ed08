//! Neighbours side by side: space to depth.

use burn::config::Config;
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::layers::{LayerNorm, LayerNormConfig, PYTORCH, apply, linear};
use crate::ops::{gather_rows, gelu};
use crate::or_panic::OrPanic;
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::{Layout, PlaceKind, Places, Restore};
use crate::{Error, Noise, Tokens};

/// What projects the joined tokens. With `C` the width of a token, `r` the factor and `D` the width of the result:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum UnshuffleDialect {
    /// LayerNorm (ε 10⁻⁶) of each token, joined, then `r²C → r²C`, GELU, `r²C → D`: `PatchMerger` of transformers'
    /// Qwen2-VL, whose `ln_q`, `mlp.0` and `mlp.2` the parts are.
    #[default]
    Qwen2Vl,
    /// Joined, then LayerNorm (ε 10⁻⁵), `r²C → D`, GELU, `D → D`: `InternVLMultiModalProjector` of transformers, whose
    /// `layer_norm`, `linear_1` and `linear_2` the parts are.
    InternVl,
    /// Joined, then `r²C → D` without bias: `Idefics3Connector` of transformers, whose `modality_projection.proj` the
    /// matrix is.
    Idefics3,
}

/// Configuration of [`PixelUnshuffle`].
#[derive(Config, Debug)]
pub struct PixelUnshuffleConfig {
    /// Width of the tokens.
    pub dim: usize,
    /// Width of the result; none: `dim`.
    pub output: Option<usize>,
    /// Rows and columns of a block that becomes one token.
    #[config(default = 2)]
    pub factor: usize,
    /// What projects.
    #[config(default = "UnshuffleDialect::Qwen2Vl")]
    pub dialect: UnshuffleDialect,
    /// What to do with rows and columns that fill no block.
    #[config(default = "Remainder::Reject")]
    pub remainder: Remainder,
}

/// The tokens of each `r × r` block of the grid side by side, projected to one: a grid `r` times as coarse.
///
/// Wang et al., [Qwen2-VL](https://arxiv.org/abs/2409.12191), section 2.1 (2×2 merger); Chen et al.,
/// [InternVL 1.5](https://arxiv.org/abs/2404.16821), section 3.1 (pixel shuffle); Laurençon et al.,
/// [Idefics3](https://arxiv.org/abs/2408.12637). The `PatchMerger` of Qwen2-VL is not that of
/// [Renggli et al.](crate::reduce::PatchMerger).
///
/// # Shapes
///
/// - tokens of width `dim` on a whole grid of `rows × cols`, several frames and padded batches too
/// - tokens of width `output` on a grid of `⌈rows/r⌉ × ⌈cols/r⌉`; the prefix stays, if the width does
///
/// # Equation
///
/// `y(i, j) = f([x(ri, rj), x(ri, rj+1), …, x(ri+r−1, rj+r−1)])`, row by row within the block, the channels of a token
/// together; `f` by [`UnshuffleDialect`]. All three of transformers join in this order.
///
/// Initialised as PyTorch's `Linear`.
///
/// # Departures
///
/// Qwen2-VL's processor puts the tokens in blocks before its encoder ([`block_order`]), and its merger joins four that
/// follow each other; here tokens are in row-major order, and the result is the same. Idefics3 and InternVL take
/// square grids alone. Zeros beyond the grid ([`Remainder::Pad`]) and in place of padding are this crate's. Where
/// tokens were merged before, the sizes of a block's add up; else a result is one patch of the coarser grid.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::reduce::{PixelUnshuffleConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
/// let merger = PixelUnshuffleConfig::new(16).with_output(Some(8)).init(&device);
/// let tokens = embed.forward(Tensor::zeros([1, 3, 16, 24], &device)); // 4×6
/// let merged = merger.reduce(tokens, Seen::Tokens, 0, &mut Noise::None).tokens;
/// assert_eq!(merged.embeddings().dims(), [1, 6, 8]);
/// assert_eq!((merged.grid().rows, merged.grid().cols), (2, 3));
/// ```
#[derive(Module, Debug)]
pub struct PixelUnshuffle {
    /// Before or after the tokens are joined, by the dialect.
    pub norm: Option<LayerNorm>,
    /// From the joined tokens.
    pub fc1: Linear,
    /// To the result, behind a GELU.
    pub fc2: Option<Linear>,
    dim: usize,
    factor: usize,
    #[module(skip)]
    dialect: UnshuffleDialect,
    #[module(skip)]
    remainder: Remainder,
}

impl PixelUnshuffleConfig {
    /// Blocks of 2×2, zeros beyond the grid, whatever the number of tokens.
    pub fn for_tokens(_tokens: usize, dim: usize) -> Self {
        Self::new(dim).with_remainder(Remainder::Pad)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero width or factor, [`Error::Overflow`] for too large ones.
    pub fn try_init(&self, device: &Device) -> Result<PixelUnshuffle, Error> {
        let output = self.output.unwrap_or(self.dim);
        nonzero("dim and output", &[self.dim, output])?;
        nonzero("factor", &[self.factor])?;
        let joined = self.factor.checked_mul(self.factor);
        let joined = joined.and_then(|count| count.checked_mul(self.dim));
        let joined = joined.ok_or_else(|| Error::Overflow {
            what: "factor² × dim",
            got: vec![self.factor, self.dim],
        })?;
        let norm = |width, epsilon| {
            LayerNormConfig::new(width)
                .with_epsilon(epsilon)
                .init(device)
        };
        let dense = |shape| linear(shape, PYTORCH, Some(PYTORCH), device);
        let (norm, fc1, fc2) = match self.dialect {
            UnshuffleDialect::Qwen2Vl => (
                Some(norm(self.dim, 1e-6)),
                dense([joined, joined]),
                Some(dense([joined, output])),
            ),
            UnshuffleDialect::InternVl => (
                Some(norm(joined, 1e-5)),
                dense([joined, output]),
                Some(dense([output, output])),
            ),
            UnshuffleDialect::Idefics3 => {
                (None, linear([joined, output], PYTORCH, None, device), None)
            }
        };
        Ok(PixelUnshuffle {
            norm,
            fc1,
            fc2,
            dim: self.dim,
            factor: self.factor,
            dialect: self.dialect,
            remainder: self.remainder,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PixelUnshuffle {
        self.try_init(device).or_panic()
    }
}

impl Reduce for PixelUnshuffle {
    fn width(&self, dim: usize) -> Result<usize, Error> {
        if dim != self.dim {
            return Err(Error::Shape {
                what: "width of the tokens to reduce",
                expected: vec![self.dim],
                got: vec![dim],
            });
        }
        Ok(self.output_dim())
    }

    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        let block = self.factor * self.factor;
        if !tokens.is_multiple_of(block) {
            return Err(Error::Indivisible {
                what: "tokens in blocks, where their grid is not known",
                divisor: block,
                got: tokens,
            });
        }
        Ok(tokens / block)
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        match places {
            PlaceKind::Cells => Ok(places),
            _ => Err(Error::Irregular {
                what: "pixel unshuffling",
                because: "selected or moved",
            }),
        }
    }

    fn grid(&self, grid: &PatchGrid) -> Result<PatchGrid, Error> {
        grid.then(&Window::patch([self.factor; 2], self.remainder))
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, _: &mut Noise<'_>) -> Reduced {
        let layout = self.fit(&tokens).or_panic();
        let owner = Restore::new(self.owners(&tokens, &layout), &tokens);
        let tokens = self.join(&tokens, layout);
        Reduced {
            restore: Some(owner),
            ..Reduced::for_good(tokens)
        }
    }
}

impl PixelUnshuffle {
    fn output_dim(&self) -> usize {
        let last = self.fc2.as_ref().unwrap_or(&self.fc1);
        last.weight.dims()[1]
    }

    /// The layout of the result, if it takes such tokens.
    fn fit(&self, tokens: &Tokens) -> Result<Layout, Error> {
        let output = self.width(tokens.dim())?;
        self.places(tokens.places().kind())?;
        if tokens.prefix() > 0 && output != self.dim {
            return Err(Error::Shape {
                what: "width of reduced tokens beside a prefix",
                expected: vec![self.dim],
                got: vec![output],
            });
        }
        let grids = tokens.layout().grids().iter().map(|grid| self.grid(grid));
        let grids = grids.collect::<Result<Vec<PatchGrid>, Error>>()?;
        match tokens.layout() {
            Layout::Same(_) => Ok(Layout::Same(grids[0])),
            Layout::Each(_) => Ok(Layout::Each(grids.into())),
            Layout::Packed(_) => Err(Error::Irregular {
                what: "pixel unshuffling",
                because: "packed",
            }),
        }
    }

    /// The cells of each block, `[1 or batch, blocks·factor²]`; the number of tokens where there is none.
    fn members(&self, tokens: &Tokens, to: &Layout) -> Tensor<2, Int> {
        let (count, blocks) = (tokens.tokens(), to.cells());
        let square = self.factor * self.factor;
        let mut members: Vec<i32> = Vec::new();
        for (image, (from, to)) in tokens.layout().grids().iter().zip(to.grids()).enumerate() {
            let cells = cells_of_blocks(from, to, self.factor);
            members.extend(cells.map(|cell| cell.unwrap_or(count) as i32));
            members.resize((image + 1) * blocks * square, count as i32);
        }
        let images = to.grids().len();
        let members = TensorData::new(members, [images, blocks * square]);
        Tensor::from_data(members, &tokens.embeddings().device())
    }

    /// The block of each cell, `[batch, cells]`; −1 where it is in none.
    fn owners(&self, tokens: &Tokens, to: &Layout) -> Tensor<2, Int> {
        let count = tokens.tokens();
        let square = self.factor * self.factor;
        let mut owners = vec![-1i32; to.grids().len() * count];
        for (image, (from, to)) in tokens.layout().grids().iter().zip(to.grids()).enumerate() {
            for (index, cell) in cells_of_blocks(from, to, self.factor).enumerate() {
                if let Some(cell) = cell {
                    owners[image * count + cell] = (index / square) as i32;
                }
            }
        }
        let owners = TensorData::new(owners, [to.grids().len(), count]);
        let owners = Tensor::<2, Int>::from_data(owners, &tokens.embeddings().device());
        owners.expand([tokens.batch(), count])
    }

    fn join(&self, tokens: &Tokens, layout: Layout) -> Tokens {
        let (batch, count) = (tokens.batch(), tokens.tokens());
        let (blocks, square) = (layout.cells(), self.factor * self.factor);
        let members = self.members(tokens, &layout);
        let members = members.expand([batch, blocks * square]);
        // Rows of each block; beyond the grid zeros.
        let of_blocks = |values: Tensor<3>| {
            let [_, _, width] = values.dims();
            let zeros = Tensor::zeros([batch, 1, width], (&values.device(), values.dtype()));
            let values = gather_rows(Tensor::cat(vec![values, zeros], 1), members.clone());
            values.reshape([batch, blocks, square * width])
        };
        let normed = |x: Tensor<3>, dialect| match &self.norm {
            Some(norm) if self.dialect == dialect => norm.forward(x),
            _ => x,
        };
        let x = normed(tokens.patch_embeddings(), UnshuffleDialect::Qwen2Vl);
        let x = match tokens.valid() {
            Some(valid) => {
                let hidden = valid.bool_not().unsqueeze_dim::<3>(2);
                let all = x.dims();
                x.mask_fill(hidden.expand(all), 0.0)
            }
            None => x,
        };
        let x = normed(of_blocks(x), UnshuffleDialect::InternVl);
        let x = apply(&self.fc1, x);
        let x = match &self.fc2 {
            Some(fc2) => apply(fc2, gelu(x)),
            None => x,
        };
        let mut joined = Tokens::new(x, layout, Places::Cells);
        let sums = |counts: Tensor<2>| of_blocks(counts.reshape([batch, count, 1])).sum_dim(2);
        if let Some(valid) = tokens.valid() {
            let some = sums(valid.float()).greater_elem(0.5);
            joined = joined.with_valid(some.squeeze_dim(2));
        }
        if let (Some(_), Some(counts)) = (tokens.sizes(), tokens.patch_counts()) {
            joined = joined.with_sizes(sums(counts).squeeze_dim(2));
        }
        match tokens.prefix_embeddings() {
            Some(prefix) => joined.with_prefix(prefix),
            None => joined,
        }
    }
}

/// The cells of the blocks that are the cells of `to`, block after block, row by row within one; none beyond the grid.
fn cells_of_blocks(
    from: &PatchGrid,
    to: &PatchGrid,
    factor: usize,
) -> impl Iterator<Item = Option<usize>> {
    let (rows, cols) = (from.rows, from.cols);
    let (across, blocks, square) = (to.cols, to.rows * to.cols, factor * factor);
    (0..to.tokens() * square).map(move |index| {
        let (block, within) = (index / square, index % square);
        let (frame, block) = (block / blocks, block % blocks);
        let row = block / across * factor + within / factor;
        let col = block % across * factor + within % factor;
        (row < rows && col < cols).then_some((frame * rows + row) * cols + col)
    })
}

/// The cells of `grid` in Qwen2-VL's order: frame after frame, and in each the blocks of `factor × factor` cells, row by
/// row within a block. For [`Tokens::select`](crate::Tokens::select).
///
/// # Errors
///
/// [`Error::Zero`] for no factor, [`Error::Remainder`] for a grid that blocks do not fill.
///
/// ```
/// use burn_patch::grid::{Remainder, Window};
/// use burn_patch::reduce::block_order;
///
/// let grid = Window::patch([4, 4], Remainder::Reject).layout([8, 16])?; // 2×4
/// assert_eq!(block_order(&grid, 2)?, [0, 1, 4, 5, 2, 3, 6, 7]);
/// assert!(block_order(&grid, 3).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
pub fn block_order(grid: &PatchGrid, factor: usize) -> Result<Vec<usize>, Error> {
    let blocks = grid.then(&Window::patch([factor; 2], Remainder::Reject))?;
    Ok(cells_of_blocks(grid, &blocks, factor).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    fn grid(rows: usize, cols: usize) -> PatchGrid {
        let window = Window::patch([1, 1], Remainder::Reject);
        window.layout([rows, cols]).unwrap()
    }

    fn run(reduce: &PixelUnshuffle, tokens: Tokens) -> Reduced {
        reduce.reduce(tokens, Seen::Tokens, 0, &mut Noise::None)
    }

    /// A matrix that gives back what was joined.
    fn identity(config: PixelUnshuffleConfig, device: &Device) -> PixelUnshuffle {
        let config = config
            .with_output(Some(4))
            .with_dialect(UnshuffleDialect::Idefics3);
        let mut unshuffle = config.init(device);
        let weight = unshuffle.fc1.weight;
        unshuffle.fc1.weight = weight.map(|_| Tensor::eye(4, device));
        unshuffle
    }

    fn counted(rows: usize, cols: usize, device: &Device) -> Tokens {
        let values = Tensor::<1, Int>::arange(1..1 + (rows * cols) as i64, device);
        let values = values.float().reshape([1, rows * cols, 1]);
        Tokens::from_grid(values, grid(rows, cols))
    }

    #[test]
    fn blocks_are_joined_row_by_row_and_come_back_to_their_cells() {
        let device = Device::flex();
        let unshuffle = identity(PixelUnshuffleConfig::new(1), &device);
        let reduced = run(&unshuffle, counted(2, 4, &device));
        let want = [[[1.0f32, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]];
        let joined = reduced.tokens.embeddings().into_data();
        joined.assert_eq(&want.into(), true);
        let owner = reduced.restore.unwrap().owner().into_data();
        owner.assert_eq(&[[0i64, 0, 1, 1, 0, 0, 1, 1]].into(), false);
    }

    #[test]
    fn what_fills_no_block_is_an_error_or_has_zeros_beyond_it() {
        let device = Device::flex();
        let config = PixelUnshuffleConfig::new(1);
        let error = config.init(&device).grid(&grid(3, 4)).unwrap_err();
        assert!(matches!(error, Error::Remainder { left: [1, 0], .. }));
        let padding = identity(config.with_remainder(Remainder::Pad), &device);
        let reduced = run(&padding, counted(1, 3, &device));
        let want = [[[1.0f32, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]]];
        let joined = reduced.tokens.into_embeddings().into_data();
        joined.assert_eq(&want.into(), true);
    }

    #[test]
    fn sizes_add_up_and_padding_is_zeros_whatever_it_holds() {
        let device = Device::flex();
        let unshuffle = identity(PixelUnshuffleConfig::new(1), &device);
        let valid = [true, true, true, false, true, true, false, false];
        let tokens = counted(2, 4, &device)
            .with_valid(Tensor::from_bool([valid], &device))
            .with_sizes(Tensor::from_floats(
                [[1., 2., 3., 9., 1., 1., 9., 9.]],
                &device,
            ));
        let joined = run(&unshuffle, tokens).tokens;
        let want = [[[1.0f32, 2.0, 5.0, 6.0], [3.0, 0.0, 0.0, 0.0]]];
        joined
            .embeddings()
            .into_data()
            .assert_eq(&want.into(), true);
        let sizes = joined.sizes().unwrap().into_data();
        sizes.assert_eq(&[[5.0f32, 3.0]].into(), true);
    }

    /// The merger of Qwen2-VL joins tokens that follow each other in its order.
    #[test]
    fn tokens_in_blocks_that_follow_each_other_are_those_of_the_grid() {
        let device = Device::flex();
        let unshuffle = PixelUnshuffleConfig::new(3).init(&device);
        let grid = grid(4, 6).over_frames(2);
        let embeddings = Tensor::random([2, 48, 3], Distribution::Default, &device);
        let tokens = Tokens::from_grid(embeddings, grid);
        let order = block_order(&grid, 2).unwrap();
        let order: Vec<i32> = order.into_iter().map(|cell| cell as i32).collect();
        let order = Tensor::<1, Int>::from_ints(order.as_slice(), &device);
        let blocks = tokens
            .clone()
            .select(order.unsqueeze_dim::<2>(0).expand([2, 48]));
        let norm = unshuffle.norm.as_ref().unwrap();
        let x = norm.forward(blocks.into_embeddings()).reshape([2, 12, 12]);
        let want = apply(
            unshuffle.fc2.as_ref().unwrap(),
            gelu(apply(&unshuffle.fc1, x)),
        );
        let got = run(&unshuffle, tokens).tokens.into_embeddings().into_data();
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn images_of_a_padded_batch_are_joined_on_grids_of_their_own() {
        let device = Device::flex();
        let unshuffle = PixelUnshuffleConfig::new(3).init(&device);
        let draw = |cells| Tensor::random([1, cells, 3], Distribution::Default, &device);
        let (tall, small) = (draw(12), draw(4));
        let filler = Tensor::full([1, 8, 3], f32::NAN, &device);
        let both = vec![tall.clone(), Tensor::cat(vec![small.clone(), filler], 1)];
        let grids = [grid(6, 2), grid(2, 2)];
        let padded = Tokens::new(
            Tensor::cat(both, 0),
            Layout::Each(grids.into()),
            Places::Cells,
        );
        let joined = run(&unshuffle, padded).tokens;
        let valid = joined.valid().unwrap().int().into_data();
        valid.assert_eq(&[[1i64, 1, 1], [1, 0, 0]].into(), false);
        for (image, (alone, grid)) in [tall, small].into_iter().zip(grids).enumerate() {
            let alone = run(&unshuffle, Tokens::from_grid(alone, grid)).tokens;
            let got = joined.embeddings().slice_dim(0, image..image + 1);
            let got = got.slice_dim(1, ..alone.tokens()).into_data();
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
            got.assert_approx_eq(&alone.into_embeddings().into_data(), tolerance);
        }
    }
}
