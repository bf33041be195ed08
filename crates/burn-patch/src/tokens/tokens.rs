//! The one token type.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::Error;
use crate::grid::PatchGrid;
use crate::ops::gather_rows;

/// Tokens and what later stages need to know of them.
///
/// Embeddings are `[batch, prefix + tokens, dim]`: first the prefix (class, registers), which has no
/// place in the image, then the patch tokens. On a regular grid nothing else is stored; places,
/// validity, counts and sources appear when something makes the tokens irregular, and each then
/// speaks of the patch tokens alone.
#[derive(Debug, Clone)]
pub struct Tokens {
    embeddings: Tensor<3>,
    prefix: usize,
    grid: PatchGrid,
    source: Option<Tensor<2, Int>>,
    boxes_px: Option<Tensor<3>>,
    valid: Option<Tensor<2, Bool>>,
    counts: Option<Tensor<2>>,
}

impl Tokens {
    /// One token per cell of `grid`, in row-major order: embeddings `[batch, rows·cols, dim]`.
    ///
    /// # Panics
    ///
    /// If there is not one embedding per cell.
    pub fn from_grid(embeddings: Tensor<3>, grid: PatchGrid) -> Self {
        assert_eq!(
            embeddings.dims()[1],
            grid.tokens(),
            "embeddings and grid cells"
        );
        Self {
            embeddings,
            prefix: 0,
            grid,
            source: None,
            boxes_px: None,
            valid: None,
            counts: None,
        }
    }

    /// Some cells of `grid`: embeddings `[batch, kept, dim]`, source `[batch, kept]` with each token's cell.
    ///
    /// # Panics
    ///
    /// If the shapes differ.
    pub fn from_cells(embeddings: Tensor<3>, grid: PatchGrid, source: Tensor<2, Int>) -> Self {
        let [batch, kept, _] = embeddings.dims();
        assert_eq!(source.dims(), [batch, kept], "source");
        Self {
            embeddings,
            prefix: 0,
            grid,
            source: Some(source),
            boxes_px: None,
            valid: None,
            counts: None,
        }
    }

