//! A learned choice of patch size per region.

use alloc::vec;
use alloc::vec::Vec;
use burn::config::Config;
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::softmax;
use burn::tensor::ops::PadMode;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::pick::{largest, places};
use super::projection::project;
use super::regions::{Regions, quotas};
use super::router::{Router, Routing, statistics};
use super::saliency::area;
use super::{PatchEmbed, check_channels, expect_layout};
use crate::grid::{PatchGrid, Remainder, Window, nonzero};
use crate::ops::gather_rows;
use crate::{Error, Tokens};

/// Budget where none is given, if it is in reach.
const HALF: f64 = 0.5;

/// Below every score.
const NEVER: f32 = f32::MIN;

/// Configuration of [`GatedPatchEmbed`].
#[derive(Config, Debug)]
pub struct GatedPatchEmbedConfig {
    /// Region that gets one patch size, `[height, width]` in pixels.
    pub region: [usize; 2],
    /// Patch sizes to choose from, `[height, width]` in pixels, the smallest first. Each divides the region.
    pub patches: Vec<[usize; 2]>,
    /// Channels of the images.
    pub channels: usize,
    /// Width of the embeddings.
    pub dim: usize,
    /// Tokens as a share of those that the smallest patches would give. None: one half, or what is in reach and
    /// nearest to it.
    pub budget: Option<f64>,
    /// Width of the router's hidden layer.
    #[config(default = 32)]
    pub hidden: usize,
    /// Whether larger patches are shrunk to the smallest, by the mean of each block, before their projection. Each
    /// size has its own projection either way; shrunk, its cost falls with the tokens.
    #[config(default = false)]
    pub shrink: bool,
    /// Whether the router also sees a saliency map.
    #[config(default = false)]
    pub saliency: bool,
    /// Whether the projections have a bias.
    #[config(default = true)]
    pub bias: bool,
}

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
    /// Scores sizes per region.
    pub router: Router,
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
    /// Expected number of tokens under the router's probabilities, `[batch]`.
    pub expected_tokens: Tensor<1>,
    /// Squared distance of the batch's expected share of tokens from the budget, `[1]`.
    pub budget_loss: Tensor<1>,
}

