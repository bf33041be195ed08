//! Rotary positions as timm's and transformers', sines and cosines of clips as their libraries'.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::grid::{PatchGrid, Remainder, Window};
use burn_patch::position::{
    AxialBands, AxialRotaryPositionConfig, AxisOrder, CoordinateNorm, DinoV3RotaryPosition,
    DinoV3RotaryPositionConfig, MRopePositionConfig, MixedRotaryPositionConfig, PairShares,
    Periods, Position, SinCos3dDialect, SinCos3dPositionConfig, Site,
};
use burn_patch::tokens::{Attend, Rotation};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{BackendDevice, Golden, det, det_tensor};

use super::{assert_golden, golden};

const FILE: &str = "rotary.safetensors";
const ROWS: usize = 4;
const COLS: usize = 6;
const WIDTH: usize = 16;
const HEADS: usize = 2;

fn grid(rows: usize, cols: usize) -> PatchGrid {
    let window = Window::patch([2, 2], Remainder::Reject);
    window.layout([2 * rows, 2 * cols]).unwrap()
}

fn tokens(grid: PatchGrid, dim: usize, device: &Device) -> Tokens {
    Tokens::from_grid(Tensor::zeros([1, grid.tokens(), dim], device), grid)
}

fn site() -> Site {
    Site::over(&grid(ROWS, COLS), HEADS * WIDTH).with_blocks(2, HEADS)
}

fn rotation(position: &impl Position, block: usize, noise: Noise<'_>, device: &Device) -> Rotation {
    let tokens = tokens(grid(ROWS, COLS), HEADS * WIDTH, device);
    let mut noise = noise;
    let Attend { rotation, .. } = position.attend(&tokens, block, &mut noise);
    rotation.expect("a rotation")
}

/// Sines, then cosines, `[heads, tokens, 2·width]`.
fn embedded(rotation: &Rotation) -> Tensor<3> {
    let parts = vec![rotation.sin.clone(), rotation.cos.clone()];
    Tensor::cat(parts, 3).squeeze_dim::<3>(0)
}

fn assert_rotation(name: &str, rotation: &Rotation, golden: &mut Golden) {
    let rows = embedded(rotation).squeeze_dim::<2>(0);
    assert_golden(name, rows, golden.take(name));
}

/// What the rotation makes of queries.
fn assert_applied(name: &str, rotation: &Rotation, golden: &mut Golden, device: &Device) {
    let x = det_tensor([1, HEADS, ROWS * COLS, WIDTH], 3, device, DType::F32);
    let x = x.swap_dims(1, 2).reshape([1, ROWS * COLS, HEADS * WIDTH]);
    let turned = rotation.apply(x, HEADS);
    let turned = turned
        .reshape([1, ROWS * COLS, HEADS, WIDTH])
        .swap_dims(1, 2);
    assert_golden(name, turned, golden.take(name));
}

#[test]
fn axial_as_eva_rope_vit_and_timm() {
    let offset = AxialRotaryPositionConfig::eva([4, 4])
        .with_order(AxisOrder::ColumnsFirst)
        .with_offset(Some(1.0));
    let linear = AxialBands::Linear { resolution: 224.0 };
    let cases = [
        (
            ["rope_eva_cat_4x6_emb", "rope_eva_cat_4x6_apply"],
            AxialRotaryPositionConfig::eva([4, 4]),
        ),
        (
            [
                "rope_axial_xy_theta100_4x6_emb",
                "rope_axial_xy_theta100_4x6_apply",
            ],
            AxialRotaryPositionConfig::rope_vit(),
        ),
        (
            ["rope_pixel_4x6_emb", "rope_pixel_4x6_apply"],
            AxialRotaryPositionConfig::pixel(),
        ),
        (
            ["rope_pixel_linear_4x6_emb", "rope_pixel_linear_4x6_apply"],
            AxialRotaryPositionConfig::new().with_bands(linear),
        ),
        (
            ["rope_offset_xy_4x6_emb", "rope_offset_xy_4x6_apply"],
            offset,
        ),
    ];
    golden(FILE, |BackendDevice { device, .. }, golden| {
        for ([emb, applied], config) in &cases {
            let rotation = rotation(&config.init(&site(), device), 0, Noise::None, device);
            assert_rotation(emb, &rotation, golden);
            assert_applied(applied, &rotation, golden, device);
        }
    });
}

#[test]
fn axial_as_the_vision_encoders_of_qwen_and_pixtral() {
    let cases = [
        ("rope_qwen_4x6_emb", AxialRotaryPositionConfig::qwen()),
        ("rope_pixtral_4x6_emb", AxialRotaryPositionConfig::pixtral()),
    ];
    golden(FILE, |BackendDevice { device, .. }, golden| {
        for (name, config) in &cases {
            let rotation = rotation(&config.init(&site(), device), 0, Noise::None, device);
            assert_rotation(name, &rotation, golden);
        }
    });
}

