//! A learned choice of patch size per region.

pub(crate) mod config;
#[cfg(test)]
mod tests;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::softmax;
use burn::tensor::ops::PadMode;
use burn::tensor::{DType, Device, Int, Tensor};

use crate::embed::adaptive::regions::{Regions, quotas};
use crate::embed::adaptive::routing::{Routing, statistics};
use crate::embed::adaptive::saliency::area;
use crate::embed::parts::projection::project;
use crate::embed::patch_embed::{PatchEmbed, check_channels, expect_layout, select};
use crate::grid::{PatchGrid, Remainder, Window};
use crate::layers::mlp::Mlp;
use crate::ops::pick::{largest, places};
use crate::ops::{Images, gather_rows};
use crate::or_panic::OrPanic;
use crate::tokens::PlaceKind;
use crate::{Error, Tokens};

/// Below every score.
const NEVER: f32 = f32::MIN;

/// Dynamic patches: per region a router picks one of several patch sizes, each with its own projection.
///
/// The choice is the Gumbel-softmax of Jang et al., [Categorical Reparameterization with
/// Gumbel-Softmax](https://arxiv.org/abs/1611.01144), and Maddison et al., [The Concrete
/// Distribution](https://arxiv.org/abs/1611.00712). The nearest published method is Havtorn et al.,
/// [MSViT](https://arxiv.org/abs/2307.02321); there is no reference implementation of this one.
///
/// # Shapes
///
/// - images `[batch, channels, height, width]`
/// - tokens `[batch, tokens, dim]`: the smallest size first, regions row-major within a size, patches row-major
///   within a region
/// - the grid is that of the smallest patches over the padded image, and `counts` says how many of them a token covers
///
/// # Equation
///
/// Router: `p = softmax(ℓ)`, `ℓ = W₂·GELU(W₁·[mean; deviation; saliency] + b₁) + b₂` per region. A patch `x` of the
/// chosen size `s` becomes `g·(Wₛ·x + bₛ)` with a straight-through gate: `g` is 1 and its gradient that of `pₛ`.
///
/// [`forward`](PatchEmbed::forward) draws nothing. Each size gets a fixed number of regions, so that all images have
/// the same number of tokens, about `budget` of the smallest patches': first the smallest size takes the regions with
/// the largest odds `pₛ/Σₜ﹥ₛ pₜ`, then the next of what is left, and so on. Only chosen patches are projected. With
/// more than two sizes the numbers are the most even that meet the budget, `∝ exp(λ·patches per region)`. A size that
/// gets no region gets no gradient.
///
/// A whole patch costs its number of pixels, so that all sizes cost the same per region and what falls with the
/// budget is the work of everything that sees the tokens; with `shrink` the projection falls with it too.
///
/// [`route`](GatedPatchEmbed::route) and [`forward_routed`](GatedPatchEmbed::forward_routed) sample instead, for
/// training: all candidates are projected, and `valid` tells which were chosen.
///
/// # Departures
///
/// MSViT's gate chooses between two sizes by a Gumbel-sigmoid and holds the share of each by a loss of its own over
/// the batch (generalised batch-shaping); here any number of sizes, a categorical choice, and a squared distance from
/// the budget. Regions that stick out of the image are padded with zeros at the right and bottom, and their patches'
/// boxes lie as they are, beyond the border too.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{GatedPatchEmbedConfig, PatchEmbed};
///
/// let device = Device::flex();
/// let embed = GatedPatchEmbedConfig::new([32, 32], vec![[16, 16], [32, 32]], 3, 24).init(&device);
/// let images = Tensor::zeros([1, 3, 96, 96], &device);
/// // Three of nine regions in four patches each.
/// assert_eq!(embed.forward(images.clone()).tokens(), 3 * 4 + 6);
///
/// let routing = embed.route(images.clone(), None, &[0.5; 9 * 2], 1.0)?;
/// let routed = embed.forward_routed(images, &routing);
/// let loss = routed.budget_loss - routed.entropy.mean() * 0.01;
/// assert_eq!(loss.dims(), [1]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Module, Debug)]
pub struct GatedPatchEmbed {
    /// Scores sizes per region from each channel's mean and standard deviation, and the saliency if it takes one:
    /// `2·channels (+ 1) → sizes`.
    pub router: Mlp,
    /// One projection per size, weight `[dim, channels, kh, kw]`.
    pub heads: Vec<Conv2d>,
    region: [usize; 2],
    #[module(skip)]
    patches: Vec<[usize; 2]>,
    shrink: bool,
    budget: f64,
    saliency: bool,
}

