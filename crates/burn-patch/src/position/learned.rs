//! Learned absolute positions.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::{PatchGrid, nonzero};
use crate::ops::{dequantized, gather_rows};
use crate::or_panic::OrPanic;
use crate::position::add::add;
use crate::position::per_grid::per_grid;
use crate::position::position::Position;
use crate::position::site::Site;
use crate::resample::align::Align;
use crate::resample::filter::Filter;
use crate::resample::profile::Profile;
use crate::resample::resize::Resize;
use crate::resample::sample::sample;
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
    /// How the table is brought to other grids than the [`Site`]'s, forward by forward; none: they are refused.
    pub resample: Option<Profile>,
    /// Rows and columns of the table, where a checkpoint has others than the [`Site`]; none: the site's.
    pub grid: Option<[usize; 2]>,
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
/// masking is the same. Grids of another size are refused, unless the config has a [`Profile`] to resample the table by;
/// clips keep their number of frames. Tokens off the grid get the table's value at their centre: linearly, or by the
/// profile's filter, where a smoothing one is as wide as the box.
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
///
/// use burn_patch::resample::Profile;
///
/// let larger = embed.forward(Tensor::zeros([2, 1, 16, 20], &device));
/// assert!(position.check(larger.layout(), larger.places().kind(), 0).is_err());
/// let resized = position.resized([4, 5], Profile::Timm).unwrap();
/// assert_eq!(resized.add(larger, 0).embeddings().dims(), [2, 20, 8]);
/// ```
#[derive(Module, Debug)]
pub struct LearnedPosition {
    /// The table, `[1, prefix + frames·rows·cols, dim]`.
    pub pos_embed: Param<Tensor<3>>,
    grid: [usize; 3],
    prefix: usize,
    #[module(skip)]
    resample: Option<Profile>,
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
        let [frames, rows, cols] = site.grid;
        let [rows, cols] = self.grid.unwrap_or([rows, cols]);
        nonzero("grid of the table", &[rows, cols])?;
        Ok(LearnedPosition {
            pos_embed: self
                .initializer
                .init([1, prefix + frames * rows * cols, site.dim], device),
            grid: [frames, rows, cols],
            prefix,
            resample: self.resample,
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
            let fits = match self.resample {
                Some(_) => got[0] == self.grid[0],
                None => got == self.grid,
            };
            if !fits {
                let expected = match self.resample {
                    Some(_) => format!("{} frames", self.grid[0]),
                    None => format!(
                        "a grid of {:?} (frames, rows, columns), or a profile to resample by",
                        self.grid
                    ),
                };
                return refuse(expected, format!("{got:?}"));
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
        let [_, _, dim] = self.pos_embed.dims();
        assert_eq!(
            tokens.dim(),
            dim,
            "the tokens' dim and the position table's"
        );
        let patches = match tokens.places() {
            Places::Cells => self.on_grids(tokens.layout()),
            Places::Picked(cells) => gather_rows(self.on_grids(tokens.layout()), cells.clone()),
            Places::Boxes(_) => self.at_boxes(&tokens),
        };
        add(tokens, patches, self.prefix_table())
    }
}

impl LearnedPosition {
    /// The rows for prefix tokens, `[1, prefix, dim]`.
    pub fn prefix_table(&self) -> Option<Tensor<3>> {
        (self.prefix > 0).then(|| self.table().slice_dim(1, ..self.prefix))
    }

    /// The same positions for a grid of `[rows, cols]`, each frame's resampled once and for all; prefix rows stay.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty grid, [`Error::Range`] for a profile with a senseless
    /// [offset](crate::resample::Align::Offset).
    pub fn resized(&self, [rows, cols]: [usize; 2], profile: Profile) -> Result<Self, Error> {
        let [frames, from_rows, from_cols] = self.grid;
        let resize = Resize::try_new([from_rows, from_cols], [rows, cols], profile)?;
        let [_, _, dim] = self.pos_embed.dims();
        let frame = resize.apply(self.patch_table());
        let patches = frame.reshape([1, frames * rows * cols, dim]);
        let table = match self.prefix_table() {
            Some(prefix) => Tensor::cat(vec![prefix, patches], 1),
            None => patches,
        };
        let trained = self.pos_embed.val().is_require_grad();
        Ok(Self {
            pos_embed: Param::from_tensor(table.detach().set_require_grad(trained)),
            grid: [frames, rows, cols],
            ..self.clone()
        })
    }

    fn table(&self) -> Tensor<3> {
        dequantized(self.pos_embed.val())
    }

    /// The cells' vectors, `[frames, rows, cols, dim]`.
    fn patch_table(&self) -> Tensor<4> {
        let [frames, rows, cols] = self.grid;
        let [_, _, dim] = self.pos_embed.dims();
        let patches = self.table().slice_dim(1, self.prefix..);
        patches.reshape([frames, rows, cols, dim])
    }

    /// The table of each grid, `[grids, cells of the largest, dim]`, zeros in the padding.
    fn on_grids(&self, layout: &Layout) -> Tensor<3> {
        let [_, _, dim] = self.pos_embed.dims();
        let table = self.patch_table();
        let cells = layout.cells();
        let mut made: Vec<([usize; 2], Tensor<3>)> = Vec::new();
        let grids = layout.grids().iter().map(|grid| {
            let to = [grid.rows, grid.cols];
            if let Some((_, same)) = made.iter().find(|(grid, _)| *grid == to) {
                return same.clone();
            }
            let [_, rows, cols] = self.grid;
            let profile = self.resample.unwrap_or(Profile::Custom(Filter::Nearest));
            let resize = Resize::try_new([rows, cols], to, profile).or_panic();
            let patches = resize.apply(table.clone());
            let patches = patches.reshape([1, grid.tokens(), dim]);
            let patches = match cells - grid.tokens() {
                0 => patches,
                rest => {
                    let padding = Tensor::zeros([1, rest, dim], (&table.device(), table.dtype()));
                    Tensor::cat(vec![patches, padding], 1)
                }
            };
            made.push((to, patches.clone()));
            patches
        });
        let grids: Vec<Tensor<3>> = grids.collect();
        match &made[..] {
            [(_, one)] => one.clone(),
            _ => Tensor::cat(grids, 0),
        }
    }

    /// The table at the boxes' centres, `[batch, tokens, dim]`.
    fn at_boxes(&self, tokens: &Tokens) -> Tensor<3> {
        let table = self.patch_table();
        let places = tokens.coordinates(Units::Cells);
        let Some(profile) = self.resample else {
            return sample(table, places, None, Filter::Linear(Align::Edges));
        };
        let [_, rows, cols] = self.grid;
        let scales =
            |grid: &PatchGrid| profile.steps_and_starts([rows, cols], [grid.rows, grid.cols]);
        let layout = tokens.layout();
        let step = per_grid(layout, &places, |grid| scales(grid).map(|[step, _]| step));
        let start = per_grid(layout, &places, |grid| scales(grid).map(|[_, start]| start));
        let stride = per_grid(layout, &places, |grid| {
            grid.window.stride.map(|stride| stride as f64)
        });
        let sides = tokens.boxes_px().cast(places.dtype()).slice_dim(2, 2..4);
        let spans = sides / stride * step.clone();
        sample(table, places * step + start, Some(spans), profile.filter())
    }
}

#[cfg(test)]
mod tests;