#[test]
fn mixed_as_rope_vit() {
    golden(FILE, |BackendDevice { device, .. }, golden| {
        let mut position = MixedRotaryPositionConfig::new().init(&site(), device);
        let freqs = det_tensor([2, 2, HEADS, WIDTH / 2], 5, device, DType::F32);
        position.freqs = Param::from_tensor(freqs);
        let block = |block| embedded(&rotation(&position, block, Noise::None, device));
        let got = Tensor::stack::<4>(vec![block(0), block(1)], 0);
        assert_golden("rope_mixed_4x6", got, golden.take("rope_mixed_4x6"));
    });
}

#[test]
fn dinov3_at_inference() {
    let config = DinoV3RotaryPositionConfig::new;
    let cases = [
        (
            ["rope_dinov3_separate_emb", "rope_dinov3_separate_apply"],
            CoordinateNorm::Separate,
        ),
        (
            ["rope_dinov3_max_emb", "rope_dinov3_max_apply"],
            CoordinateNorm::Max,
        ),
        (
            ["rope_dinov3_min_emb", "rope_dinov3_min_apply"],
            CoordinateNorm::Min,
        ),
    ];
    golden(FILE, |BackendDevice { device, .. }, golden| {
        for ([emb, applied], normalize) in cases {
            let position = config().with_normalize(normalize).init(&site(), device);
            let rotation = rotation(&position, 0, Noise::None, device);
            assert_rotation(emb, &rotation, golden);
            assert_applied(applied, &rotation, golden, device);
        }
        let periods = Periods::Between(0.5, 90.0);
        let position = config().with_periods(periods).init(&site(), device);
        let rotation = rotation(&position, 0, Noise::None, device);
        assert_rotation("rope_dinov3_periods_emb", &rotation, golden);
    });
}

/// The noise is what the script gives in the place of timm's draws; at inference the same module moves nothing.
#[test]
fn dinov3_in_training() {
    let noise: Vec<f32> = det(5, 7).iter().map(|value| value + 0.5).collect();
    let config = DinoV3RotaryPositionConfig::new()
        .with_shift(Some(0.3))
        .with_jitter(Some(1.5))
        .with_rescale(Some(2.0));
    golden(FILE, |BackendDevice { device, .. }, golden| {
        let tracked = device.clone().autodiff();
        let position: DinoV3RotaryPosition = config.init(&site(), &tracked);
        assert_eq!(position.noise(3, 24), 5);
        let moved = rotation(&position, 0, Noise::from(&noise), &tracked);
        assert_rotation("rope_dinov3_training_emb", &moved, golden);

        let still = position.valid();
        assert_eq!(still.noise(3, 24), 0);
        let still = rotation(&still, 0, Noise::None, device);
        assert_rotation("rope_dinov3_separate_emb", &still, golden);
    });
}

#[test]
fn multimodal_for_images_and_clips() {
    let site = Site::over(&grid(ROWS, COLS), 64).with_blocks(1, HEADS);
    golden(FILE, |BackendDevice { device, .. }, golden| {
        let run = |shares, grid: PatchGrid| {
            let position = MRopePositionConfig::new()
                .with_shares(shares)
                .init(&site, device);
            let tokens = tokens(grid, 64, device);
            let attend = position.attend(&tokens, 0, &mut Noise::None);
            attend.rotation.expect("a rotation")
        };
        let image = run(PairShares::Sections([4, 6, 6]), grid(ROWS, COLS));
        assert_rotation("rope_mrope_4x6", &image, golden);
        let clip = grid(2, 4).over_frames(3);
        let turns = run(PairShares::Sections([6, 4, 5]), clip);
        assert_rotation("rope_mrope_3x2x4", &turns, golden);
        let chunks = run(PairShares::Chunks([4, 7, 5]), clip);
        assert_rotation("rope_mrope_chunks_3x2x4", &chunks, golden);
    });
}

#[test]
fn sines_and_cosines_of_clips() {
    let cases = [
        ("sincos3d_vjepa_d32", SinCos3dDialect::VJepa),
        ("sincos3d_vjepa_uniform_d20", SinCos3dDialect::VJepaUniform),
        ("sincos3d_pytorchvideo_d32", SinCos3dDialect::PyTorchVideo),
        ("sincos3d_simple_vit_d27", SinCos3dDialect::SimpleVit),
        ("sincos3d_videomae_d10", SinCos3dDialect::VideoMae),
    ];
    let grid = grid(2, 4).over_frames(3);
    golden(FILE, |BackendDevice { device, .. }, golden| {
        for (name, dialect) in cases {
            let want: TensorData = golden.take(name);
            let dim = want.shape()[1];
            // Prepared for the grid, and computed for another than the prepared.
            for site in [Site::over(&grid, dim), Site::new([1, 1], dim)] {
                let config = SinCos3dPositionConfig::new().with_dialect(dialect);
                let placed = config.init(&site, device).add(tokens(grid, dim, device), 0);
                let got = placed.into_embeddings().squeeze_dim::<2>(0);
                assert_golden(name, got, want.clone());
            }
        }
    });
}