/// Tokens of a sampled [`Routing`], and what a training needs of it.
#[derive(Debug, Clone)]
pub struct RoutedTokens {
    /// The patches of all sizes in all regions, those not chosen zero and not valid.
    pub tokens: Tokens,
    /// Natural logarithm of the routing's probability, `[batch]`: a policy gradient is `−(reward − baseline)·log_prob`.
    pub log_prob: Tensor<1>,
    /// Entropy of the routing in nats, `[batch]`.
    pub entropy: Tensor<1>,
    /// Expected number of tokens under the router's probabilities, `[batch]`, in `f32` at least.
    pub expected_tokens: Tensor<1>,
    /// Squared distance of the batch's expected share of tokens from the budget, `[1]`.
    pub budget_loss: Tensor<1>,
}

impl GatedPatchEmbed {
    /// As [`forward`](PatchEmbed::forward), with a saliency map `[batch, 1, height, width]` for the router.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward), and if the map is not of the images' size or the router takes none.
    #[track_caller]
    pub fn forward_with_saliency(&self, images: Tensor<4>, saliency: Tensor<4>) -> Tokens {
        expect_layout(self, images.dims());
        let regions = self.regions(&images).or_panic();
        let logits = self.logits(&images, Some(saliency), &regions);
        let logits = logits.or_panic();
        self.embed(images, &regions, logits)
    }

    /// Samples a patch size per region by the Gumbel-softmax. `noise` holds uniform values in `[0, 1)`, one per image,
    /// region and size in that order. `saliency` is `[batch, 1, height, width]`; a router that takes one gets zeros
    /// for none.
    ///
    /// # Errors
    ///
    /// Those of [`layout`](PatchEmbed::layout), [`Error::Channels`], [`Error::Range`] for a temperature that is not
    /// above zero, [`Error::Shape`] for another amount of noise, another size of the map or a map that the router
    /// does not take.
    pub fn route(
        &self,
        images: Tensor<4>,
        saliency: Option<Tensor<4>>,
        noise: &[f32],
        temperature: f64,
    ) -> Result<Routing, Error> {
        check_channels(self.channels(), images.dims()[1])?;
        let regions = self.regions(&images)?;
        Routing::sample(
            self.logits(&images, saliency, &regions)?,
            noise,
            temperature,
        )
    }

    /// Embeds all patches of all sizes, and marks those that the routing chose as valid.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward), and if the routing is of other images.
    #[track_caller]
    pub fn forward_routed(&self, images: Tensor<4>, routing: &Routing) -> RoutedTokens {
        let grid = expect_layout(self, images.dims());
        let regions = self.regions(&images).or_panic();
        let ([batch, ..], device) = (images.dims(), images.device());
        let sizes = self.heads.len();
        let shape = [batch, regions.count(), sizes];
        assert_eq!(routing.choice.dims(), shape, "routing of these images");
        let [mut embeddings, mut boxes, mut valid] = [(); 3].map(|()| Vec::with_capacity(sizes));
        let mut counts = Vec::with_capacity(sizes);
        for size in 0..sizes {
            let patches = regions.per_region(size);
            let cells = regions.count() * patches;
            let order = regions.cells(size, &device).reshape([1, cells]);
            let order = order.expand([batch, cells]);
            let tokens = self.project(&images, size, None, &regions);
            let along = |values: &Tensor<3>| {
                let values = values.clone().slice_dim(2, size..size + 1);
                let values = values.expand([batch, regions.count(), patches]);
                values.reshape([batch, cells, 1])
            };
            let gate = along(&routing.gate).cast(tokens.dtype());
            embeddings.push(gather_rows(tokens, order.clone()) * gate);
            let table = regions.boxes_px(size, &device);
            boxes.push(gather_rows(table, order));
            valid.push(along(&routing.choice));
            counts.push(self.counts(&regions, size, [batch, cells], &device));
        }
        let valid = Tensor::cat(valid, 1).squeeze_dim::<2>(2).greater_elem(0.5);
        let tokens = Tokens::off_grid(Tensor::cat(embeddings, 1), grid, Tensor::cat(boxes, 1));
        let expected_tokens = expected_tokens(routing, &regions);
        let share = expected_tokens.clone().mean() / regions.grids[0].tokens() as f64;
        RoutedTokens {
            tokens: tokens.with_sizes(Tensor::cat(counts, 1)).with_valid(valid),
            log_prob: routing.log_prob(),
            entropy: routing.entropy(),
            expected_tokens,
            budget_loss: (share - self.budget).square(),
        }
    }

