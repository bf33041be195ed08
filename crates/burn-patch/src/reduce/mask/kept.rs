//! Which tokens a mask keeps, decided on the host.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::reduce::reduce::Reduced;
use crate::tokens::{Layout, PlaceKind, Restore};
use crate::{Error, Tokens};

/// What stays visible, and how to come back.
#[derive(Debug, Clone)]
pub struct MaskPlan {
    /// Visible cells, `[batch, kept]`, in the order of the tokens that are left.
    pub keep: Tensor<2, Int>,
    /// The way back.
    pub restore: Restore,
}

/// For each image of a batch the tokens that stay, equally many, in the order in which they stay.
pub(crate) struct Kept {
    images: Vec<Vec<usize>>,
    tokens: usize,
}

impl Kept {
    /// `images` hold indices of `tokens` tokens each.
    pub(crate) fn new(images: Vec<Vec<usize>>, tokens: usize) -> Self {
        Self { images, tokens }
    }

    /// The `kept` tokens with the smallest noise, the smallest first; of equal noise the lower index. `noise` has one
    /// value per token, images one after another.
    pub(crate) fn least_noise(
        noise: &[f32],
        [batch, tokens, kept]: [usize; 3],
    ) -> Result<Self, Error> {
        expect_noise(noise, [batch, tokens])?;
        let least = |noise: &[f32]| {
            let mut order: Vec<usize> = (0..tokens).collect();
            order.sort_by(|&a, &b| noise[a].total_cmp(&noise[b]));
            order.truncate(kept);
            order
        };
        Ok(Self::new(
            noise.chunks(tokens.max(1)).map(least).collect(),
            tokens,
        ))
    }

    /// The same tokens in ascending order.
    pub(crate) fn ascending(mut self) -> Self {
        self.images.iter_mut().for_each(|kept| kept.sort_unstable());
        self
    }

    /// The tokens that stay, `[batch, kept]`, and for each token its place among them, `[batch, tokens]`; −1: masked.
    fn tensors(&self, device: &Device) -> [Tensor<2, Int>; 2] {
        let (batch, kept) = (self.images.len(), self.images.first().map_or(0, Vec::len));
        let keep = self.images.iter().flatten().map(|&token| token as i32);
        let mut owner = vec![-1i32; batch * self.tokens];
        for (image, kept) in self.images.iter().enumerate() {
            for (rank, token) in kept.iter().enumerate() {
                owner[image * self.tokens + token] = rank as i32;
            }
        }
        let keep = TensorData::new(keep.collect(), [batch, kept]);
        let owner = TensorData::new(owner, [batch, self.tokens]);
        [keep, owner].map(|data| Tensor::from_data(data, device))
    }

    /// For tokens that were never made: those of the whole grid.
    pub(crate) fn plan(&self, layout: Layout, device: &Device) -> MaskPlan {
        let [keep, owner] = self.tensors(device);
        let restore = Restore::to_grid(owner, layout);
        MaskPlan { keep, restore }
    }

    /// The tokens that stay; the prefix does.
    pub(crate) fn apply(&self, tokens: Tokens) -> (Tokens, Restore) {
        let [keep, owner] = self.tensors(&tokens.embeddings().device());
        let restore = Restore::new(owner, &tokens);
        (tokens.select(keep), restore)
    }

    /// The same as what a reducer gives.
    pub(crate) fn reduce(&self, tokens: Tokens) -> Reduced {
        let (tokens, restore) = self.apply(tokens);
        Reduced {
            restore: Some(restore),
            ..Reduced::for_good(tokens)
        }
    }
}

/// Refuses another number of values than `shape` says.
pub(crate) fn expect_noise(noise: &[f32], [batch, values]: [usize; 2]) -> Result<(), Error> {
    if noise.len() != batch * values {
        return Err(Error::Shape {
            what: "noise values (batch, tokens)",
            expected: vec![batch, values],
            got: vec![noise.len()],
        });
    }
    Ok(())
}

/// How many of `tokens` stay where `ratio` of them go: `max(1, int(tokens·(1 − ratio)))` in double precision.
pub(crate) fn kept_of(tokens: usize, ratio: f64) -> usize {
    ((tokens as f64 * (1.0 - ratio)) as usize).max(1)
}

/// Refuses a ratio that masks everything, or less than nothing.
pub(crate) fn check_ratio(ratio: f64) -> Result<(), Error> {
    match (0.0..1.0).contains(&ratio) {
        true => Ok(()),
        false => Err(Error::MaskRatio { got: ratio }),
    }
}

/// Where some of the tokens lie.
pub(crate) fn picked(places: PlaceKind) -> PlaceKind {
    match places {
        PlaceKind::Cells => PlaceKind::Picked,
        other => other,
    }
}
