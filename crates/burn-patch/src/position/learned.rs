//! Learned absolute positions.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};

use crate::grid::{PatchGrid, nonzero};
use crate::ops::gather_rows;
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
            Places::Picked(cells) => {
                let patches = self.on_grids(tokens.layout());
                let [_, count, dim] = patches.dims();
                gather_rows(patches.expand([tokens.batch(), count, dim]), cells.clone())
            }
            Places::Boxes(_) => self.at_boxes(&tokens),
        };
        add(tokens, patches, self.prefix_table())
    }
}

impl LearnedPosition {
    /// The rows for prefix tokens, `[1, prefix, dim]`.
    pub fn prefix_table(&self) -> Option<Tensor<3>> {
        (self.prefix > 0).then(|| self.pos_embed.val().slice_dim(1, ..self.prefix))
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

    /// The cells' vectors, `[frames, rows, cols, dim]`.
    fn patch_table(&self) -> Tensor<4> {
        let [frames, rows, cols] = self.grid;
        let [_, _, dim] = self.pos_embed.dims();
        let patches = self.pos_embed.val().slice_dim(1, self.prefix..);
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

    fn grid(size: [usize; 2]) -> crate::grid::PatchGrid {
        Window::patch([2, 2], Remainder::Reject)
            .layout(size)
            .unwrap()
    }

    fn assert_close(got: Tensor<3>, want: Tensor<3>) {
        let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn resampling_forward_by_forward_is_resizing_once() {
        let device = Device::flex();
        let profile = Profile::DinoV2;
        let position = LearnedPositionConfig::new()
            .with_resample(Some(profile))
            .init(&Site::new([2, 3], 4).with_prefix(1), &device);
        let resized = position.resized([4, 5], profile).unwrap();
        assert_eq!(resized.pos_embed.dims(), [1, 21, 4]);
        let tokens = Tokens::from_grid(Tensor::zeros([2, 20, 4], &device), grid([8, 10]));
        let tokens = tokens.with_prefix(Tensor::zeros([1, 1, 4], &device));
        let index = Tensor::from_ints([[19, 0, 7], [3, 3, 4]], &device);
        for tokens in [tokens.clone(), tokens.select(index)] {
            let [got, want] = [&position, &resized].map(|position| position.add(tokens.clone(), 0));
            assert_close(got.into_embeddings(), want.into_embeddings());
        }
    }

    #[test]
    fn a_table_of_another_grid_than_the_sites_is_the_configs() {
        let device = Device::flex();
        let config = LearnedPositionConfig::new().with_grid(Some([3, 5]));
        let position = config
            .clone()
            .with_resample(Some(Profile::Timm))
            .init(&Site::new([2, 3], 4).with_prefix(1), &device);
        assert_eq!(position.pos_embed.dims(), [1, 16, 4]);
        let added = position.add(tokens(&device), 0).into_embeddings();
        let want = position.resized([2, 3], Profile::Timm).unwrap();
        assert_close(
            added,
            want.pos_embed.val().slice_dim(1, 1..).expand([2, 6, 4]),
        );
        let plain = config.init(&Site::new([2, 3], 4), &device);
        let refused = plain.check(&grid([4, 6]).into(), PlaceKind::Cells, 0);
        assert!(refused.unwrap_err().to_string().contains("[1, 3, 5]"));
        let empty = config
            .with_grid(Some([0, 5]))
            .try_init(&Site::new([2, 3], 4), &device);
        assert!(matches!(empty, Err(Error::Zero { .. })));
    }

    #[test]
    fn images_with_grids_of_their_own_get_tables_of_their_own() {
        let device = Device::flex();
        let position = LearnedPositionConfig::new()
            .with_resample(Some(Profile::SigLip2))
            .init(&Site::new([2, 3], 4), &device);
        let grids = [[4, 4], [2, 6], [4, 4]].map(grid);
        let zeros = || Tensor::zeros([3, 4, 4], &device);
        let layout = Layout::Each(grids.into());
        let got = position.add(Tokens::new(zeros(), layout, Places::Cells), 0);
        let alone = grids.map(|grid| {
            let zeros = Tensor::zeros([1, grid.tokens(), 4], &device);
            position
                .add(Tokens::from_grid(zeros, grid), 0)
                .into_embeddings()
        });
        let [first, second, third] = alone;
        let padded = Tensor::cat(vec![second, Tensor::zeros([1, 1, 4], &device)], 1);
        assert_close(
            got.into_embeddings(),
            Tensor::cat(vec![first, padded, third], 0),
        );
    }

    /// Boxes over the cells of another grid, as large as its cells.
    #[test]
    fn boxes_over_the_cells_of_a_grid_get_its_resampled_table() {
        let device = Device::flex();
        for profile in [
            Profile::Timm,
            Profile::SigLip2,
            Profile::DinoV2,
            Profile::RadioCorners,
            Profile::Square(Filter::SmoothLinear),
        ] {
            let position = LearnedPositionConfig::new()
                .with_resample(Some(profile))
                .init(&Site::new([5, 4], 4), &device);
            let grids = [[4, 6], [6, 4]].map(grid);
            let zeros = Tensor::zeros([2, 6, 4], &device);
            let tokens = Tokens::new(zeros, Layout::Each(grids.into()), Places::Cells);
            let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
            let [on, off] = [tokens, boxed].map(|tokens| position.add(tokens, 0));
            assert_close(off.into_embeddings(), on.into_embeddings());
        }
    }

    #[test]
    fn a_clip_of_other_frames_is_refused_by_name() {
        let position = LearnedPositionConfig::new()
            .with_resample(Some(Profile::Timm))
            .init(&Site::new([2, 3], 4), &Device::flex());
        let check =
            |grid: crate::grid::PatchGrid| position.check(&grid.into(), PlaceKind::Cells, 0);
        assert!(check(grid([8, 8])).is_ok());
        let error = check(grid([4, 6]).over_frames(2)).unwrap_err().to_string();
        assert!(
            error.contains("1 frames") && error.contains("[2, 2, 3]"),
            "{error}"
        );
        assert!(matches!(
            position.resized([0, 3], Profile::Timm),
            Err(Error::Zero { .. })
        ));
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
