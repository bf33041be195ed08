//! Swin v2's continuous relative position bias.

use burn::config::Config;
use burn::module::Module;
use burn::nn::{Initializer, Linear};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::grid::nonzero;
use crate::layers::{NORMAL, apply, linear};
use crate::or_panic::OrPanic;
use crate::position::offsets::offsets;
use crate::position::position::Position;
use crate::position::refusals::{one_frame, one_grid, still};
use crate::position::relative_bias::offset_table::{entries, read_offsets, span};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, Units, bias_behind_prefix};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "this continuous relative bias";

/// What the logistic function is multiplied by.
const GAIN: f64 = 16.0;

/// What the largest offset of a window is made before its logarithm.
const REACH: f64 = 8.0;

/// Configuration of [`LogCpbPosition`].
#[derive(Config, Debug)]
pub struct LogCpbPositionConfig {
    /// The grid `[rows, cols]` by whose largest offsets all are divided, that of the pre-training; none: the tokens' own.
    pub pretrained_window: Option<[usize; 2]>,
    /// Width between the two layers.
    #[config(default = 512)]
    pub hidden: usize,
    /// Initialiser of the weights; the bias starts at 0.
    #[config(default = "NORMAL")]
    pub initializer: Initializer,
}

/// A bias of the scores per head that a small perceptron makes of the offset, whose logarithm it is given.
///
/// Liu et al., [Swin Transformer V2](https://arxiv.org/abs/2111.09883), section 3.3;
/// `timm/models/swin_transformer_v2.py` (`WindowAttention`, `cpb_mlp`).
///
/// # Shapes
///
/// - tokens on any grid, some of its cells, or off it
/// - bias `[1 or batch, heads, prefix + tokens, prefix + tokens]`; 0 for prefix tokens and those without a place
///
/// # Equation
///
/// `bias = 16·σ(W₂·ReLU(W₁·Δ̂ + b))`, `Δ̂ = sign(Δ)·log₂(1 + 8|Δ|/(n − 1))/log₂ 8` along rows and columns, of which the
/// grid or the pre-training's has `n`. Each block has its own perceptron.
///
/// # Departures
///
/// The window is the grid, or that of the blocks that attend within [windows](crate::tokens::Windows). Attention itself is that of the block: Swin v2's is the cosine attention. For tokens off
/// the grid the perceptron runs for every pair of tokens, which takes `tokens²·hidden` numbers per image.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::position::{LogCpbPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
/// let site = Site::new([2, 3], 8).with_blocks(12, 2);
/// let position = LogCpbPositionConfig::new().init(&site, &device);
/// let tokens = embed.forward(Tensor::zeros([2, 1, 16, 16], &device)); // another grid
/// let bias = position.attend(&tokens, 0, &mut Noise::None).bias.unwrap();
/// assert_eq!(bias.dims(), [1, 2, 16, 16]);
/// let [least, most] = [bias.clone().min(), bias.max()].map(|value| value.into_scalar::<f32>());
/// assert!(least > 0.0 && most < 16.0);
/// ```
#[derive(Module, Debug)]
pub struct LogCpbPosition {
    /// Each block's `2 → hidden`.
    pub fc1: Vec<Linear>,
    /// Each block's `hidden → heads`, without bias.
    pub fc2: Vec<Linear>,
    #[module(skip)]
    pretrained_window: Option<[usize; 2]>,
}

