//! Tokens: tests.

use super::*;
use crate::grid::{Remainder, Window};
use burn::tensor::Distribution;

fn grid() -> PatchGrid {
    Window::patch([2, 4], Remainder::Reject)
        .layout([4, 12])
        .unwrap()
}

fn tokens(device: &Device) -> Tokens {
    Tokens::from_grid(
        Tensor::random([2, 6, 5], Distribution::Default, device),
        grid(),
    )
}

fn assert_same<const D: usize>(got: Tensor<D>, want: Tensor<D>) {
    got.into_data().assert_eq(&want.into_data(), true);
}

#[test]
fn selection_follows_embeddings_boxes_sizes_and_cells() {
    let device = Device::flex();
    let all = tokens(&device)
        .with_sizes(Tensor::from_floats([[1., 2., 3., 4., 5., 6.]; 2], &device))
        .with_prefix(Tensor::ones([1, 1, 5], &device));
    let first = Tensor::from_ints([[5, 0, 2], [1, 2, 3]], &device);
    let second = Tensor::from_ints([[1], [2]], &device);
    let kept = all.clone().select(first).select(second);
    assert_eq!(kept.embeddings().dims(), [2, 2, 5]);
    let Places::Picked(cells) = kept.places() else {
        panic!("picked cells, got {:?}", kept.places().kind());
    };
    cells
        .clone()
        .into_data()
        .convert::<i64>()
        .assert_eq(&[[0i64], [3]].into(), true);
    kept.sizes()
        .unwrap()
        .into_data()
        .assert_eq(&[[1.0f32], [4.0]].into(), true);
    let want = Tensor::from_floats([[[1., 2., 2., 4.]], [[3., 2., 2., 4.]]], &device);
    assert_same(kept.boxes_px(), want);
    let direct = gather_rows(
        all.patch_embeddings(),
        Tensor::from_ints([[0], [3]], &device),
    );
    assert_same(kept.patch_embeddings(), direct);
    assert!(kept.to_feature_map().is_err());
}

#[test]
fn feature_map_has_token_r_c_at_row_r_col_c() {
    let device = Device::flex();
    let tokens = tokens(&device);
    let map = tokens.to_feature_map().unwrap();
    assert_eq!(map.dims(), [2, 5, 2, 3]);
    let cell = map.slice([0..2, 0..5, 1..2, 2..3]).reshape([2, 5]);
    assert_same(
        cell,
        tokens
            .embeddings()
            .slice([0..2, 5..6, 0..5])
            .reshape([2, 5]),
    );
}

#[test]
fn mean_leaves_padding_out_and_weighs_merged_tokens() {
    let device = Device::flex();
    let grid = Window::patch([2, 4], Remainder::Reject)
        .layout([2, 12])
        .unwrap();
    let values = Tensor::<3>::from_floats([[[1.0], [5.0], [100.0]]], &device);
    let tokens = Tokens::from_grid(values, grid)
        .with_valid(Tensor::from_bool([[true, true, false]], &device))
        .with_sizes(Tensor::from_floats([[3.0, 1.0, 7.0]], &device))
        .with_prefix(Tensor::full([1, 1, 1], 9.0, &device));
    tokens
        .mean()
        .into_data()
        .assert_eq(&[[2.0f32]].into(), true);
}

#[test]
fn a_feature_map_of_frames_or_of_grids_of_their_own_is_an_error() {
    let device = Device::flex();
    let zeros = || Tensor::zeros([2, 12, 5], &device);
    let clip = Tokens::from_grid(zeros(), grid().over_frames(2));
    assert!(matches!(
        clip.to_feature_map(),
        Err(Error::Irregular { .. })
    ));
    let each = Layout::Each([grid().over_frames(2); 2].into());
    let tokens = Tokens::new(zeros(), each, Places::Cells);
    assert!(matches!(
        tokens.to_feature_map(),
        Err(Error::Irregular { .. })
    ));
}

#[test]
fn behind_the_cells_of_a_smaller_grid_there_is_padding() {
    let device = Device::flex();
    let window = Window::patch([2, 4], Remainder::Reject);
    let each = Layout::Each([grid(), window.layout([4, 8]).unwrap()].into());
    let tokens = Tokens::new(Tensor::ones([2, 6, 1], &device), each, Places::Cells);
    let real = tokens.valid().unwrap().int().sum_dim(1);
    real.into_data()
        .convert::<i64>()
        .assert_eq(&[[6i64], [4]].into(), true);
    let boxes = Places::Boxes(tokens.boxes_px());
    assert_eq!(tokens.with_places(boxes).boxes_px().dims(), [2, 6, 4]);
}
