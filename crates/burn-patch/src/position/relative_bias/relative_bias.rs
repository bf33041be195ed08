//! Relative position biases of Swin and BEiT.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::NORMAL;
use crate::or_panic::OrPanic;
use crate::position::block_windows::BlockWindows;
use crate::position::position::Position;
use crate::position::refusals::{one_grid, refuse, still};
use crate::position::relative_bias::bias_resize::BiasResize;
use crate::position::relative_bias::offset_table::{entries, read_offsets};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, bias_behind_prefix};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "this table of relative biases";

/// Rows behind those of the offsets, for the class token.
const CLASS_ROWS: usize = 3;

/// Configuration of [`RelativeBiasPosition`].
#[derive(Config, Debug)]
pub struct RelativeBiasPositionConfig {
    /// Whether one table serves all blocks (BEiT's `use_shared_rel_pos_bias`); else each block has its own.
    #[config(default = false)]
    pub shared: bool,
    /// Whether three more rows give the biases from the class token to patches, from patches to it, and its own (BEiT).
    #[config(default = false)]
    pub class_rows: bool,
    /// How tables are resized for another grid; none: other grids are refused.
    pub resize: Option<BiasResize>,
    /// Initialiser of the tables. The references truncate `N(0, 0.02)` at ±2, a hundred standard deviations, so the
    /// plain normal distribution is the same.
    #[config(default = "NORMAL")]
    pub initializer: Initializer,
}

/// A trained bias of the scores per head and per offset between two cells.
///
/// Liu et al., [Swin Transformer](https://arxiv.org/abs/2103.14030), eq. 4; Bao et al.,
/// [BEiT](https://arxiv.org/abs/2106.08254), appendix; timm's `relative_position_bias_table`
/// (`timm/layers/pos_embed_rel.py`, `RelPosBias`).
///
/// # Shapes
///
/// - tokens on the grid of `rows × cols`, some of its cells, or off it
/// - bias `[1 or batch, heads, prefix + tokens, prefix + tokens]`
///
/// # Equation
///
/// `bias[q, k] = table[(Δy + rows − 1)·(2·cols − 1) + Δx + cols − 1]` with `Δ` the place of `q` less that of `k`. Prefix
/// tokens, and those without a place, have 0, or with class rows `table[n]` from the class token, `table[n + 1]` to it and `table[n + 2]` of it to
/// itself, where `n = (2·rows − 1)·(2·cols − 1)`.
///
/// # Departures
///
/// The window is the grid, or that of the blocks that attend within [windows](crate::tokens::Windows). Tokens off the grid get the table between its entries, bilinearly, and its border where they
/// lie further apart than the grid reaches. Tables need not be square, and [`BiasResize`] resizes rectangular ones as well.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{Position, RelativeBiasPositionConfig, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let site = Site::new([2, 3], 8).with_prefix(1).with_blocks(12, 2);
/// let position = RelativeBiasPositionConfig::new().with_class_rows(true).init(&site, &device);
/// assert_eq!(position.relative_position_bias_table[11].dims(), [3 * 5 + 3, 2]);
///
/// let tokens = embed.forward(Tensor::zeros([2, 1, 8, 12], &device));
/// let tokens = tokens.with_prefix(Tensor::zeros([1, 1, 8], &device));
/// let attend = position.attend(&tokens, 0, &mut Noise::None);
/// assert_eq!(attend.bias.unwrap().dims(), [1, 2, 7, 7]);
/// ```
#[derive(Module, Debug)]
pub struct RelativeBiasPosition {
    /// One for each block or for all, `[(2·rows − 1)·(2·cols − 1), heads]`, with class rows three rows more.
    pub relative_position_bias_table: Vec<Param<Tensor<2>>>,
    grid: [usize; 2],
    class_rows: bool,
    #[module(skip)]
    windows: Option<BlockWindows>,
    #[module(skip)]
    resize: Option<BiasResize>,
}