    /// Tokens as a share of those that the smallest patches would give.
    pub fn budget(&self) -> f64 {
        self.budget
    }

    /// Tokens of one size: all cells of its grid, or those picked.
    fn project(
        &self,
        images: &Tensor<4>,
        size: usize,
        cells: Option<Tensor<2, Int>>,
        regions: &Regions,
    ) -> Tensor<3> {
        let (head, grid) = (&self.heads[size], &regions.grids[size]);
        if !self.shrink {
            return project(head, images.clone(), cells, grid);
        }
        let (patch, least) = (self.patches[size], self.patches[0]);
        let blocks = [patch[0] / least[0], patch[1] / least[1]];
        let small = area(padded(images.clone(), grid), blocks);
        let [_, _, height, width] = small.dims();
        let grid = Window::patch(least, Remainder::Reject).layout([height, width]);
        let grid = grid.or_panic();
        project(head, small, cells, &grid)
    }

    fn regions(&self, images: &Tensor<4>) -> Result<Regions, Error> {
        let [_, _, height, width] = images.dims();
        Regions::layout([height, width], self.region, &self.patches)
    }

    fn quotas(&self, regions: &Regions) -> Vec<usize> {
        let patches = (0..self.heads.len()).map(|size| regions.per_region(size));
        quotas(self.budget, &patches.collect::<Vec<_>>(), regions.count())
    }

    fn counts(
        &self,
        regions: &Regions,
        size: usize,
        shape: [usize; 2],
        device: &Device,
    ) -> Tensor<2> {
        let count = regions.per_region(0) as f32 / regions.per_region(size) as f32;
        Tensor::full(shape, count, (device, DType::F32))
    }

    /// Logits of the sizes, `[batch, regions, sizes]`.
    fn logits(
        &self,
        images: &Tensor<4>,
        saliency: Option<Tensor<4>>,
        regions: &Regions,
    ) -> Result<Tensor<3>, Error> {
        let [batch, _, height, width] = images.dims();
        let grid = &regions.grids[0];
        let features = statistics(padded(images.clone(), grid), self.region, true);
        let expected = [batch, usize::from(self.saliency), height, width];
        let saliency = match saliency {
            Some(map) if map.dims() != expected => {
                return Err(Error::Shape {
                    what: "saliency map (batch, channels that the router takes, height, width)",
                    expected: expected.to_vec(),
                    got: map.dims().to_vec(),
                });
            }
            Some(map) => {
                Some(statistics(padded(map, grid), self.region, false).cast(features.dtype()))
            }
            None if self.saliency => Some(features.clone().slice_dim(2, 0..1).zeros_like()),
            None => None,
        };
        let features = [features].into_iter().chain(saliency).collect();
        let features = Tensor::cat(features, 2).cast(self.router.fc1.weight.val().dtype());
        Ok(self.router.forward(features))
    }

