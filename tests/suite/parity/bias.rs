//! Parity of positions within attention, and of those that are functions of the place: `golden/bias.safetensors`.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{DType, Device, Tensor};
use burn_patch::grid::Window;
use burn_patch::position::{
    AlibiPositionConfig, BiasResize, DecomposedPosition, DecomposedPositionConfig,
    LearnableFourierPositionConfig, LogCpbPositionConfig, PegPositionConfig,
    PolynomialPositionConfig, Position, RelativeBiasPosition, RelativeBiasPositionConfig, Site,
    log_offsets,
};
use burn_patch::tokens::{Attend, Reach};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{det_tensor, fill};
use burn_vit::layers::{Attention, AttentionConfig};

use crate::parity::{assert_golden, golden};

const FILE: &str = "bias.safetensors";
const DIM: usize = 12;
const HEADS: usize = 3;

fn det<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    det_tensor(shape, seed, device, DType::F32)
}

/// Tokens of a grid of `[rows, cols]` behind `prefix` zeros.
fn on_grid(embeddings: Tensor<3>, [rows, cols]: [usize; 2], prefix: usize) -> Tokens {
    let grid = Window::patch([2, 2], Default::default());
    let grid = grid.layout([2 * rows, 2 * cols]).unwrap();
    let (dim, device) = (embeddings.dims()[2], embeddings.device());
    let tokens = Tokens::from_grid(embeddings, grid);
    match prefix {
        0 => tokens,
        prefix => tokens.with_prefix(Tensor::zeros([1, prefix, dim], &device)),
    }
}

fn zeros(grid: [usize; 2], prefix: usize, device: &Device) -> Tokens {
    let [rows, cols] = grid;
    on_grid(Tensor::zeros([1, rows * cols, DIM], device), grid, prefix)
}

fn attend(position: &impl Position, tokens: &Tokens) -> Attend {
    position.attend(tokens, 0, &mut Noise::None)
}

fn bias(position: &impl Position, tokens: &Tokens) -> Tensor<4> {
    attend(position, tokens).bias.unwrap()
}

/// Relative biases of one block over a grid, with this table.
fn relative(
    grid: [usize; 2],
    class_rows: bool,
    table: Tensor<2>,
    device: &Device,
) -> RelativeBiasPosition {
    let [_, heads] = table.dims();
    let site = Site::new(grid, DIM)
        .with_prefix(usize::from(class_rows))
        .with_blocks(1, heads);
    let config = RelativeBiasPositionConfig::new().with_class_rows(class_rows);
    let mut position = config.init(&site, device);
    position.relative_position_bias_table[0] = Param::from_tensor(table);
    position
}

#[test]
fn relative_biases_as_timm_reads_them() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, class_rows) in [("relpos_index_2x3", false), ("relpos_index_2x3_cls", true)] {
            let rows = 15 + 3 * usize::from(class_rows);
            let numbers = Tensor::<1, burn::tensor::Int>::arange(0..rows as i64, device);
            let numbers = numbers.float().cast(DType::F32).reshape([rows, 1]);
            let position = relative([2, 3], class_rows, numbers, device);
            let index = bias(&position, &zeros([2, 3], usize::from(class_rows), device));
            let index = index.squeeze_dims::<2>(&[0, 1]);
            assert_golden(name, index, golden.take(name));
        }
        let position = relative([3, 4], true, det([38, HEADS], 3, device), device);
        let got = bias(&position, &zeros([3, 4], 1, device));
        assert_golden("relbias_3x4_cls", got, golden.take("relbias_3x4_cls"));
    });
}

#[test]
fn tables_of_relative_biases_resized_as_timm_does() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let square = || relative([7, 7], false, det([169, 3], 0, device), device);
        let wide = || relative([3, 4], true, det([38, 3], 2, device), device);
        for (name, position, grid, how) in [
            (
                "relbias_simple_7to12",
                square(),
                [12, 12],
                BiasResize::Bicubic,
            ),
            (
                "relbias_geometric_7to12",
                square(),
                [12, 12],
                BiasResize::Geometric,
            ),
            (
                "relbias_geometric_3x4to2x9",
                wide(),
                [2, 9],
                BiasResize::Geometric,
            ),
        ] {
            let resized = position.resized(grid, how).unwrap();
            let table = resized.relative_position_bias_table[0].val();
            assert_golden(name, table, golden.take(name));
        }
    });
}