impl RelativeBiasPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, no heads or no blocks, [`Error::Place`] for a clip, for class rows where the prefix
    /// is not one token, or for blocks that share a table and attend to windows of another size.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<RelativeBiasPosition, Error> {
        nonzero("heads and blocks", &[site.heads, site.depth])?;
        still(WHAT, site)?;
        self.check_shared(site)?;
        let more = if self.class_rows { CLASS_ROWS } else { 0 };
        let tables = if self.shared { 1 } else { site.depth };
        let table = |block| {
            let shape = [entries(site.attended(block)) + more, site.heads];
            self.initializer.init(shape, device)
        };
        let [_, rows, cols] = site.grid;
        let position = RelativeBiasPosition {
            relative_position_bias_table: (0..tables).map(table).collect(),
            grid: [rows, cols],
            class_rows: self.class_rows,
            windows: site.windows,
            resize: self.resize,
        };
        position.check_prefix(site.prefix)?;
        Ok(position)
    }

    /// One table has one size.
    fn check_shared(&self, site: &Site) -> Result<(), Error> {
        let first = site.attended(0);
        let other = (1..site.depth)
            .map(|block| site.attended(block))
            .find(|attended| self.shared && *attended != first);
        match other {
            None => Ok(()),
            Some(other) => refuse(
                WHAT,
                "blocks that attend to as many cells (rows, columns), since they share it",
                format!("{first:?} and {other:?}"),
            ),
        }
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> RelativeBiasPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for RelativeBiasPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, prefix: usize) -> Result<(), Error> {
        let grid = one_grid(WHAT, layout)?;
        let tables = self.relative_position_bias_table.len();
        if (0..tables).any(|table| self.window(table).is_none()) {
            self.check_grid(grid, self.grid)?;
        }
        self.check_prefix(prefix)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, block: usize, _: &mut Noise<'_>) -> Attend {
        let tables = &self.relative_position_bias_table;
        let index = block.min(tables.len() - 1);
        let (table, own) = (tables[index].val(), self.attended(index));
        let grid = one_grid(WHAT, tokens.layout()).or_panic();
        self.check_grid(grid, own).or_panic();
        self.check_prefix(tokens.prefix()).or_panic();
        let table = match self.resize {
            Some(how) if grid != own => self.resize_table(table, [own, grid], how),
            _ => table,
        };
        let cells = entries(grid);
        let bias = read_offsets(table.clone().slice_dim(0, ..cells), grid, tokens);
        let bias = match self.class_rows {
            false => bias_behind_prefix(bias, tokens.placed(), tokens.prefix()),
            true => behind_class(bias, table.slice_dim(0, cells..)),
        };
        Attend {
            bias: Some(bias),
            ..Attend::default()
        }
    }

    fn per_block(&self) -> bool {
        self.relative_position_bias_table.len() > 1
    }
}

impl RelativeBiasPosition {
    /// The same biases for another grid, their tables resized once. Those of windows stay.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid.
    pub fn resized(mut self, grid: [usize; 2], how: BiasResize) -> Result<Self, Error> {
        nonzero("grid", &grid)?;
        let tables = core::mem::take(&mut self.relative_position_bias_table);
        let resized = tables.into_iter().enumerate().map(|(index, table)| {
            if self.window(index).is_some() {
                return table;
            }
            let resized = self.resize_table(table.val().detach(), [self.grid, grid], how);
            Param::from_tensor(resized)
        });
        let resized = resized.collect();
        Ok(Self {
            relative_position_bias_table: resized,
            grid,
            ..self
        })
    }

    /// The window of a table's block; none if that attends to the whole grid.
    fn window(&self, table: usize) -> Option<[usize; 2]> {
        self.windows.and_then(|windows| windows.of(table))
    }

    /// The grid of a table.
    fn attended(&self, table: usize) -> [usize; 2] {
        self.window(table).unwrap_or(self.grid)
    }

    fn check_grid(&self, got: [usize; 2], own: [usize; 2]) -> Result<(), Error> {
        if got != own && self.resize.is_none() {
            refuse(
                WHAT,
                format!("a grid of {own:?} (rows, columns), or a way to resize it"),
                format!("{got:?}"),
            )?;
        }
        Ok(())
    }

    fn check_prefix(&self, prefix: usize) -> Result<(), Error> {
        if self.class_rows && prefix != 1 {
            refuse(
                WHAT,
                "one prefix token, the class, since it has rows for that",
                format!("{prefix} prefix tokens"),
            )?;
        }
        Ok(())
    }

    /// The offsets' rows resized, those of the class as they are.
    fn resize_table(
        &self,
        table: Tensor<2>,
        [from, to]: [[usize; 2]; 2],
        how: BiasResize,
    ) -> Tensor<2> {
        let cells = entries(from);
        let offsets = table.clone().slice_dim(0, ..cells);
        let offsets = how.resize(offsets, from, to);
        match self.class_rows {
            false => offsets,
            true => Tensor::cat(vec![offsets, table.slice_dim(0, cells..)], 0),
        }
    }
}

