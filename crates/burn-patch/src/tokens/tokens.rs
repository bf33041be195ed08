//! Tokens and what is known of them.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::Error;
use crate::grid::PatchGrid;
use crate::ops::{Reach, gather_rows};
use crate::tokens::layout::Layout;
use crate::tokens::mean::weighted_mean;
use crate::tokens::picked::picked;
use crate::tokens::places::Places;

/// Tokens and what later stages need to know of them.
///
/// Embeddings are `[batch, prefix + tokens, dim]`: first the prefix (class, registers), which has no
/// place in the image, then the patch tokens. Everything else speaks of the patch tokens alone.
#[derive(Debug, Clone)]
pub struct Tokens {
    embeddings: Tensor<3>,
    prefix: usize,
    layout: Layout,
    places: Places,
    reach: Reach,
    sizes: Option<Tensor<2>>,
    placed: Option<Tensor<2, Bool>>,
    policy: Option<Tensor<2>>,
}

impl Tokens {
    /// Tokens without prefix: embeddings `[batch, tokens, dim]`, from `layout`, at `places`. On whole grids of different
    /// sizes, the tokens behind an image's own cells are padding. Those of a pack need their segments besides
    /// ([`with_reach`](Self::with_reach)).
    ///
    /// # Panics
    ///
    /// If there is not one embedding per place, or not one grid per image.
    #[track_caller]
    pub fn new(embeddings: Tensor<3>, layout: impl Into<Layout>, places: Places) -> Self {
        let layout = layout.into();
        let [batch, tokens, _] = embeddings.dims();
        match &places {
            Places::Cells => assert_eq!(tokens, layout.cells(), "embeddings and grid cells"),
            Places::Picked(cells) => assert_eq!(cells.dims(), [batch, tokens], "picked cells"),
            Places::Boxes(boxes) => assert_eq!(boxes.dims(), [batch, tokens, 4], "boxes"),
        }
        let reach = match &layout {
            Layout::Same(_) | Layout::Packed(_) => Reach::All,
            Layout::Each(grids) => {
                assert_eq!(grids.len(), batch, "grids and images");
                real_cells(grids, &places, [batch, tokens], &embeddings.device())
            }
        };
        Self {
            embeddings,
            prefix: 0,
            layout,
            places,
            reach,
            sizes: None,
            placed: None,
            policy: None,
        }
    }

    /// One token per cell of `grid`, in row-major order: embeddings `[batch, rows·cols, dim]`.
    ///
    /// # Panics
    ///
    /// If there is not one embedding per cell.
    #[track_caller]
    pub fn from_grid(embeddings: Tensor<3>, grid: PatchGrid) -> Self {
        Self::new(embeddings, grid, Places::Cells)
    }

    /// Some cells of `grid`: embeddings `[batch, kept, dim]`, cells `[batch, kept]`.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    #[track_caller]
    pub fn from_cells(embeddings: Tensor<3>, grid: PatchGrid, cells: Tensor<2, Int>) -> Self {
        Self::new(embeddings, grid, Places::Picked(cells))
    }

    /// Tokens with places of their own: embeddings `[batch, tokens, dim]`, boxes `[batch, tokens, 4]`, each
    /// `[center y, center x, height, width]` in pixels. `grid` is the finest that they may take places from.
    ///
    /// # Panics
    ///
    /// If there is not one box per embedding.
    #[track_caller]
    pub fn off_grid(embeddings: Tensor<3>, grid: PatchGrid, boxes_px: Tensor<3>) -> Self {
        Self::new(embeddings, grid, Places::Boxes(boxes_px))
    }

    /// All embeddings, `[batch, prefix + tokens, dim]`.
    pub fn embeddings(&self) -> Tensor<3> {
        self.embeddings.clone()
    }

    /// All embeddings, by value.
    pub fn into_embeddings(self) -> Tensor<3> {
        self.embeddings
    }

    /// The patch tokens' embeddings, `[batch, tokens, dim]`.
    pub fn patch_embeddings(&self) -> Tensor<3> {
        match self.prefix {
            0 => self.embeddings.clone(),
            prefix => self.embeddings.clone().slice_dim(1, prefix..),
        }
    }

    /// The prefix tokens' embeddings, `[batch, prefix, dim]`; none where there is no prefix.
    pub fn prefix_embeddings(&self) -> Option<Tensor<3>> {
        (self.prefix > 0).then(|| self.embeddings.clone().slice_dim(1, ..self.prefix))
    }

    /// Images in the batch.
    pub fn batch(&self) -> usize {
        self.embeddings.dims()[0]
    }

    /// Patch tokens per image, padding included.
    pub fn tokens(&self) -> usize {
        self.embeddings.dims()[1] - self.prefix
    }