#[test]
fn continuous_relative_biases_as_swin_v2_in_timm() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, side, window) in [
            ("swinv2_logcoords_8_pre0", 8, None),
            ("swinv2_logcoords_16_pre8", 16, Some([8, 8])),
        ] {
            let offsets = log_offsets([side, side], window);
            let offsets = Tensor::<1>::from_floats(offsets.as_slice(), device);
            let span = 2 * side - 1;
            assert_golden(name, offsets.reshape([span, span, 2]), golden.take(name));
        }
        for (name, grid, window) in [
            ("logcpb_4x6", [4, 6], None),
            ("logcpb_3x5_pre4x6", [3, 5], Some([4, 6])),
        ] {
            let config = LogCpbPositionConfig::new().with_pretrained_window(window);
            let site = Site::new([4, 6], DIM).with_blocks(1, HEADS);
            let position = fill(config.init(&site, device), 1);
            let got = bias(&position, &zeros(grid, 1, device));
            assert_golden(name, got, golden.take(name));
        }
    });
}

/// Weight `det(seed)`, bias the next.
fn set_linear(layer: &mut Linear, seed: u64, device: &Device) {
    let [input, output] = layer.weight.dims();
    layer.weight = Param::from_tensor(det([input, output], seed, device));
    layer.bias = Some(Param::from_tensor(det([output], seed + 1, device)));
}

fn attention(device: &Device) -> Attention {
    let config = AttentionConfig::new(DIM, HEADS);
    let mut attention = config.try_init(device).unwrap();
    set_linear(&mut attention.qkv, 1, device);
    set_linear(&mut attention.proj, 3, device);
    attention
}

fn decomposed([rows, cols]: [usize; 2], seed: u64, device: &Device) -> DecomposedPosition {
    let site = Site::new([rows, cols], DIM).with_blocks(1, HEADS);
    fill(DecomposedPositionConfig::new().init(&site, device), seed)
}

#[test]
fn decomposed_relative_positions_as_vit_det_and_sam_in_transformers() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let attention = attention(device);
        for (name, table, grid, seed) in [
            ("vitdet_attention_3x4", [3, 4], [3, 4], 7),
            ("vitdet_attention_5x3", [3, 4], [5, 3], 8),
            ("sam_attention_3x3", [3, 3], [3, 3], 9),
        ] {
            let position = decomposed(table, 5, device);
            let [rows, cols] = grid;
            let tokens = on_grid(det([2, rows * cols, DIM], seed, device), grid, 0);
            let attend = attend(&position, &tokens);
            let got = attention.forward(tokens.into_embeddings(), &attend, Reach::All);
            assert_golden(name, got, golden.take(name));
        }
    });
}

#[test]
fn a_class_token_has_no_decomposed_positions_as_in_mvitv2() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let position = decomposed([2, 3], 12, device);
        let attend = attend(&position, &zeros([2, 3], 1, device));
        let query = det([2, 7, DIM], 11, device);
        let got = attend.score_bias(HEADS, || query).unwrap();
        assert_golden("mvitv2_bias_cls", got, golden.take("mvitv2_bias_cls"));
    });
}

#[test]
fn functions_of_the_place_as_their_formulas() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let site = Site::new([3, 5], DIM).with_blocks(1, 6);
        let config = LearnableFourierPositionConfig::new();
        let config = config.with_features(Some(8)).with_hidden(6);
        let fourier = fill(config.init(&site, device), 1);
        let config = PolynomialPositionConfig::new().with_degree(Some(3));
        let polynomial = fill(config.init(&site, device), 1);
        let add = |position: &dyn Fn(Tokens) -> Tokens, grid| {
            position(zeros(grid, 0, device)).into_embeddings()
        };
        let of_polynomial = |tokens| polynomial.add(tokens, 0);
        let of_fourier = |tokens| fourier.add(tokens, 0);
        let got = add(&of_fourier, [3, 5]);
        assert_golden("fourier_3x5", got, golden.take("fourier_3x5"));
        let got = add(&of_polynomial, [3, 5]);
        assert_golden("polynomial_3x5", got, golden.take("polynomial_3x5"));
        let got = add(&of_polynomial, [4, 2]);
        assert_golden("polynomial_4x2", got, golden.take("polynomial_4x2"));

        let alibi = AlibiPositionConfig::new().init(&site, device);
        let got = bias(&alibi, &zeros([3, 4], 0, device));
        assert_golden("alibi_3x4_6heads", got, golden.take("alibi_3x4_6heads"));
    });
}

#[test]
fn a_convolution_over_tokens_as_twins_in_timm() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let site = Site::new([4, 6], 8).with_blocks(2, 1);
        let position = fill(PegPositionConfig::new().init(&site, device), 1);
        let tokens = on_grid(det([1, 24, 8], 0, device), [4, 6], 0);
        let got = position.add(tokens, 1).into_embeddings();
        assert_golden("peg_4x6", got, golden.take("peg_4x6"));
    });
}
