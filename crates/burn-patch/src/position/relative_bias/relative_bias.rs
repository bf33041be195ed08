//! Relative position biases of Swin and BEiT.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::layers::NORMAL;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::refusals::{one_grid, refuse};
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
/// tokens have 0, or with class rows `table[n]` from the class token, `table[n + 1]` to it and `table[n + 2]` of it to
/// itself, where `n = (2·rows − 1)·(2·cols − 1)`.
///
/// # Departures
///
/// The window is the grid. Tokens off the grid get the table between its entries, bilinearly, and its border where they
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
    resize: Option<BiasResize>,
}

impl RelativeBiasPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, no heads or no blocks, [`Error::Place`] for a clip, or for class rows where
    /// the prefix is not one token.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<RelativeBiasPosition, Error> {
        let [frames, rows, cols] = site.grid;
        nonzero("grid", &site.grid)?;
        nonzero("heads and blocks", &[site.heads, site.depth])?;
        if frames > 1 {
            refuse(WHAT, "one frame", format!("{frames} frames"))?;
        }
        let grid = [rows, cols];
        let more = if self.class_rows { CLASS_ROWS } else { 0 };
        let shape = [entries(grid) + more, site.heads];
        let tables = if self.shared { 1 } else { site.depth };
        let position = RelativeBiasPosition {
            relative_position_bias_table: (0..tables)
                .map(|_| self.initializer.init(shape, device))
                .collect(),
            grid,
            class_rows: self.class_rows,
            resize: self.resize,
        };
        position.check_prefix(site.prefix)?;
        Ok(position)
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
        if grid != self.grid && self.resize.is_none() {
            refuse(
                WHAT,
                format!(
                    "a grid of {:?} (rows, columns), or a way to resize it",
                    self.grid
                ),
                format!("{grid:?}"),
            )?;
        }
        self.check_prefix(prefix)
    }

    fn attend(&self, tokens: &Tokens, block: usize, _: &mut Noise<'_>) -> Attend {
        let prefix = tokens.prefix();
        self.check(tokens.layout(), tokens.places().kind(), prefix)
            .or_panic();
        let tables = &self.relative_position_bias_table;
        let table = tables[block.min(tables.len() - 1)].val();
        let grid = &tokens.layout().grids()[0];
        let grid = [grid.rows, grid.cols];
        let table = match self.resize {
            Some(how) if grid != self.grid => self.resize_table(table, grid, how),
            _ => table,
        };
        let cells = entries(grid);
        let bias = read_offsets(table.clone().slice_dim(0, ..cells), grid, tokens);
        let bias = match self.class_rows {
            false => bias_behind_prefix(bias, prefix),
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
    /// The same biases for another grid, their tables resized once.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid.
    pub fn resized(mut self, grid: [usize; 2], how: BiasResize) -> Result<Self, Error> {
        nonzero("grid", &grid)?;
        let tables = core::mem::take(&mut self.relative_position_bias_table);
        let resized = tables.into_iter().map(|table| {
            let resized = self.resize_table(table.val().detach(), grid, how);
            Param::from_tensor(resized)
        });
        let resized = resized.collect();
        Ok(Self {
            relative_position_bias_table: resized,
            grid,
            ..self
        })
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
    fn resize_table(&self, table: Tensor<2>, grid: [usize; 2], how: BiasResize) -> Tensor<2> {
        let cells = entries(self.grid);
        let offsets = table.clone().slice_dim(0, ..cells);
        let offsets = how.resize(offsets, self.grid, grid);
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
