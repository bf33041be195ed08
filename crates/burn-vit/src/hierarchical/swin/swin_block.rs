//! A block of Swin.

use burn::module::Module;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor};
use burn_patch::grid::Window;
use burn_patch::layers::{LayerNorm, LayerNormConfig, Mlp, MlpConfig, NORMAL};
use burn_patch::position::{
    AnyPosition, AnyPositionConfig, LogCpbPositionConfig, Position, RelativeBiasPositionConfig,
    Site,
};
use burn_patch::{Noise, OrPanic, Tokens};

use crate::Error;
use crate::hierarchical::swin::swin_config::{SwinConfig, SwinVersion};
use crate::hierarchical::swin::windows::ShiftedWindows;
use crate::layers::{Attention, AttentionConfig, DropPath, DropPathConfig, QkvBias};

/// Epsilon of the norms, PyTorch's default.
pub(super) const EPSILON: f64 = 1e-5;

/// A transformer block whose attention stays within windows, every second one shifted by half a window.
///
/// Liu et al., [Swin Transformer](https://arxiv.org/abs/2103.14030), section 3.2, and
/// [Swin Transformer V2](https://arxiv.org/abs/2111.09883), section 3.1; `SwinTransformerBlock` of
/// `timm/models/swin_transformer.py` and `SwinTransformerV2Block` of `swin_transformer_v2.py`, timm 1.0.31.
///
/// # Shapes
///
/// - tokens of a whole grid, `[batch, rows·cols, dim]`; the same
///
/// # Equation
///
/// Version 1: `x ← x + drop(attn(norm1(x)))`, `x ← x + drop(mlp(norm2(x)))`; version 2:
/// `x ← x + drop(norm1(attn(x)))`, `x ← x + drop(norm2(mlp(x)))`. Windows are the batch of the attention, the parts
/// that a shift brings together its segments.
///
/// # Departures
///
/// timm subtracts 100 from the scores between such parts; here they do not reach each other, which is the same in `f32`
/// unless scores differ by more than that. Cells filled up below and on the right are attended to, as in timm.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_vit::SwinConfig;
///
/// let device = Device::flex();
/// let swin = SwinConfig::new([16, 16], 8, vec![2], vec![2]).with_window([2, 2]).init(&device);
/// let tokens = swin.patch_embed.forward_levels(Tensor::<4>::zeros([1, 3, 16, 16], &device)).remove(0);
/// assert_eq!(swin.stages[0].blocks[1].forward(tokens).embeddings().dims(), [1, 16, 8]);
/// ```
#[derive(Module, Debug)]
pub struct SwinBlock {
    /// Around attention.
    pub norm1: LayerNorm,
    /// Attention within a window.
    pub attn: Attention,
    /// Biases between the cells of a window.
    pub position: AnyPosition,
    /// Around the MLP.
    pub norm2: LayerNorm,
    /// MLP.
    pub mlp: Mlp,
    drop_path: DropPath,
    window: [usize; 2],
    shifted: bool,
    norms_last: bool,
}

/// Where a block stands.
pub(super) struct Place {
    pub(super) grid: [usize; 2],
    pub(super) dim: usize,
    pub(super) heads: usize,
    pub(super) stage: usize,
    pub(super) shifted: bool,
    pub(super) drop_path: f64,
}

impl SwinBlock {
    pub(super) fn try_init(
        config: &SwinConfig,
        place: &Place,
        device: &Device,
    ) -> Result<Self, Error> {
        let windows = ShiftedWindows::try_new(place.grid, config.window, place.shifted)?;
        let site = Site::new(windows.size(), place.dim).with_blocks(1, place.heads);
        let attention = AttentionConfig::new(place.dim, place.heads).with_initializer(NORMAL);
        let (attention, position) = match config.version {
            SwinVersion::V1 => {
                let table = RelativeBiasPositionConfig::new();
                (attention, AnyPositionConfig::RelativeBias(table))
            }
            SwinVersion::V2 { pretrained_window } => {
                let side = pretrained_window.map(|sides| sides[place.stage.min(3)]);
                let side = side.filter(|side| *side > 0);
                let bias =
                    LogCpbPositionConfig::new().with_pretrained_window(side.map(|side| [side; 2]));
                let attention = attention
                    .with_qkv_bias(Some(QkvBias::NoKey))
                    .with_cosine(Some(true));
                (attention, AnyPositionConfig::LogCpb(bias))
            }
        };
        let norm = || {
            let config = LayerNormConfig::new(place.dim);
            config.with_epsilon(EPSILON).init(device)
        };
        let hidden = (place.dim as f64 * config.mlp_ratio) as usize;
        Ok(Self {
            norm1: norm(),
            attn: attention.try_init(device)?,
            position: position.try_init(&site, device)?,
            norm2: norm(),
            mlp: MlpConfig::new(place.dim, hidden)
                .with_initializer(NORMAL)
                .with_bias_initializer(Initializer::Zeros)
                .init(device),
            drop_path: DropPathConfig::new(place.drop_path).try_init()?,
            window: config.window,
            shifted: place.shifted,
            norms_last: config.version != SwinVersion::V1,
        })
    }

    /// Runs the block.
    ///
    /// # Panics
    ///
    /// If the tokens are not those of a whole grid, or the bias does not fit their windows.
    pub fn forward(&self, tokens: Tokens) -> Tokens {
        let grid = [tokens.grid().rows, tokens.grid().cols];
        let around = |norm: &LayerNorm, x: Tensor<3>, branch: &dyn Fn(Tensor<3>) -> Tensor<3>| {
            let change = match self.norms_last {
                false => branch(norm.forward(x.clone())),
                true => norm.forward(branch(x.clone())),
            };
            x + self.drop_path.forward(change)
        };
        tokens.map(|x| {
            let x = around(&self.norm1, x, &|x| self.attend(x, grid));
            around(&self.norm2, x, &|x| self.mlp.forward(x))
        })
    }

    /// Attention within the windows of a grid.
    fn attend(&self, tokens: Tensor<3>, grid: [usize; 2]) -> Tensor<3> {
        let [batch, ..] = tokens.dims();
        let windows = ShiftedWindows::try_new(grid, self.window, self.shifted).or_panic();
        let reach = windows.reach(batch, &tokens.device());
        let cells = Window::patch([1, 1], Default::default())
            .layout(windows.size())
            .expect("a window has cells");
        let tokens = Tokens::from_grid(windows.split(tokens), cells);
        let attend = self.position.attend(&tokens, 0, &mut Noise::None);
        let result = self.attn.forward(tokens.into_embeddings(), &attend, reach);
        windows.join(result)
    }
}
