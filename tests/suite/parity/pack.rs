//! Parity of sizes, tilings, mergers and packs with timm, transformers and torch: `golden/pack.safetensors`.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_patch::embed::LinearPatchEmbedConfig;
use burn_patch::grid::{PatchGrid, Remainder, Window};
use burn_patch::pack::{Packed, Packer, Tiling, size_for_budget};
use burn_patch::position::{AnyPositionConfig, NoPositionConfig};
use burn_patch::reduce::{
    PixelUnshuffle, PixelUnshuffleConfig, Reduce, Seen, UnshuffleDialect, block_order,
};
use burn_patch::{Noise, Tokens};
use burn_patch_tests::{Golden, det_tensor};
use burn_vit::{EncoderConfig, VitConfig};

use crate::parity::{assert_golden, golden};

const FILE: &str = "pack.safetensors";

/// Gives the k-th parameter the values `det(seed + k)` as PyTorch has it: matrices are `[output, input]` there.
fn fill_as_torch<M: Module>(module: M) -> M {
    struct Fill(u64);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let seed = self.0;
            self.0 += 1;
            param.map(|value| {
                let (device, dtype) = (value.device(), value.dtype());
                let mut shape = value.dims();
                if D != 2 {
                    return det_tensor(shape, seed, &device, dtype);
                }
                shape.reverse();
                det_tensor(shape, seed, &device, dtype).transpose()
            })
        }
    }
    module.map(&mut Fill(1))
}

/// Rows of whole numbers.
fn rows<const N: usize>(data: &TensorData) -> Vec<[usize; N]> {
    let values = data.try_to_vec_as::<f32>().expect("floats");
    let row = |row: &[f32]| core::array::from_fn(|at| row[at] as usize);
    values.chunks(N).map(row).collect()
}

#[test]
fn sizes_for_a_budget_are_those_of_timm() {
    let mut golden = Golden::open(FILE);
    let cases = rows::<7>(&golden.take("size_for_budget"));
    assert!(cases.len() > 60);
    for [height, width, tall, wide, budget, rows, cols] in cases {
        let size = size_for_budget([height, width], [tall, wide], budget).unwrap();
        assert_eq!(size, [rows, cols], "{height}×{width} @{budget}");
    }
}

#[test]
fn canvases_are_those_of_llava_next() {
    let canvases = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]];
    for case in rows::<8>(&Golden::open(FILE).take("any_res")) {
        let [height, width, rows, cols, high, wide, top, left] = case;
        let tiling = Tiling::any_res([height, width], [336, 336], &canvases).unwrap();
        let got = [tiling.canvas(), tiling.content(), tiling.offset()];
        assert_eq!(
            got,
            [[rows, cols], [high, wide], [top, left]],
            "{height}×{width}"
        );
    }
}

#[test]
fn numbers_of_tiles_are_those_of_internvl() {
    for case in rows::<7>(&Golden::open(FILE).take("closest_tiles")) {
        let [height, width, tile, least, most, rows, cols] = case;
        let size = [height, width];
        let tiling = Tiling::closest_aspect(size, [tile, tile], least..=most).unwrap();
        assert_eq!(
            tiling.canvas(),
            [rows * tile, cols * tile],
            "{height}×{width}"
        );
    }
}

#[test]
fn tiles_have_the_pixels_of_the_canvas() {
    golden(FILE, |backend, golden| {
        let canvases = [[8, 16], [16, 8], [16, 16], [8, 24]];
        let tiling = Tiling::any_res([10, 23], [8, 8], &canvases).unwrap();
        let picture = det_tensor([3, 10, 23], 0, &backend.device, DType::F32);
        let tiles = tiling.cut(picture);
        assert_golden("any_res_tiles", tiles, golden.take("any_res_tiles"));
    });
}

fn cells(rows: usize, cols: usize) -> PatchGrid {
    let window = Window::patch([1, 1], Remainder::Reject);
    window.layout([rows, cols]).unwrap()
}

fn unshuffled(dialect: UnshuffleDialect, tokens: Tokens, device: &Device) -> Tensor<3> {
    let config = PixelUnshuffleConfig::new(16).with_output(Some(8));
    let merger: PixelUnshuffle = fill_as_torch(config.with_dialect(dialect).init(device));
    let reduced = merger.reduce(tokens, Seen::Tokens, 0, &mut Noise::None);
    reduced.tokens.into_embeddings()
}

#[test]
fn qwen2_vls_merger_joins_its_blocks() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        // Rows in blocks, as its processor puts them, back to their cells.
        let grid = cells(2, 6);
        let mut rank = vec![0i32; 12];
        for (at, cell) in block_order(&grid, 2).unwrap().into_iter().enumerate() {
            rank[cell] = at as i32;
        }
        let rank = Tensor::<1, Int>::from_ints(rank.as_slice(), device);
        let blocks: Tensor<2> = det_tensor([12, 16], 0, device, DType::F32);
        let tokens = Tokens::from_grid(blocks.select(0, rank).unsqueeze_dim(0), grid);
        let merged = unshuffled(UnshuffleDialect::Qwen2Vl, tokens, device);
        let merged = merged.squeeze_dim::<2>(0);
        assert_golden("qwen2vl_merger", merged, golden.take("qwen2vl_merger"));
    });
}

#[test]
fn idefics3_and_internvl_join_row_by_row() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        for (name, dialect) in [
            ("idefics3_connector", UnshuffleDialect::Idefics3),
            ("internvl_projector", UnshuffleDialect::InternVl),
        ] {
            let tokens = det_tensor([2, 16, 16], 0, device, DType::F32);
            let tokens = Tokens::from_grid(tokens, cells(4, 4));
            let got = unshuffled(dialect, tokens, device);
            assert_golden(name, got, golden.take(name));
        }
    });
}

/// All images in one row, as Pixtral has them; torch's has a mask of all pairs.
#[test]
fn a_pack_is_a_row_with_a_block_diagonal_mask() {
    golden(FILE, |backend, golden| {
        let device = &backend.device;
        let embed = LinearPatchEmbedConfig::new([4, 4], 2, 16).init(device);
        let position = AnyPositionConfig::NoPosition(NoPositionConfig::new());
        let encoder = EncoderConfig::new(2, 4).with_position(position);
        let vit = fill_as_torch(VitConfig::new([8, 12], encoder).init(embed, device));
        let sizes = [[8, 12], [16, 8], [4, 20]].into_iter().zip(70..);
        let images = sizes.map(|([height, width], seed)| {
            det_tensor([2, height, width], seed, device, DType::F32)
        });
        let images: Vec<Tensor<3>> = images.collect();
        let pack: Packed = vit.pack(&images, &Packer::new(24)).unwrap().remove(0);
        assert_eq!(pack.plan().rows().len(), 1);
        let tokens = pack.tokens().clone();
        let encoded = vit.encoder.forward_placed(tokens, &[], &mut Noise::None);
        let pack = pack.with_embeddings(encoded.tokens.into_embeddings());
        let class = pack.class_tokens().expect("a class token");
        assert_golden("packed_class", class, golden.take("packed_class"));
        assert_golden("packed_mean", pack.mean(), golden.take("packed_mean"));
    });
}