    /// Width of an embedding.
    pub fn dim(&self) -> usize {
        self.embeddings.dims()[2]
    }

    /// Number of prefix tokens.
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// The grids that the tokens came from.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The grid that the tokens of all images came from.
    ///
    /// # Panics
    ///
    /// If each image has a [grid of its own](Layout::Each).
    #[track_caller]
    pub fn grid(&self) -> &PatchGrid {
        self.layout
            .shared()
            .expect("one grid for all images; these have grids of their own")
    }

    /// Where the tokens lie.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Which tokens may attend to which.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// That of the prefix and the patch tokens together: every token reaches the prefix.
    #[track_caller]
    pub fn reach_with_prefix(&self) -> Reach {
        self.reach.clone().behind_prefix(self.prefix)
    }

    /// Which tokens are real, `[batch, tokens]`; none where all are.
    pub fn valid(&self) -> Option<Tensor<2, Bool>> {
        self.reach.valid()
    }

    /// How many patches each token stands for, `[batch, tokens]`; none where each is one.
    pub fn sizes(&self) -> Option<Tensor<2>> {
        self.sizes.clone()
    }

    /// Which tokens have a place in their image, `[batch, tokens]`; none where all have. In a pack, class tokens have
    /// none: nothing turns or moves them, and they are in no mean.
    pub fn placed(&self) -> Option<Tensor<2, Bool>> {
        self.placed.clone()
    }

    /// How much of each token others may see, `[batch, tokens]`; none where all is. While a
    /// [`DynamicVit`](crate::reduce::DynamicVit) trains, the tokens that it drops stay, with 0 here.
    pub fn policy(&self) -> Option<Tensor<2>> {
        self.policy.clone()
    }

    /// That of the prefix, which is seen whole, and of the patch tokens, `[batch, prefix + tokens]`.
    pub fn policy_with_prefix(&self) -> Option<Tensor<2>> {
        let policy = self.policy()?;
        Some(self.behind_prefix(policy, 1.0))
    }

    /// `values` of the patch tokens behind `value` for each prefix token.
    fn behind_prefix(&self, values: Tensor<2>, value: f32) -> Tensor<2> {
        if self.prefix == 0 {
            return values;
        }
        let (shape, options) = (
            [self.batch(), self.prefix],
            (&values.device(), values.dtype()),
        );
        Tensor::cat(vec![Tensor::full(shape, value, options), values], 1)
    }

    /// Whether there is one token per grid cell, in row-major order.
    pub fn is_whole_grid(&self) -> bool {
        matches!(self.places, Places::Cells)
    }

    /// Says which tokens may attend to which.
    #[must_use]
    #[track_caller]
    pub fn with_reach(mut self, reach: Reach) -> Self {
        if let Some(valid) = reach.valid() {
            assert_eq!(valid.dims(), [self.batch(), self.tokens()], "valid");
        }
        self.reach = reach;
        self
    }

    /// Marks padding of a ragged batch: `valid` is `[batch, tokens]`.
    #[must_use]
    #[track_caller]
    pub fn with_valid(self, valid: Tensor<2, Bool>) -> Self {
        self.with_reach(Reach::Valid(valid))
    }

    /// Says how many patches each token stands for: `sizes` is `[batch, tokens]`.
    #[must_use]
    #[track_caller]
    pub fn with_sizes(mut self, sizes: Tensor<2>) -> Self {
        assert_eq!(sizes.dims(), [self.batch(), self.tokens()], "sizes");
        self.sizes = Some(sizes);
        self
    }

    /// Says which tokens have a place: `placed` is `[batch, tokens]`.
    #[must_use]
    #[track_caller]
    pub fn with_placed(mut self, placed: Tensor<2, Bool>) -> Self {
        assert_eq!(placed.dims(), [self.batch(), self.tokens()], "placed");
        self.placed = Some(placed);
        self
    }

