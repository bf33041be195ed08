//! The way back from fewer tokens.

use burn::tensor::{Bool, Int, Tensor};

use crate::ops::{Reach, gather_rows};
use crate::tokens::layout::Layout;
use crate::tokens::places::Places;
use crate::tokens::tokens::Tokens;

/// Puts what was selected or merged back where it was: MAE's decoder and unmerging alike.
///
/// For each former token it knows which present one holds it now, if any.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::tokens::Restore;
///
/// let device = Device::flex();
/// let images = Tensor::<4>::from_floats([[[[1.0, 2.0], [3.0, 4.0]]]], &device);
/// let all = patchify(images, [1, 1], FlatOrder::default()).unwrap();
/// let kept = all.clone().select(Tensor::from_ints([[3, 1]], &device));
/// let restore = Restore::new(Tensor::from_ints([[-1, 1, -1, 0]], &device), &all);
/// let filled = restore.apply(kept, Some(Tensor::full([1, 1, 1], 9.0, &device)));
/// filled.into_embeddings().into_data().assert_eq(&[[[9.0f32], [2.0], [9.0], [4.0]]].into(), true);
/// ```
#[derive(Debug, Clone)]
pub struct Restore {
    owner: Tensor<2, Int>,
    layout: Layout,
    places: Places,
    reach: Reach,
    sizes: Option<Tensor<2>>,
    placed: Option<Tensor<2, Bool>>,
}

impl Restore {
    /// `owner` (`[batch, former tokens]`) is, for each patch token of `before`, the index of the present token that
    /// holds it; −1: none does.
    ///
    /// # Panics
    ///
    /// If there is not one owner per token.
    #[track_caller]
    pub fn new(owner: Tensor<2, Int>, before: &Tokens) -> Self {
        assert_eq!(
            owner.dims(),
            [before.batch(), before.tokens()],
            "owners and tokens before"
        );
        Self {
            owner,
            layout: before.layout().clone(),
            places: before.places().clone(),
            reach: before.reach().clone(),
            sizes: before.sizes(),
            placed: before.placed(),
        }
    }

    /// As [`new`](Self::new) for tokens that were never made: those of the whole grid.
    pub fn to_grid(owner: Tensor<2, Int>, layout: Layout) -> Self {
        Self {
            owner,
            layout,
            places: Places::Cells,
            reach: Reach::All,
            sizes: None,
            placed: None,
        }
    }

    /// For each former token the index of the present one that holds it, `[batch, former tokens]`; −1: none does.
    /// Where it is not negative, this is MAE's `ids_restore`.
    pub fn owner(&self) -> Tensor<2, Int> {
        self.owner.clone()
    }

    /// 1 where a former token is held by none, else 0, `[batch, former tokens]`: MAE's `mask`.
    pub fn mask(&self) -> Tensor<2> {
        self.lost().float()
    }

    fn lost(&self) -> Tensor<2, Bool> {
        self.owner.clone().lower_elem(0)
    }

    /// The way back from what `next` restores to, then from what this one restores to.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        let lost = self.lost();
        let through = next.owner.gather(1, self.owner.clone().clamp_min(0));
        Self {
            owner: through.mask_fill(lost, -1),
            ..self
        }
    }

    /// The former tokens: each is the present one that holds it, or `fill` (`[1, 1, dim]`, a mask token; none: zeros)
    /// where none does. The prefix stays.
    ///
    /// # Panics
    ///
    /// If the batch or the dim differs.
    #[track_caller]
    pub fn apply(&self, tokens: Tokens, fill: Option<Tensor<3>>) -> Tokens {
        let (batch, kept, dim) = (tokens.batch(), tokens.tokens(), tokens.dim());
        assert_eq!(
            self.owner.dims()[0],
            batch,
            "batch of the tokens and of the way back"
        );
        let present = tokens.patch_embeddings();
        let fill = match fill {
            Some(fill) => fill.expand([batch, 1, dim]),
            None => Tensor::zeros([batch, 1, dim], (&present.device(), present.dtype())),
        };
        let index = self.owner().mask_fill(self.lost(), kept as i64);
        let embeddings = gather_rows(Tensor::cat(vec![present, fill], 1), index);
        let restored = Tokens::new(embeddings, self.layout.clone(), self.places.clone())
            .with_reach(self.reach.clone());
        let restored = match &self.sizes {
            Some(sizes) => restored.with_sizes(sizes.clone()),
            None => restored,
        };
        let restored = match &self.placed {
            Some(placed) => restored.with_placed(placed.clone()),
            None => restored,
        };
        match tokens.prefix_embeddings() {
            Some(prefix) => restored.with_prefix(prefix),
            None => restored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use burn::tensor::{Device, Distribution};

    /// The tokens at `index`, and the way back.
    fn select(tokens: Tokens, index: [i32; 2], owner: &[i32]) -> (Tokens, Restore) {
        let device = tokens.embeddings().device();
        let owner = Tensor::<1, Int>::from_ints(owner, &device).unsqueeze::<2>();
        let restore = Restore::new(owner, &tokens);
        (tokens.select(Tensor::from_ints([index], &device)), restore)
    }

    #[test]
    fn two_ways_back_in_one_are_one_after_the_other() {
        let device = Device::flex();
        let grid = Window::patch([1, 1], Default::default())
            .layout([2, 2])
            .unwrap();
        let draw = Tensor::random([1, 4, 3], Distribution::Default, &device);
        let valid = Tensor::from_bool([[true, true, true, false]], &device);
        let all = Tokens::from_grid(draw, grid)
            .with_valid(valid)
            .with_sizes(Tensor::from_floats([[1.0, 2.0, 3.0, 4.0]], &device))
            .with_prefix(Tensor::ones([1, 1, 3], &device));
        let (two, first) = select(all.clone(), [2, 0], &[1, -1, 0, -1]);
        let (last, second) = select(two, [0, 0], &[0, -1]);
        let fill = Tensor::full([1, 1, 3], 9.0, &device);
        let step = first.apply(
            second.apply(last.clone(), Some(fill.clone())),
            Some(fill.clone()),
        );
        let whole = first.then(second).apply(last, Some(fill));
        let [step_data, whole_data] = [&step, &whole].map(|tokens| tokens.embeddings().into_data());
        whole_data.assert_eq(&step_data, true);
        assert_eq!(whole.places().kind(), all.places().kind());
        let sizes = whole.sizes().unwrap().into_data();
        sizes.assert_eq(&all.sizes().unwrap().into_data(), true);
        assert!(whole.valid().is_some());
    }
}
