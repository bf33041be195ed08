//! Conditional positions: a convolution over the tokens.

use burn::config::Config;
use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::position::position::Position;
use crate::position::refusals::{one_grid, refuse, still};
use crate::position::site::Site;
use crate::tokens::{Layout, PlaceKind};
use crate::{Error, Tokens};

const WHAT: &str = "this convolution over the tokens";

const KERNEL: usize = 3;

/// Configuration of [`PegPosition`].
#[derive(Config, Debug)]
pub struct PegPositionConfig {
    /// Before which block, from 0, the convolution stands; none: before the second as in the paper, or the first where
    /// there is one alone.
    pub block: Option<usize>,
}

/// Conditional positional encoding: each token is told its place by a small convolution over its neighbours, whose zero
/// padding shows where the border is.
///
/// Chu et al., [Conditional Positional Encodings](https://arxiv.org/abs/2102.10882), section 3.2 (PEG);
/// `timm/models/twins.py` (`PosConv`).
///
/// # Shapes
///
/// - tokens: one per cell of one grid of any size, `[batch, prefix + rows·cols, dim]`
/// - the same tokens; prefix tokens unchanged
///
/// # Equation
///
/// `x ← x + conv(x)`, 3×3 with zero padding, a filter per channel.
///
/// # Departures
///
/// Padding tokens of a batch are zero to it, as beyond the border.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{PegPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let position = PegPositionConfig::new().init(&Site::new([2, 2], 8).with_blocks(12, 2), &device);
/// let tokens = embed.forward(Tensor::ones([1, 1, 8, 12], &device));
/// let first = position.add(tokens.clone(), 0);
/// first.embeddings().into_data().assert_eq(&tokens.embeddings().into_data(), true);
/// assert_eq!(position.add(first, 1).embeddings().dims(), [1, 6, 8]);
/// ```
#[derive(Module, Debug)]
pub struct PegPosition {
    /// The convolution, timm's `proj.0`.
    pub proj: Conv2d,
    block: usize,
}

impl PegPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no width or no blocks, [`Error::Range`] for a block that is not there, [`Error::Place`] for a
    /// clip.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<PegPosition, Error> {
        nonzero("dim and blocks", &[site.dim, site.depth])?;
        still(WHAT, site)?;
        let last = site.depth - 1;
        let block = self.block.unwrap_or(last.min(1));
        if block > last {
            return Err(Error::Range {
                what: "block that a convolution over the tokens stands before",
                expected: format!("0 to {last}"),
                got: block as f64,
            });
        }
        Ok(PegPosition {
            proj: Conv2dConfig::new([site.dim; 2], [KERNEL; 2])
                .with_groups(site.dim)
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(device),
            block,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> PegPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for PegPosition {
    fn check(&self, layout: &Layout, places: PlaceKind, _: usize) -> Result<(), Error> {
        one_grid(WHAT, layout)?;
        let got = match places {
            PlaceKind::Cells => return Ok(()),
            PlaceKind::Picked => "some of the grid's cells",
            PlaceKind::Boxes => "boxes off the grid",
        };
        refuse(WHAT, "one token per grid cell, in row-major order", got)
    }

    fn adds(&self, before_block: usize) -> bool {
        before_block == self.block
    }

    fn add(&self, tokens: Tokens, before_block: usize) -> Tokens {
        if !self.adds(before_block) {
            return tokens;
        }
        self.check(tokens.layout(), tokens.places().kind(), tokens.prefix())
            .or_panic();
        assert_eq!(
            tokens.dim(),
            self.proj.weight.dims()[0],
            "the tokens' dim and the convolution's"
        );
        let grid = tokens.layout().grids()[0];
        let (batch, dim) = (tokens.batch(), tokens.dim());
        let patches = tokens.patch_embeddings();
        let seen = match tokens.valid() {
            None => patches.clone(),
            Some(valid) => {
                let padding = valid.bool_not().unsqueeze_dim::<3>(2);
                patches
                    .clone()
                    .mask_fill(padding.expand(patches.dims()), 0.0)
            }
        };
        let map = seen.swap_dims(1, 2);
        let map = map.reshape([batch, dim, grid.rows, grid.cols]);
        let told = self.proj.forward(map).flatten::<3>(2, 3).swap_dims(1, 2);
        let patches = patches + told;
        let embeddings = match tokens.prefix_embeddings() {
            None => patches,
            Some(prefix) => Tensor::cat(vec![prefix, patches], 1),
        };
        tokens.map(|_| embeddings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{PatchGrid, Window};
    use burn::tensor::{Distribution, Tolerance};

    fn grid() -> PatchGrid {
        let window = Window::patch([1, 1], Default::default());
        window.layout([2, 3]).unwrap()
    }

    fn position(device: &Device) -> PegPosition {
        PegPositionConfig::new().init(&Site::new([2, 3], 4).with_blocks(2, 1), device)
    }

    fn draw(device: &Device) -> Tensor<3> {
        Tensor::random([2, 6, 4], Distribution::Default, device)
    }

    #[test]
    fn the_prefix_stays_and_padding_is_as_nothing() {
        let device = Device::flex();
        let position = position(&device);
        let patches = draw(&device);
        let valid = Tensor::from_bool([[true, true, true, true, true, false]; 2], &device);
        let weights = valid.clone().float().unsqueeze_dim::<3>(2);
        let cut = Tokens::from_grid(patches.clone() * weights, grid());
        let whole = Tokens::from_grid(patches.clone(), grid()).with_valid(valid);
        let prefix = Tensor::ones([1, 2, 4], &device);
        let got = position.add(whole.with_prefix(prefix), 1);
        let first = got.prefix_embeddings().unwrap().into_data();
        first.assert_eq(&Tensor::<3>::ones([2, 2, 4], &device).into_data(), true);
        let got = got.patch_embeddings() - patches;
        let want = position.add(cut.clone(), 1).embeddings() - cut.embeddings();
        assert!(want.clone().abs().max().into_scalar::<f32>() > 0.01);
        let close = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_data().assert_approx_eq(&want.into_data(), close);
    }

    #[test]
    fn what_has_no_neighbours_is_refused_by_name() {
        let position = position(&Device::flex());
        let layout = Layout::Same(grid());
        let text = |layout: &Layout, places| {
            let error = position.check(layout, places, 1).unwrap_err();
            error.to_string()
        };
        for (places, got) in [
            (PlaceKind::Picked, "some of the grid's cells"),
            (PlaceKind::Boxes, "boxes off the grid"),
        ] {
            let want = format!(
                "{WHAT} cannot place {got}; expected one token per grid cell, in row-major order"
            );
            assert_eq!(text(&layout, places), want);
        }
        let clip = text(&Layout::Same(grid().over_frames(2)), PlaceKind::Cells);
        assert!(clip.contains("2 frames"), "{clip}");
    }

    #[test]
    fn it_stands_before_the_second_block_the_only_one_or_the_one_asked_for() {
        let init = |depth, block| {
            let site = Site::new([2, 3], 4).with_blocks(depth, 1);
            let config = PegPositionConfig::new().with_block(block);
            config.try_init(&site, &Device::flex())
        };
        for (depth, block, want) in [(1, None, 0), (3, None, 1), (3, Some(2), 2)] {
            let position = init(depth, block).unwrap();
            assert!((0..3).all(|block| position.adds(block) == (block == want)));
        }
        let error = init(2, Some(2)).unwrap_err().to_string();
        assert!(error.ends_with("expected 0 to 1, got 2"), "{error}");
    }
}