    /// Says how much of each token others may see: `policy` is `[batch, tokens]`, from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn with_policy(mut self, policy: Tensor<2>) -> Self {
        assert_eq!(policy.dims(), [self.batch(), self.tokens()], "policy");
        self.policy = Some(policy);
        self
    }

    /// Puts the tokens elsewhere.
    #[must_use]
    #[track_caller]
    pub fn with_places(mut self, places: Places) -> Self {
        self.places = match places {
            Places::Boxes(boxes) => Places::Boxes(boxes.expand([self.batch(), self.tokens(), 4])),
            Places::Picked(cells) => {
                assert_eq!(cells.dims(), [self.batch(), self.tokens()], "picked cells");
                Places::Picked(cells)
            }
            Places::Cells => {
                assert_eq!(self.tokens(), self.layout.cells(), "tokens and grid cells");
                Places::Cells
            }
        };
        self
    }

    /// Puts `prefix` (`[1 or batch, count, dim]`) in front of what is there.
    #[must_use]
    #[track_caller]
    pub fn with_prefix(mut self, prefix: Tensor<3>) -> Self {
        let [_, count, dim] = prefix.dims();
        let prefix = prefix.expand([self.batch(), count, dim]);
        self.embeddings = Tensor::cat(vec![prefix, self.embeddings], 1);
        self.prefix += count;
        self
    }

    /// Changes the embeddings and nothing else.
    ///
    /// # Panics
    ///
    /// If `change` does not keep the batch and the number of tokens.
    #[must_use]
    #[track_caller]
    pub fn map(mut self, change: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        let [batch, count, _] = self.embeddings.dims();
        self.embeddings = change(self.embeddings);
        assert_eq!(
            self.embeddings.dims()[..2],
            [batch, count],
            "mapped embeddings"
        );
        self
    }

    /// Keeps the patch tokens at `index` (`[batch, kept]`), in that order; the prefix stays.
    #[must_use]
    #[track_caller]
    pub fn select(self, index: Tensor<2, Int>) -> Self {
        assert_eq!(index.dims()[0], self.batch(), "index rows and batch");
        let behind = match self.prefix {
            0 => index.clone(),
            prefix => {
                let front = Tensor::<1, Int>::arange(0..prefix as i64, &index.device());
                let front = front.cast(index.dtype()).unsqueeze::<2>();
                let front = front.expand([self.batch(), prefix]);
                Tensor::cat(vec![front, index.clone() + prefix as i64], 1)
            }
        };
        Self {
            embeddings: gather_rows(self.embeddings, behind),
            prefix: self.prefix,
            layout: self.layout,
            places: self.places.select(&index),
            reach: self.reach.select(&index),
            placed: self.placed.map(|placed| picked(placed, &index)),
            sizes: self.sizes.map(|sizes| sizes.gather(1, index.clone())),
            policy: self.policy.map(|policy| policy.gather(1, index)),
        }
    }

    /// The grid of which the patch tokens are a feature map: one image grid, all cells in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Irregular`] for tokens that are none.
    pub fn feature_grid(&self) -> Result<&PatchGrid, Error> {
        let because = match (self.layout.shared(), &self.places) {
            (Some(grid), Places::Cells) if grid.frames == 1 => return Ok(grid),
            (Some(_), Places::Cells) => "taken from several frames",
            (None, _) => "taken from grids of different sizes",
            (Some(_), _) => "selected or moved",
        };
        let what = "a feature map";
        Err(Error::Irregular { what, because })
    }

    /// Patch tokens as a feature map `[batch, dim, rows, cols]`.
    ///
    /// # Errors
    ///
    /// Those of [`feature_grid`](Self::feature_grid).
    pub fn to_feature_map(&self) -> Result<Tensor<4>, Error> {
        let grid = self.feature_grid()?;
        let (batch, dim) = (self.batch(), self.dim());
        let map = self.patch_embeddings().swap_dims(1, 2);
        Ok(map.reshape([batch, dim, grid.rows, grid.cols]))
    }

    /// Logarithms of the sizes behind zeros for the prefix, `[batch, prefix + tokens]`, or none where each token is one
    /// patch: what proportional attention adds to the scores of the keys (ToMe). A token of size 0, which stands for no
    /// patch, gets 0, as the prefix does.
    pub fn log_sizes(&self) -> Option<Tensor<2>> {
        let sizes = self.sizes()?;
        let none = sizes.clone().equal_elem(0.0);
        let sizes = sizes.mask_fill(none, 1.0).log();
        Some(self.behind_prefix(sizes, 0.0))
    }

    /// Mean of the patch tokens, `[batch, dim]`: padding and tokens without a place left out, merged tokens by their
    /// sizes, and each as far as its [policy](Self::policy) lets others see it.
    pub fn mean(&self) -> Tensor<2> {
        weighted_mean(self.patch_embeddings(), self.patch_counts(), self.policy())
    }
}

/// Which tokens are cells of their own image's grid, where some grids have fewer than others.
fn real_cells(
    grids: &[PatchGrid],
    places: &Places,
    [batch, tokens]: [usize; 2],
    device: &Device,
) -> Reach {
    if !matches!(places, Places::Cells) || grids.iter().all(|grid| grid.tokens() == tokens) {
        return Reach::All;
    }
    let real = grids
        .iter()
        .flat_map(|grid| (0..tokens).map(|cell| cell < grid.tokens()));
    let real: Vec<bool> = real.collect();
    Reach::Valid(Tensor::from_data(
        TensorData::new(real, [batch, tokens]),
        device,
    ))
}

#[cfg(test)]
mod tests;