    /// Tokens with places of their own: embeddings `[batch, tokens, dim]`, boxes `[batch, tokens, 4]`, each
    /// `[center y, center x, height, width]` in pixels. `grid` is the finest that they may take places from.
    ///
    /// # Panics
    ///
    /// If there is not one box per embedding.
    pub fn off_grid(embeddings: Tensor<3>, grid: PatchGrid, boxes_px: Tensor<3>) -> Self {
        let tokens = Self {
            embeddings,
            prefix: 0,
            grid,
            source: None,
            boxes_px: None,
            valid: None,
            counts: None,
        };
        tokens.with_boxes_px(boxes_px)
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

    /// The grid that the tokens came from.
    pub fn grid(&self) -> &PatchGrid {
        &self.grid
    }

    /// Which grid cell each token came from, `[batch, tokens]`; none on the whole grid.
    pub fn source(&self) -> Option<Tensor<2, Int>> {
        self.source.clone()
    }

    /// Which tokens are real, `[batch, tokens]`; none where all are.
    pub fn valid(&self) -> Option<Tensor<2, Bool>> {
        self.valid.clone()
    }

    /// How many patches each token stands for, `[batch, tokens]`; none where each is one.
    pub fn counts(&self) -> Option<Tensor<2>> {
        self.counts.clone()
    }

    /// Whether there is one token per grid cell, in row-major order.
    pub fn is_regular(&self) -> bool {
        self.source.is_none() && self.boxes_px.is_none()
    }

    /// Whether tokens have places of their own instead of their grid cell's.
    pub fn is_off_grid(&self) -> bool {
        self.boxes_px.is_some()
    }

    /// Marks padding of a ragged batch: `valid` is `[batch, tokens]`.
    #[must_use]
    pub fn with_valid(mut self, valid: Tensor<2, Bool>) -> Self {
        assert_eq!(valid.dims(), [self.batch(), self.tokens()], "valid");
        self.valid = Some(valid);
        self
    }

    /// Says how many patches each token stands for: `counts` is `[batch, tokens]`.
    #[must_use]
    pub fn with_counts(mut self, counts: Tensor<2>) -> Self {
        assert_eq!(counts.dims(), [self.batch(), self.tokens()], "counts");
        self.counts = Some(counts);
        self
    }

    /// Places tokens off the grid: `boxes_px` is `[batch, tokens, 4]`, each
    /// `[center y, center x, height, width]` in pixels.
    #[must_use]
    pub fn with_boxes_px(mut self, boxes_px: Tensor<3>) -> Self {
        assert_eq!(boxes_px.dims(), [self.batch(), self.tokens(), 4], "boxes");
        self.boxes_px = Some(boxes_px);
        self
    }

    /// Puts `prefix` (`[1 or batch, count, dim]`) in front of what is there.
    #[must_use]
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
    pub fn select(self, index: Tensor<2, Int>) -> Self {
        let [batch, kept] = index.dims();
        assert_eq!(batch, self.batch(), "index rows and batch");
        let pick = |values: Tensor<2>| values.gather(1, index.clone());
        let patches = gather_rows(self.patch_embeddings(), index.clone());
        let embeddings = match self.prefix_embeddings() {
            Some(prefix) => Tensor::cat(vec![prefix, patches], 1),
            None => patches,
        };
        Self {
            embeddings,
            prefix: self.prefix,
            grid: self.grid,
            boxes_px: self.boxes_px.map(|boxes| {
                boxes.gather(
                    1,
                    index.clone().unsqueeze_dim::<3>(2).expand([batch, kept, 4]),
                )
            }),
            valid: self
                .valid
                .map(|valid| pick(valid.float()).greater_elem(0.5)),
            counts: self.counts.map(pick),
            source: Some(match self.source {
                Some(source) => source.gather(1, index.clone()),
                None => index.clone(),
            }),
        }
    }

    /// Box of each token, `[1 or batch, tokens, 4]`: `[center y, center x, height, width]` in pixels.
    pub fn boxes_px(&self) -> Tensor<3> {
        if let Some(boxes) = &self.boxes_px {
            return boxes.clone();
        }
        let boxes = grid_boxes_px(&self.grid, &self.embeddings.device());
        match &self.source {
            Some(source) => {
                let cells = self.grid.tokens();
                gather_rows(boxes.expand([self.batch(), cells, 4]), source.clone())
            }
            None => boxes,
        }
    }

    /// Patch tokens as a feature map `[batch, dim, rows, cols]`.
    ///
    /// # Errors
    ///
    /// [`Error::Irregular`] for anything but one token per grid cell in row-major order.
    pub fn to_feature_map(&self) -> Result<Tensor<4>, Error> {
        if !self.is_regular() {
            return Err(Error::Irregular {
                what: "a feature map",
                because: "selected or moved",
            });
        }
        let (batch, dim) = (self.batch(), self.dim());
        let map = self.patch_embeddings().swap_dims(1, 2);
        Ok(map.reshape([batch, dim, self.grid.rows, self.grid.cols]))
    }

    /// Mean of the patch tokens, `[batch, dim]`: padding left out, merged tokens by their patch counts.
    pub fn mean(&self) -> Tensor<2> {
        let patches = self.patch_embeddings();
        let weights = match (self.valid.clone(), self.counts.clone()) {
            (None, None) => return patches.mean_dim(1).squeeze_dim(1),
            (Some(valid), None) => valid.float(),
            (None, Some(counts)) => counts,
            (Some(valid), Some(counts)) => valid.float() * counts,
        };
        let weights = weights.cast(patches.dtype()).unsqueeze_dim::<3>(2);
        let total = weights.clone().sum_dim(1);
        ((patches * weights).sum_dim(1) / total).squeeze_dim(1)
    }
}

fn grid_boxes_px(grid: &PatchGrid, device: &Device) -> Tensor<3> {
    let [height, width] = grid.window.kernel.map(|side| side as f32);
    let boxes: Vec<f32> = (0..grid.tokens())
        .flat_map(|cell| {
            let [y, x] = grid.center_px(cell / grid.cols, cell % grid.cols);
            [y, x, height, width]
        })
        .collect();
    Tensor::from_data(TensorData::new(boxes, [1, grid.tokens(), 4]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::Distribution;

    fn grid() -> PatchGrid {
        Window::patch([2, 4], Remainder::Reject)
            .layout([4, 12])
            .unwrap()
    }

    fn tokens(device: &Device) -> Tokens {
        Tokens::from_grid(
            Tensor::random([2, 6, 5], Distribution::Default, device),
            grid(),
        )
    }

    fn assert_same<const D: usize>(got: Tensor<D>, want: Tensor<D>) {
        got.into_data().assert_eq(&want.into_data(), true);
    }

    #[test]
    fn selection_follows_embeddings_boxes_counts_and_sources() {
        let device = Device::flex();
        let all = tokens(&device)
            .with_counts(Tensor::from_floats([[1., 2., 3., 4., 5., 6.]; 2], &device))
            .with_prefix(Tensor::ones([1, 1, 5], &device));
        let first = Tensor::from_ints([[5, 0, 2], [1, 2, 3]], &device);
        let second = Tensor::from_ints([[1], [2]], &device);
        let kept = all.clone().select(first).select(second);
        assert_eq!(kept.embeddings().dims(), [2, 2, 5]);
        kept.source()
            .unwrap()
            .into_data()
            .convert::<i64>()
            .assert_eq(&[[0i64], [3]].into(), true);
        kept.counts()
            .unwrap()
            .into_data()
            .assert_eq(&[[1.0f32], [4.0]].into(), true);
        let want = Tensor::from_floats([[[1., 2., 2., 4.]], [[3., 2., 2., 4.]]], &device);
        assert_same(kept.boxes_px(), want);
        let direct = gather_rows(
            all.patch_embeddings(),
            Tensor::from_ints([[0], [3]], &device),
        );
        assert_same(kept.patch_embeddings(), direct);
        assert!(kept.to_feature_map().is_err());
    }

    #[test]
    fn feature_map_has_token_r_c_at_row_r_col_c() {
        let device = Device::flex();
        let tokens = tokens(&device);
        let map = tokens.to_feature_map().unwrap();
        assert_eq!(map.dims(), [2, 5, 2, 3]);
        let cell = map.slice([0..2, 0..5, 1..2, 2..3]).reshape([2, 5]);
        assert_same(
            cell,
            tokens
                .embeddings()
                .slice([0..2, 5..6, 0..5])
                .reshape([2, 5]),
        );
    }

    #[test]
    fn mean_leaves_padding_out_and_weighs_merged_tokens() {
        let device = Device::flex();
        let grid = Window::patch([2, 4], Remainder::Reject)
            .layout([2, 12])
            .unwrap();
        let values = Tensor::<3>::from_floats([[[1.0], [5.0], [100.0]]], &device);
        let tokens = Tokens::from_grid(values, grid)
            .with_valid(Tensor::from_bool([[true, true, false]], &device))
            .with_counts(Tensor::from_floats([[3.0, 1.0, 7.0]], &device))
            .with_prefix(Tensor::full([1, 1, 1], 9.0, &device));
        tokens
            .mean()
            .into_data()
            .assert_eq(&[[2.0f32]].into(), true);
    }
}