impl GatedPatchEmbedConfig {
    /// Patches of `stride` and twice that in regions of the larger, half of the smallest patches' tokens.
    pub fn for_stride(stride: [usize; 2], channels: usize, dim: usize) -> Self {
        let double = stride.map(|side| 2 * side);
        Self::new(double, vec![stride, double], channels, dim)
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for a zero patch, region, channel count, dim or hidden width or no patch sizes,
    /// [`Error::Indivisible`] for a patch that does not divide the region or is to be shrunk and no multiple of the
    /// smallest, [`Error::Range`] for patches that are not
    /// in ascending order of area and for a budget out of reach.
    pub fn try_init(&self, device: &Device) -> Result<GatedPatchEmbed, Error> {
        nonzero("region", &self.region)?;
        nonzero("number of patch sizes", &[self.patches.len()])?;
        let sizes = [self.channels, self.dim, self.hidden];
        nonzero("channels, dim and hidden", &sizes)?;
        self.check_patches()?;
        let budget = self.check_budget()?;
        let heads = self.patches.iter().map(|patch| {
            let kernel = if self.shrink { self.patches[0] } else { *patch };
            let head = Conv2dConfig::new([self.channels, self.dim], kernel);
            head.with_stride(kernel).with_bias(self.bias).init(device)
        });
        let features = 2 * self.channels + usize::from(self.saliency);
        Ok(GatedPatchEmbed {
            router: Router::new(features, self.hidden, self.patches.len(), device),
            heads: heads.collect(),
            region: self.region,
            patches: self.patches.clone(),
            shrink: self.shrink,
            budget,
            saliency: self.saliency,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    pub fn init(&self, device: &Device) -> GatedPatchEmbed {
        self.try_init(device)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn check_patches(&self) -> Result<(), Error> {
        let mut last = 0;
        for patch in &self.patches {
            nonzero("patch", patch)?;
            for (axis, what) in ["region height", "region width"].into_iter().enumerate() {
                if !self.region[axis].is_multiple_of(patch[axis]) {
                    return Err(Error::Indivisible {
                        what,
                        divisor: patch[axis],
                        got: self.region[axis],
                    });
                }
            }
            let whole = |axis: usize| patch[axis].is_multiple_of(self.patches[0][axis]);
            if let Some(axis) = (0..2).find(|axis| self.shrink && !whole(*axis)) {
                return Err(Error::Indivisible {
                    what: "side of a patch to shrink",
                    divisor: self.patches[0][axis],
                    got: patch[axis],
                });
            }
            let area = patch[0] * patch[1];
            if area <= last {
                return Err(Error::Range {
                    what: "patch area in px², smallest patch first",
                    expected: alloc::format!("more than {last}"),
                    got: area as f64,
                });
            }
            last = area;
        }
        Ok(())
    }

    fn check_budget(&self) -> Result<f64, Error> {
        let area = |patch: &[usize; 2]| (patch[0] * patch[1]) as f64;
        let least = area(&self.patches[0]) / area(&self.patches[self.patches.len() - 1]);
        match self.budget {
            None => Ok(HALF.max(least)),
            Some(budget) if (least..=1.0).contains(&budget) => Ok(budget),
            Some(budget) => Err(Error::Range {
                what: "budget",
                expected: alloc::format!(
                    "{least} (all patches the largest) to 1 (all the smallest)"
                ),
                got: budget,
            }),
        }
    }
}

impl GatedPatchEmbed {
    /// As [`forward`](PatchEmbed::forward), with a saliency map `[batch, 1, height, width]` for the router.
    ///
    /// # Panics
    ///
    /// As [`forward`](PatchEmbed::forward), and if the map is not of the images' size or the router takes none.
    pub fn forward_with_saliency(&self, images: Tensor<4>, saliency: Tensor<4>) -> Tokens {
        expect_layout(self, &images);
        let regions = self
            .regions(&images)
            .unwrap_or_else(|error| panic!("{error}"));
        let logits = self.logits(&images, Some(saliency), &regions);
        let logits = logits.unwrap_or_else(|error| panic!("{error}"));
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
    pub fn forward_routed(&self, images: Tensor<4>, routing: &Routing) -> RoutedTokens {
        let grid = expect_layout(self, &images);
        let regions = self
            .regions(&images)
            .unwrap_or_else(|error| panic!("{error}"));
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
            boxes.push(gather_rows(table.expand([batch, cells, 4]), order));
            valid.push(along(&routing.choice));
            counts.push(self.counts(&regions, size, [batch, cells], &device));
        }
        let valid = Tensor::cat(valid, 1).squeeze_dim::<2>(2).greater_elem(0.5);
        let tokens = Tokens::off_grid(Tensor::cat(embeddings, 1), grid, Tensor::cat(boxes, 1));
        let expected_tokens = expected_tokens(routing, &regions);
        let share = expected_tokens.clone().mean() / regions.grids[0].tokens() as f64;
        RoutedTokens {
            tokens: tokens.with_counts(Tensor::cat(counts, 1)).with_valid(valid),
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
        let grid = grid.unwrap_or_else(|error| panic!("{error}"));
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
            Some(map) => statistics(padded(map, grid), self.region, false).cast(features.dtype()),
            None if self.saliency => features.clone().slice_dim(2, 0..1).zeros_like(),
            None => return Ok(self.router.forward(features)),
        };
        Ok(self
            .router
            .forward(Tensor::cat(vec![features, saliency], 2)))
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
            let grid = &regions.grids[size];
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
            boxes.push(gather_rows(table.expand([batch, grid.tokens(), 4]), cells));
            counts.push(self.counts(regions, size, shape, &device));
        }
        let (embeddings, boxes) = (Tensor::cat(embeddings, 1), Tensor::cat(boxes, 1));
        Tokens::off_grid(embeddings, regions.grids[0], boxes).with_counts(Tensor::cat(counts, 1))
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
    let probabilities = routing.probabilities();
    let [_, _, sizes] = probabilities.dims();
    let patches = (0..sizes).map(|size| regions.per_region(size) as f32);
    let data = TensorData::new(patches.collect::<Vec<f32>>(), [1, 1, sizes]);
    let options = (&probabilities.device(), probabilities.dtype());
    let terms = probabilities * Tensor::from_data(data, options);
    terms.sum_dim(2).sum_dim(1).squeeze_dims(&[1, 2])
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

    fn keeps_grid(&self) -> bool {
        false
    }

    fn forward(&self, images: Tensor<4>) -> Tokens {
        expect_layout(self, &images);
        let regions = self
            .regions(&images)
            .unwrap_or_else(|error| panic!("{error}"));
        let logits = self.logits(&images, None, &regions);
        let logits = logits.unwrap_or_else(|error| panic!("{error}"));
        self.embed(images, &regions, logits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{LinearPatchEmbed, LinearPatchEmbedConfig};
    use burn::module::{ModuleMapper, Param};
    use burn::tensor::{Distribution, Gradients, Tolerance};
    use rstest::rstest;

    const SIZES: [[usize; 2]; 3] = [[4, 4], [8, 4], [8, 8]];

    fn config() -> GatedPatchEmbedConfig {
        GatedPatchEmbedConfig::new([8, 8], SIZES.to_vec(), 3, 6)
    }

    fn random(size: [usize; 2], device: &Device) -> Tensor<4> {
        Tensor::random([2, 3, size[0], size[1]], Distribution::Default, device)
    }

    /// Uniform values (splitmix64).
    fn noise(count: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| {
            let mut x = ((i + seed * count) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((x ^ (x >> 31)) >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..count).map(value).collect()
    }

    fn linear(head: &Conv2d) -> LinearPatchEmbed {
        let mut linear = LinearPatchEmbedConfig::new(head.kernel_size, 3, 6).init(&Device::flex());
        linear.proj = head.clone();
        linear
    }

    /// Each shown token is its head's projection of the patch under its box, and the boxes cover each pixel once.
    fn assert_tokens(embed: &GatedPatchEmbed, images: &Tensor<4>, tokens: &Tokens) {
        let [batch, _, height, width] = images.dims();
        let read = |values: Tensor<3>| values.into_data().try_to_vec_as::<f32>().unwrap();
        let all = embed.heads.iter().map(|head| {
            let tokens = linear(head).forward(images.clone());
            (
                head.kernel_size,
                tokens.grid().cols,
                read(tokens.into_embeddings()),
            )
        });
        let all: Vec<_> = all.collect();
        let boxes = read(tokens.boxes_px());
        let embeddings = read(tokens.embeddings());
        let shown = match tokens.valid() {
            Some(valid) => valid.float().into_data().try_to_vec_as::<f32>().unwrap(),
            None => vec![1.0; batch * tokens.tokens()],
        };
        let mut times = vec![0; batch * height * width];
        for (token, px) in boxes.chunks(4).enumerate() {
            let got = &embeddings[token * 6..token * 6 + 6];
            if shown[token] == 0.0 {
                assert_eq!(got, [0.0; 6]);
                continue;
            }
            let image = token / tokens.tokens();
            let patch = [px[2] as usize, px[3] as usize];
            let [row, col] = [px[0] as usize / patch[0], px[1] as usize / patch[1]];
            let (_, cols, want) = all.iter().find(|(size, ..)| *size == patch).unwrap();
            let cell = want.len() / batch / 6 * image + row * cols + col;
            for (got, want) in got.iter().zip(&want[cell * 6..]) {
                assert!((got - want).abs() < 1e-5, "{got}, not {want}");
            }
            for (y, x) in (0..patch[0]).flat_map(|y| (0..patch[1]).map(move |x| (y, x))) {
                let (y, x) = (row * patch[0] + y, col * patch[1] + x);
                times[(image * height + y) * width + x] += 1;
            }
        }
        assert!(times.iter().all(|times| *times == 1));
    }

    #[test]
    fn tokens_are_the_projected_patches_of_the_chosen_sizes() {
        let device = Device::flex();
        let embed = config().with_budget(Some(0.6)).init(&device);
        let images = random([24, 32], &device);
        let tokens = embed.forward(images.clone());
        assert_eq!(tokens.tokens(), embed.tokens([24, 32]).unwrap());
        assert_tokens(&embed, &images, &tokens);
        let cells: f32 = tokens.counts().unwrap().sum().into_scalar();
        assert_eq!(cells, 2.0 * 48.0);
    }

    #[test]
    fn routed_tokens_are_those_and_zeros() {
        let device = Device::flex();
        let embed = config().init(&device);
        let images = random([24, 32], &device);
        let routing = embed
            .route(images.clone(), None, &noise(2 * 12 * 3, 1), 1.0)
            .unwrap();
        let sizes = routing.choice().sum_dim(0).sum_dim(1).into_data();
        assert!(
            sizes
                .try_to_vec_as::<f32>()
                .unwrap()
                .iter()
                .all(|count| *count > 0.0)
        );
        let routed = embed.forward_routed(images.clone(), &routing);
        assert_eq!(routed.tokens.tokens(), 12 * (4 + 2 + 1));
        assert_tokens(&embed, &images, &routed.tokens);
    }

    #[test]
    fn one_size_is_the_embedding_of_vit() {
        let device = Device::flex();
        let embed = GatedPatchEmbedConfig::new([4, 4], vec![[4, 4]], 3, 6).init(&device);
        let images = random([8, 12], &device);
        let want = linear(&embed.heads[0])
            .forward(images.clone())
            .into_embeddings();
        let routing = embed
            .route(images.clone(), None, &noise(12, 1), 0.3)
            .unwrap();
        let routed = embed.forward_routed(images.clone(), &routing);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        for tokens in [embed.forward(images), routed.tokens] {
            tokens
                .into_embeddings()
                .into_data()
                .assert_approx_eq(&want.clone().into_data(), tolerance);
        }
    }

    #[test]
    fn shrunk_patches_are_the_means_of_their_blocks() {
        let device = Device::flex();
        let config = config().with_shrink(true).with_budget(Some(0.25));
        let embed = config.init(&device);
        let images = random([20, 24], &device);
        let padded = images.clone().pad((0, 0, 0, 4), PadMode::Constant(0.0));
        let want = linear(&embed.heads[2]).forward(area(padded, [2, 2]));
        let (got, want) = (embed.forward(images), want.into_embeddings());
        assert_eq!(got.tokens(), 9);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.embeddings()
            .into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[test]
    fn regions_beyond_the_border_are_those_of_an_image_padded_by_hand() {
        let device = Device::flex();
        let embed = config().init(&device);
        let images = random([20, 28], &device);
        let padded = images.clone().pad((0, 4, 0, 4), PadMode::Constant(0.0));
        let (got, want) = (embed.forward(images), embed.forward(padded));
        assert_eq!([got.grid().rows, got.grid().cols], [6, 8]);
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        for (got, want) in [
            (got.embeddings(), want.embeddings()),
            (got.boxes_px(), want.boxes_px()),
        ] {
            got.into_data()
                .assert_approx_eq(&want.into_data(), tolerance);
        }
    }

    #[test]
    fn the_smallest_patches_go_where_the_router_wants_them() {
        let device = Device::flex();
        let config = GatedPatchEmbedConfig::new([8, 8], vec![[4, 4], [8, 8]], 1, 6);
        let mut embed = config
            .with_saliency(true)
            .with_budget(Some(0.625))
            .init(&device);
        // The smallest size for regions with a large map: the hidden layer passes the map on.
        embed.router.fc1.weight = Param::from_tensor(Tensor::cat(
            vec![
                Tensor::zeros([2, 32], &device),
                Tensor::ones([1, 32], &device),
            ],
            0,
        ));
        embed.router.fc1.bias = None;
        let want: Tensor<2> = Tensor::from_floats([[1.0, -1.0]], &device);
        embed.router.fc2.weight = Param::from_tensor(want.expand([32, 2]));
        // Bright below: the lower regions, whose patches' centres are at 10 and 14.
        let dark = Tensor::full([1, 1, 8, 16], 0.2, &device);
        let map = Tensor::cat(vec![dark.clone(), dark + 0.5], 2);
        let tokens = embed.forward_with_saliency(Tensor::zeros([1, 1, 16, 16], &device), map);
        let highest = tokens.boxes_px().slice([0..1, 0..8, 0..1]).min();
        assert_eq!(highest.into_scalar::<f32>(), 10.0);
        assert_eq!(tokens.tokens(), 8 + 2);
    }

    /// A step of gradient descent on the router.
    fn descend(mut embed: GatedPatchEmbed, grads: &Gradients, rate: f64) -> GatedPatchEmbed {
        struct Descend<'a>(&'a Gradients, f64);
        impl ModuleMapper for Descend<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| {
                    let grad = value.grad(self.0).expect("a gradient").into_data();
                    let grad = Tensor::from_data(grad, &value.device());
                    (value - grad * self.1).detach().require_grad()
                })
            }
        }
        embed.router = embed.router.map(&mut Descend(grads, rate));
        embed
    }

    #[rstest]
    #[case(0.35)]
    #[case(0.8)]
    fn expected_tokens_follow_the_budget(#[case] budget: f64) {
        let device = Device::flex().autodiff();
        let mut embed = config().with_budget(Some(budget)).init(&device);
        let images = random([16, 24], &device);
        let uniform = vec![0.5; 2 * 6 * 3];
        let share = |embed: &GatedPatchEmbed| {
            let routing = embed.route(images.clone(), None, &uniform, 1.0).unwrap();
            let routed = embed.forward_routed(images.clone(), &routing);
            let expected: f64 = routed.expected_tokens.mean().into_scalar();
            (expected / 24.0, routed.budget_loss)
        };
        assert!((share(&embed).0 - budget).abs() > 0.02);
        for _ in 0..60 {
            let grads = share(&embed).1.backward();
            embed = descend(embed, &grads, 2.0);
        }
        let reached = share(&embed).0;
        assert!((reached - budget).abs() < 0.01, "{reached}, not {budget}");
    }

    #[test]
    fn a_policy_gradient_finds_the_rewarded_size() {
        let device = Device::flex().autodiff();
        let mut embed = config().init(&device);
        let images = random([16, 24], &device);
        let mut expected = Vec::new();
        for step in 0..40 {
            let routing = embed
                .route(images.clone(), None, &noise(36, step), 1.0)
                .unwrap();
            let routed = embed.forward_routed(images.clone(), &routing);
            expected.push(routed.expected_tokens.clone().mean().into_scalar::<f64>());
            let used = routed
                .tokens
                .valid()
                .unwrap()
                .float()
                .sum_dim(1)
                .squeeze_dim::<1>(1);
            // Six regions in two patches each are the baseline; fewer tokens are the reward.
            let advantage = (used.neg() + 12.0) / 12.0;
            let grads = (routed.log_prob * advantage).mean().neg().backward();
            embed = descend(embed, &grads, 0.2);
        }
        assert!(expected[39] < 0.7 * expected[0], "{expected:?}");
    }

    #[test]
    fn gradients_reach_the_router_and_every_head() {
        let device = Device::flex().autodiff();
        let embed = config().with_budget(Some(0.5)).init(&device);
        let images = random([16, 24], &device);
        let routing = embed
            .route(images.clone(), None, &noise(36, 3), 0.8)
            .unwrap();
        let routed = embed.forward_routed(images.clone(), &routing).tokens;
        for tokens in [embed.forward(images), routed] {
            let embeddings = tokens.into_embeddings();
            let factor = embeddings.random_like(Distribution::Default);
            let grads = (embeddings * factor).sum().backward();
            let reached = |grad: Option<f32>| assert!(grad.expect("a gradient") > 0.0);
            for head in &embed.heads {
                reached(
                    head.weight
                        .grad(&grads)
                        .map(|grad| grad.abs().sum().into_scalar()),
                );
            }
            for layer in [&embed.router.fc1, &embed.router.fc2] {
                reached(
                    layer
                        .weight
                        .grad(&grads)
                        .map(|grad| grad.abs().sum().into_scalar()),
                );
            }
        }
    }

    #[test]
    fn gradients_of_the_heads_are_central_differences_under_a_fixed_routing() {
        let device = Device::flex().autodiff();
        let embed = config().init(&device);
        let images = random([16, 24], &device);
        let routing = embed
            .route(images.clone(), None, &noise(36, 3), 0.8)
            .unwrap();
        let factor = Tensor::<3>::random([2, 6 * 7, 6], Distribution::Default, &device);
        let loss = |embed: &GatedPatchEmbed| {
            let tokens = embed.forward_routed(images.clone(), &routing).tokens;
            (tokens.into_embeddings() * factor.clone()).sum()
        };
        let grads = loss(&embed).backward();
        for (size, head) in embed.heads.iter().enumerate() {
            let along = head
                .weight
                .val()
                .random_like(Distribution::Default)
                .detach();
            let grad = Tensor::from_data(head.weight.grad(&grads).unwrap().into_data(), &device);
            let tape: f64 = (grad * along.clone()).sum().into_scalar();
            // The loss is linear in the weight, so a large step is exact.
            let at = |step: f64| {
                let mut moved = embed.clone();
                let weight = head.weight.val().detach() + along.clone() * step;
                moved.heads[size].weight = Param::from_tensor(weight.detach());
                loss(&moved).into_scalar::<f64>()
            };
            let difference = (at(1.0) - at(-1.0)) / 2.0;
            assert!(
                (tape - difference).abs() <= 1e-4 * difference.abs(),
                "{tape}, {difference}"
            );
        }
    }

    #[test]
    fn fewer_patches_are_projected_for_a_smaller_budget() {
        let tokens = [1.0, 0.75, 0.5, 0.25].map(|budget| {
            let embed = config().with_budget(Some(budget)).init(&Device::flex());
            embed.tokens([64, 64]).unwrap()
        });
        assert_eq!(tokens[0], 256);
        assert_eq!(tokens[3], 64);
        for (tokens, budget) in tokens.into_iter().zip([1.0, 0.75, 0.5, 0.25]) {
            assert!((tokens as f64 / 256.0 - budget).abs() < 0.02, "{tokens}");
        }
    }

    #[rstest]
    #[case::indivisible(
        GatedPatchEmbedConfig::new([8, 8], vec![[4, 3], [8, 8]], 3, 6),
        "region width: expected a dimension divisible by 3, got 8"
    )]
    #[case::shrink(
        GatedPatchEmbedConfig::new([12, 12], vec![[4, 4], [6, 6]], 3, 6).with_shrink(true),
        "side of a patch to shrink: expected a dimension divisible by 4, got 6"
    )]
    #[case::order(
        GatedPatchEmbedConfig::new([8, 8], vec![[8, 8], [4, 4]], 3, 6),
        "expected more than 64, got 16"
    )]
    #[case::none(GatedPatchEmbedConfig::new([8, 8], vec![], 3, 6), "number of patch sizes")]
    #[case::small(config().with_budget(Some(0.2)), "expected 0.25 (all patches the largest) to 1")]
    #[case::large(config().with_budget(Some(1.5)), "got 1.5")]
    #[case::nan(config().with_budget(Some(f64::NAN)), "got NaN")]
    #[case::zero(GatedPatchEmbedConfig::new([8, 8], vec![[0, 4]], 3, 6), "patch must be at least 1")]
    fn bad_configurations_are_errors(#[case] config: GatedPatchEmbedConfig, #[case] text: &str) {
        let error = alloc::format!("{}", config.try_init(&Device::flex()).unwrap_err());
        assert!(error.contains(text), "{error}");
    }

    #[test]
    fn bad_requests_are_errors() {
        let device = Device::flex();
        let embed = config().init(&device);
        let images = random([16, 16], &device);
        let map = Some(Tensor::zeros([2, 1, 16, 16], &device));
        let right = noise(2 * 4 * 3, 0);
        let route = |map, noise: &[f32], temperature| {
            let error = embed
                .route(images.clone(), map, noise, temperature)
                .unwrap_err();
            alloc::format!("{error}")
        };
        assert!(route(None, &right, 0.0).contains("temperature: expected more than 0, got 0"));
        assert!(route(None, &right[1..], 1.0).contains("expected [2, 4, 3], got [23]"));
        assert!(route(map, &right, 1.0).contains("expected [2, 0, 16, 16], got [2, 1, 16, 16]"));
    }
}