impl LogCpbPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no heads, no blocks, no width, or an empty pre-training window; [`Error::Place`] for a clip.
    pub fn try_init(&self, site: &Site, device: &Device) -> Result<LogCpbPosition, Error> {
        nonzero("heads and blocks", &[site.heads, site.depth])?;
        nonzero("hidden", &[self.hidden])?;
        if let Some(window) = &self.pretrained_window {
            nonzero("pretrained window", window)?;
        }
        still(WHAT, site)?;
        let layers = |shape, bias: Option<Initializer>| {
            let layer = |_| linear(shape, self.initializer.clone(), bias.clone(), device);
            (0..site.depth).map(layer).collect()
        };
        Ok(LogCpbPosition {
            fc1: layers([2, self.hidden], Some(Initializer::Zeros)),
            fc2: layers([self.hidden, site.heads], None),
            pretrained_window: self.pretrained_window,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> LogCpbPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for LogCpbPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        match self.pretrained_window {
            // Grids of different sizes would be divided by different offsets.
            None => one_grid(WHAT, layout).map(drop),
            Some(_) => one_frame(WHAT, layout),
        }
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, block: usize, _: &mut Noise<'_>) -> Attend {
        let (places, prefix) = (tokens.places().kind(), tokens.prefix());
        self.check(tokens.layout(), places, prefix).or_panic();
        let shared = tokens
            .layout()
            .shared()
            .filter(|_| places != PlaceKind::Boxes);
        let bias = match shared {
            Some(grid) => {
                let grid = [grid.rows, grid.cols];
                self.read(tokens, grid, block)
            }
            None => self.between(tokens, block),
        };
        Attend {
            bias: Some(bias_behind_prefix(bias, tokens.placed(), prefix)),
            ..Attend::default()
        }
    }

    fn per_block(&self) -> bool {
        self.fc1.len() > 1
    }
}

impl LogCpbPosition {
    /// The bias between cells of a grid: the perceptron runs once for each offset.
    fn read(&self, tokens: &Tokens, grid: [usize; 2], block: usize) -> Tensor<4> {
        let offsets = log_offsets(grid, self.pretrained_window);
        let offsets = TensorData::new(offsets, [entries(grid), 2]);
        let device = tokens.embeddings().device();
        let table = self.bias(
            Tensor::<2>::from_data(offsets, (&device, DType::F32)),
            block,
        );
        read_offsets(table, grid, tokens)
    }

    /// The bias between tokens anywhere.
    fn between(&self, tokens: &Tokens, block: usize) -> Tensor<4> {
        let grid = &tokens.layout().grids()[0];
        let window = self.pretrained_window.unwrap_or([grid.rows, grid.cols]);
        let [y, x] = offsets(tokens, Units::Cells);
        let logarithm = |offset: Tensor<3>, cells: usize| {
            let scaled = offset * (REACH / largest_offset(cells));
            let size = (scaled.clone().abs() + 1.0).log() * REACH.ln().recip();
            (scaled.sign() * size).unsqueeze_dim::<4>(3)
        };
        let offsets = Tensor::cat(vec![logarithm(y, window[0]), logarithm(x, window[1])], 3);
        self.bias(offsets, block).swap_dims(2, 3).swap_dims(1, 2)
    }

    /// The perceptron of a block, `[.., 2]` to `[.., heads]`.
    fn bias<const D: usize>(&self, offsets: Tensor<D>, block: usize) -> Tensor<D> {
        let (fc1, fc2) = (&self.fc1[block], &self.fc2[block]);
        let offsets = offsets.cast(fc1.weight.val().dtype());
        let scores = apply(fc2, relu(apply(fc1, offsets)));
        // The logistic function by the hyperbolic tangent: Burn 0.22.1 computes its own in `f32` whatever the type.
        (tanh(scores * 0.5) + 1.0) * (GAIN / 2.0)
    }
}

/// One less than there are cells, and 1 for one cell, which has no other offset than 0.
fn largest_offset(cells: usize) -> f64 {
    (cells - 1).max(1) as f64
}

/// The logarithms of all offsets between two cells of a grid of `[rows, cols]`, in pairs of row and column, the most
/// negative first: `sign(Δ)·log₂(1 + 8|Δ|/(n − 1))/log₂ 8`, computed in f64. `n` is the side of `pretrained_window`, or of
/// the grid.
///
/// ```
/// use burn_patch::position::log_offsets;
///
/// let offsets = log_offsets([1, 2], None);
/// let largest = (9f64.log2() / 3.0) as f32;
/// assert_eq!(offsets, [0.0, -largest, 0.0, 0.0, 0.0, largest]);
/// ```
pub fn log_offsets(grid: [usize; 2], pretrained_window: Option<[usize; 2]>) -> Vec<f32> {
    let window = pretrained_window.unwrap_or(grid);
    let [ys, xs] = [0, 1].map(|axis| {
        let logarithm = move |index: usize| {
            let offset = index as f64 - (grid[axis] - 1) as f64;
            let scaled = offset * REACH / largest_offset(window[axis]);
            let size = scaled.abs().ln_1p() / REACH.ln();
            (if offset < 0.0 { -size } else { size }) as f32
        };
        (0..span(grid[axis])).map(logarithm).collect::<Vec<f32>>()
    });
    let pairs = ys
        .iter()
        .flat_map(|y| xs.iter().flat_map(move |x| [*y, *x]));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::Tolerance;
    use rstest::rstest;

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([2, 3], Default::default());
        let grid = grid.layout([6, 12]).unwrap();
        Tokens::from_grid(Tensor::zeros([2, 12, 1], device), grid)
    }

    #[rstest]
    fn a_box_over_a_cell_has_that_cells_biases(
        #[values(None, Some([2, 5]))] window: Option<[usize; 2]>,
    ) {
        let device = Device::flex();
        let position = LogCpbPositionConfig::new()
            .with_pretrained_window(window)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: 0.1,
            })
            .init(&Site::new([3, 4], 1).with_blocks(2, 3), &device);
        let on = tokens(&device).with_prefix(Tensor::zeros([1, 1, 1], &device));
        let off = on.clone().with_places(Places::Boxes(on.boxes_px()));
        let bias = |tokens: &Tokens| position.attend(tokens, 1, &mut Noise::None).bias.unwrap();
        let want = bias(&on).repeat_dim(0, 2).into_data();
        let close = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        bias(&off).into_data().assert_approx_eq(&want, close);
    }

    #[test]
    fn grids_of_their_own_need_the_window_of_the_pre_training() {
        let window = Window::patch([2, 2], Default::default());
        let grids = [[4, 6], [6, 4]].map(|size| window.layout(size).unwrap());
        let layout = Layout::Each(grids.into());
        let config = LogCpbPositionConfig::new();
        let check = |config: LogCpbPositionConfig| {
            let position = config.init(&Site::new([2, 3], 1), &Device::flex());
            position.check(&layout, PlaceKind::Cells, 0)
        };
        let error = check(config.clone()).unwrap_err().to_string();
        assert!(error.contains("[2, 3] and [3, 2]"), "{error}");
        assert!(check(config.with_pretrained_window(Some([2, 3]))).is_ok());
    }

    #[test]
    fn an_empty_window_is_an_error() {
        let config = LogCpbPositionConfig::new().with_pretrained_window(Some([0, 7]));
        let error = config.try_init(&Site::new([2, 3], 1), &Device::flex());
        let want = "pretrained window must be at least 1, got [0, 7]";
        assert_eq!(error.unwrap_err().to_string(), want);
    }
}