/// The bias between patch tokens behind those of the class token: rows of `class` (`[3, heads]`) are from it, to it, and
/// of it to itself.
fn behind_class(bias: Tensor<4>, class: Tensor<2>) -> Tensor<4> {
    let [batch, heads, tokens, _] = bias.dims();
    let value = |row: usize, shape: [usize; 4]| {
        let value = class.clone().slice_dim(0, row..row + 1);
        value.reshape([1, heads, 1, 1]).expand(shape)
    };
    let from = value(0, [batch, heads, 1, tokens]);
    let to = value(1, [batch, heads, tokens, 1]);
    let own = value(2, [batch, heads, 1, 1]);
    let first = Tensor::cat(vec![own, from], 3);
    Tensor::cat(vec![first, Tensor::cat(vec![to, bias], 3)], 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;

    fn site() -> Site {
        Site::new([2, 3], 4).with_blocks(2, 2)
    }

    fn text<T>(result: Result<T, Error>) -> String {
        match result {
            Err(error) => error.to_string(),
            Ok(_) => "no error".into(),
        }
    }

    fn tokens([rows, cols]: [usize; 2], device: &Device) -> Tokens {
        let grid = Window::patch([2, 2], Default::default());
        let grid = grid.layout([2 * rows, 2 * cols]).unwrap();
        Tokens::from_grid(Tensor::zeros([1, rows * cols, 4], device), grid)
    }

    #[test]
    fn blocks_have_tables_of_their_own_unless_they_share_one() {
        let device = Device::flex();
        let tokens = tokens([2, 3], &device);
        for shared in [false, true] {
            let config = RelativeBiasPositionConfig::new().with_shared(shared);
            let position = config.init(&site(), &device);
            assert_eq!(position.per_block(), !shared);
            let [first, second] = [0, 1].map(|block| {
                let attend = position.attend(&tokens, block, &mut Noise::None);
                attend.bias.unwrap()
            });
            let apart = (first - second).abs().max().into_scalar::<f32>();
            assert_eq!(apart == 0.0, shared);
        }
    }

    #[test]
    fn another_grid_needs_a_way_to_resize_the_table() {
        let device = Device::flex();
        let config = RelativeBiasPositionConfig::new();
        let layout = tokens([4, 2], &device).layout().clone();
        let check = |config: &RelativeBiasPositionConfig| {
            let position = config.init(&site(), &device);
            position.check(&layout, PlaceKind::Cells, 0)
        };
        let error = text(check(&config));
        let want =
            "cannot place [4, 2]; expected a grid of [2, 3] (rows, columns), or a way to resize it";
        assert!(error.ends_with(want), "{error}");

        let config = config.with_resize(Some(BiasResize::Geometric));
        assert!(check(&config).is_ok());
        let position = config.init(&site(), &device);
        let bias = |position: &RelativeBiasPosition| {
            let attend = position.attend(&tokens([4, 2], &device), 1, &mut Noise::None);
            attend.bias.unwrap().into_data()
        };
        let each_time = bias(&position);
        let once = position.resized([4, 2], BiasResize::Geometric).unwrap();
        bias(&once).assert_eq(&each_time, true);
    }

    #[test]
    fn class_rows_need_a_class_token_and_no_other() {
        let device = Device::flex();
        let config = RelativeBiasPositionConfig::new().with_class_rows(true);
        for prefix in [0, 2] {
            let error = text(config.try_init(&site().with_prefix(prefix), &device));
            let want = format!("{prefix} prefix tokens; expected one prefix token");
            assert!(error.contains(&want), "{error}");
        }
    }

    #[test]
    fn tables_of_windows_have_their_size_and_fit_any_grid() {
        let device = Device::flex();
        let windows = |global_every| {
            let size = [2, 2];
            site().with_windows(Some(BlockWindows { size, global_every }))
        };
        let config = RelativeBiasPositionConfig::new();
        let position = config.init(&windows(2), &device);
        let tables = &position.relative_position_bias_table;
        assert_eq!([0, 1].map(|block| tables[block].dims()), [[9, 2], [15, 2]]);
        let other = tokens([4, 2], &device);
        let check =
            |position: &RelativeBiasPosition| position.check(other.layout(), PlaceKind::Cells, 0);
        assert!(check(&position).is_err());
        assert!(check(&config.init(&windows(0), &device)).is_ok());
        let error = text(config.with_shared(true).try_init(&windows(2), &device));
        assert!(error.contains("[2, 2] and [2, 3]"), "{error}");
    }
}
