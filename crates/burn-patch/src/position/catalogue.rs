//! Every position encoding in one list: a new one is a file, its `mod` line and a line here.

use crate::catalogue::catalogue;
use crate::position::position::Position;
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind};
use crate::{Error, Noise, Tokens};

catalogue! {
    /// Every position encoding.
    list POSITIONS;
    /// Configuration of a position encoding chosen at run time.
    config AnyPositionConfig;
    /// A position encoding chosen at run time.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
    /// use burn_patch::position::{AnyPositionConfig, Position, Site};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
    /// let site = Site::over(&embed.layout([8, 12]).unwrap(), 16);
    /// let position = AnyPositionConfig::by_name("sincos").unwrap().init(&site, &device);
    /// let tokens = position.add(embed.forward(Tensor::zeros([1, 3, 8, 12], &device)), 0);
    /// assert_eq!(tokens.embeddings().dims(), [1, 6, 16]);
    /// ```
    module AnyPosition;
    /// The encoding called `name` with its usual settings; none if [`POSITIONS`] has no such name.
    named by_name = new();
    init(site: &Site);
    trait Position {
        fn check(&self, layout: &Layout, places: PlaceKind, prefix: usize) -> Result<(), Error>;
        fn adds(&self, before_block: usize) -> bool;
        fn attends(&self) -> bool;
        fn add(&self, tokens: Tokens, before_block: usize) -> Tokens;
        fn attend(&self, tokens: &Tokens, block: usize, noise: &mut Noise<'_>) -> Attend;
        fn noise(&self, batch: usize, tokens: usize) -> usize;
        fn packs(&self) -> bool;
        fn per_block(&self) -> bool;
    }
    "none" => none: NoPosition(NoPositionConfig, NoPosition), "none";
    "learned" => learned: Learned(LearnedPositionConfig, LearnedPosition),
        "a trained vector per grid cell (ViT)";
    "factorized" => factorized: Factorized(FactorizedPositionConfig, FactorizedPosition),
        "a trained vector per row and one per column (NaViT)";
    "bucketed" => bucketed: Bucketed(BucketedPositionConfig, BucketedPosition),
        "a trained vector per cell of a fixed grid, the one that the token begins in (Idefics2)";
    "sincos" => sincos: SinCos(SinCosPositionConfig, SinCosPosition),
        "fixed sines and cosines of row and column (MAE, SimpleViT, timm)";
    "sincos-3d" => sincos_3d: SinCos3d(SinCos3dPositionConfig, SinCos3dPosition),
        "fixed sines and cosines of frame, row and column (V-JEPA, VideoMAE)";
    "rotary-axial" => rotary_axial: AxialRotary(AxialRotaryPositionConfig, AxialRotaryPosition),
        "queries and keys turned by row and column (EVA-02, RoPE-ViT)";
    "rotary-mixed" => rotary_mixed: MixedRotary(MixedRotaryPositionConfig, MixedRotaryPosition),
        "queries and keys turned at trained rates, another for each head and block (RoPE-ViT)";
    "rotary-dinov3" => rotary_dinov3: DinoV3Rotary(DinoV3RotaryPositionConfig, DinoV3RotaryPosition),
        "queries and keys turned by places between −1 and 1 (DINOv3)";
    "m-rope" => m_rope: MRope(MRopePositionConfig, MRopePosition),
        "queries and keys turned by frame, row and column in turns (Qwen-VL)";
    "learnable-fourier" => learnable_fourier: LearnableFourier(LearnableFourierPositionConfig, LearnableFourierPosition),
        "trained frequencies of row and column through a perceptron";
    "polynomial" => polynomial: Polynomial(PolynomialPositionConfig, PolynomialPosition),
        "trained polynomials of row and column";
    "peg" => peg: Peg(PegPositionConfig, PegPosition),
        "a small convolution over the tokens (CPVT, Twins)";
    "relative-bias" => relative_bias: RelativeBias(RelativeBiasPositionConfig, RelativeBiasPosition),
        "a trained bias of the scores per offset (Swin, BEiT)";
    "log-cpb" => log_cpb: LogCpb(LogCpbPositionConfig, LogCpbPosition),
        "a bias of the scores that a perceptron makes of the offset (Swin v2)";
    "decomposed" => decomposed: Decomposed(DecomposedPositionConfig, DecomposedPosition),
        "a bias of the scores by query and offset, an axis at a time (MViTv2, ViTDet, SAM)";
    "alibi" => alibi: Alibi(AlibiPositionConfig, AlibiPosition),
        "a bias of the scores that falls with the distance (ALiBi, CROMA)";
}

impl Default for AnyPositionConfig {
    /// A trained table, with a row for each prefix token.
    fn default() -> Self {
        Self::Learned(LearnedPositionConfig::new())
    }
}