    /// The tokens of the quotas, chosen by the logits.
    fn embed(&self, images: Tensor<4>, regions: &Regions, logits: Tensor<3>) -> Tokens {
        let ([batch, ..], device) = (images.dims(), images.device());
        let soft = softmax(logits.clone(), 2);
        let chosen = assign(logits, &self.quotas(regions));
        let [mut embeddings, mut boxes] = [(); 2].map(|()| Vec::new());
        let mut counts = Vec::new();
        for (size, index) in chosen {
            let [_, picked] = index.dims();
            let patches = regions.per_region(size);
            let shape = [batch, picked * patches];
            let table = regions.cells(size, &device);
            let cells = table.select(0, index.clone().reshape([batch * picked]));
            let cells = cells.reshape(shape);
            let tokens = self.project(&images, size, Some(cells.clone()), regions);
            let soft = soft
                .clone()
                .slice_dim(2, size..size + 1)
                .squeeze_dim::<2>(2);
            let soft = soft.gather(1, index);
            let gate = soft.clone() - soft.detach() + 1.0;
            let gate = gate.unsqueeze_dim::<3>(2).expand([batch, picked, patches]);
            let gate = gate.reshape([batch, shape[1], 1]).cast(tokens.dtype());
            embeddings.push(tokens * gate);
            let table = regions.boxes_px(size, &device);
            boxes.push(gather_rows(table, cells));
            counts.push(self.counts(regions, size, shape, &device));
        }
        let (embeddings, boxes) = (Tensor::cat(embeddings, 1), Tensor::cat(boxes, 1));
        Tokens::off_grid(embeddings, regions.grids[0], boxes).with_sizes(Tensor::cat(counts, 1))
    }
}

/// The zeros at the right and bottom that a grid asks for.
fn padded(map: Tensor<4>, grid: &PatchGrid) -> Tensor<4> {
    match grid.window.pad_after {
        [0, 0] => map,
        [bottom, right] => map.pad((0, right, 0, bottom), PadMode::Constant(0.0)),
    }
}

/// Regions of each size, `[batch, quota]` in ascending order; sizes without quota are left out.
fn assign(logits: Tensor<3>, quotas: &[usize]) -> Vec<(usize, Tensor<2, Int>)> {
    let logits = logits.detach().cast(DType::F32);
    let [batch, regions, sizes] = logits.dims();
    let mut free = Tensor::ones([batch, regions], (&logits.device(), DType::F32));
    let mut chosen = Vec::with_capacity(sizes);
    for (size, quota) in quotas.iter().enumerate() {
        if *quota == 0 {
            continue;
        }
        let taken = if quotas[size + 1..].iter().all(|later| *later == 0) {
            free.clone()
        } else {
            let odds = odds(&logits, size);
            largest(odds.mask_fill(free.clone().lower_elem(0.5), NEVER), *quota)
        };
        free = free - taken.clone();
        chosen.push((size, places(taken, *quota).0));
    }
    chosen
}

/// Logarithm of a size's odds against the larger ones, `[batch, regions]`.
fn odds(logits: &Tensor<3>, size: usize) -> Tensor<2> {
    let own = logits.clone().slice_dim(2, size..size + 1);
    let rest = logits.clone().slice_dim(2, size + 1..);
    let largest = rest.clone().max_dim(2);
    let sum = (rest - largest.clone()).exp().sum_dim(2).log();
    (own - largest - sum).squeeze_dim(2)
}

/// Expected number of tokens, `[batch]`.
fn expected_tokens(routing: &Routing, regions: &Regions) -> Tensor<1> {
    let sizes = 0..regions.grids.len();
    let patches: Vec<f32> = sizes.map(|size| regions.per_region(size) as f32).collect();
    routing.expected(&patches)
}

impl PatchEmbed for GatedPatchEmbed {
    fn channels(&self) -> usize {
        self.heads[0].weight.dims()[1]
    }

    fn dim(&self) -> usize {
        self.heads[0].weight.dims()[0]
    }

    fn layout(&self, size: [usize; 2]) -> Result<PatchGrid, Error> {
        Ok(Regions::layout(size, self.region, &self.patches)?.grids[0])
    }

    fn tokens(&self, size: [usize; 2]) -> Result<usize, Error> {
        let regions = Regions::layout(size, self.region, &self.patches)?;
        let quotas = self.quotas(&regions).into_iter().enumerate();
        Ok(quotas
            .map(|(size, quota)| quota * regions.per_region(size))
            .sum())
    }

    fn places(&self) -> PlaceKind {
        PlaceKind::Boxes
    }

    fn forward_images(&self, images: Images, cells: Option<Tensor<2, Int>>) -> Tokens {
        expect_layout(self, images.dims());
        let images = images.into_floats(self.heads[0].weight.val().dtype());
        let regions = self.regions(&images).or_panic();
        let logits = self.logits(&images, None, &regions);
        let logits = logits.or_panic();
        select(self.embed(images, &regions, logits), cells)
    }
}
