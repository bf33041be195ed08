//! Learned absolute positions: tests.

use super::*;
use crate::grid::{Remainder, Window};

fn tokens(device: &Device) -> Tokens {
    let grid = Window::patch([2, 2], Remainder::Reject)
        .layout([4, 6])
        .unwrap();
    Tokens::from_grid(Tensor::zeros([2, 6, 4], device), grid)
}

#[test]
fn adding_then_selecting_equals_selecting_then_adding() {
    let device = Device::flex();
    let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4).with_prefix(1), &device);
    let index = Tensor::from_ints([[4, 1, 0], [2, 2, 5]], &device);
    let before = position.add(tokens(&device), 0).select(index.clone());
    let after = position.add(tokens(&device).select(index), 0);
    after
        .into_embeddings()
        .into_data()
        .assert_eq(&before.into_embeddings().into_data(), true);
}

#[test]
fn a_token_off_the_grid_gets_the_table_at_its_center() {
    let device = Device::flex();
    let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &device);
    // Over the four cells at the left, whose centres lie at 1 and 3.
    let boxes = Tensor::from_floats([[[2.0, 2.0, 4.0, 4.0]], [[1.0, 5.0, 2.0, 2.0]]], &device);
    let index = Tensor::from_ints([[0], [2]], &device);
    let moved = tokens(&device)
        .select(index)
        .with_places(Places::Boxes(boxes));
    let table = position.pos_embed.val();
    let rows = |cells: &[i32]| {
        let cells = Tensor::<1, burn::tensor::Int>::from_ints(cells, &device);
        table.clone().select(1, cells).mean_dim(1)
    };
    let want = Tensor::cat(vec![rows(&[0, 1, 3, 4]), rows(&[2])], 0);
    position
        .add(moved, 0)
        .into_embeddings()
        .into_data()
        .assert_approx_eq(
            &want.into_data(),
            burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
}

#[test]
fn without_prefix_rows_the_class_token_gets_no_position() {
    let device = Device::flex();
    let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &device);
    let tokens = tokens(&device).with_prefix(Tensor::ones([1, 1, 4], &device));
    let prefix = position.add(tokens, 0).prefix_embeddings().unwrap();
    prefix
        .into_data()
        .assert_eq(&Tensor::<3>::ones([2, 1, 4], &device).into_data(), true);
}

#[test]
fn registers_behind_the_class_token_get_no_position() {
    let device = Device::flex();
    let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4).with_prefix(1), &device);
    let tokens = tokens(&device).with_prefix(Tensor::zeros([1, 3, 4], &device));
    let tokens = position.add(tokens, 0);
    let got = tokens.into_embeddings().slice([0..1, 0..9, 0..4]);
    let table = position.pos_embed.val();
    let zeros = Tensor::zeros([1, 2, 4], &device);
    let [class, patches] = [table.clone().slice_dim(1, ..1), table.slice_dim(1, 1..)];
    let want = Tensor::cat(vec![class, zeros, patches], 1);
    got.into_data().assert_eq(&want.into_data(), true);
}

#[test]
fn images_with_grids_of_their_own_need_the_tables() {
    let window = Window::patch([2, 2], Remainder::Reject);
    let [same, other] = [[4, 6], [6, 4]].map(|size| window.layout(size).unwrap());
    let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 4), &Device::flex());
    let check = |grids: [crate::grid::PatchGrid; 2]| {
        position.check(&Layout::Each(grids.into()), PlaceKind::Cells, 0)
    };
    assert!(check([same, same]).is_ok());
    assert!(matches!(check([same, other]), Err(Error::Place { .. })));
}

fn grid(size: [usize; 2]) -> crate::grid::PatchGrid {
    Window::patch([2, 2], Remainder::Reject)
        .layout(size)
        .unwrap()
}

fn assert_close(got: Tensor<3>, want: Tensor<3>) {
    let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6);
    got.into_data()
        .assert_approx_eq(&want.into_data(), tolerance);
}

#[test]
fn resampling_forward_by_forward_is_resizing_once() {
    let device = Device::flex();
    let profile = Profile::DinoV2;
    let position = LearnedPositionConfig::new()
        .with_resample(Some(profile))
        .init(&Site::new([2, 3], 4).with_prefix(1), &device);
    let resized = position.resized([4, 5], profile).unwrap();
    assert_eq!(resized.pos_embed.dims(), [1, 21, 4]);
    let tokens = Tokens::from_grid(Tensor::zeros([2, 20, 4], &device), grid([8, 10]));
    let tokens = tokens.with_prefix(Tensor::zeros([1, 1, 4], &device));
    let index = Tensor::from_ints([[19, 0, 7], [3, 3, 4]], &device);
    for tokens in [tokens.clone(), tokens.select(index)] {
        let [got, want] = [&position, &resized].map(|position| position.add(tokens.clone(), 0));
        assert_close(got.into_embeddings(), want.into_embeddings());
    }
}

#[test]
fn a_table_of_another_grid_than_the_sites_is_the_configs() {
    let device = Device::flex();
    let config = LearnedPositionConfig::new().with_grid(Some([3, 5]));
    let position = config
        .clone()
        .with_resample(Some(Profile::Timm))
        .init(&Site::new([2, 3], 4).with_prefix(1), &device);
    assert_eq!(position.pos_embed.dims(), [1, 16, 4]);
    let added = position.add(tokens(&device), 0).into_embeddings();
    let want = position.resized([2, 3], Profile::Timm).unwrap();
    assert_close(
        added,
        want.pos_embed.val().slice_dim(1, 1..).expand([2, 6, 4]),
    );
    let plain = config.init(&Site::new([2, 3], 4), &device);
    let refused = plain.check(&grid([4, 6]).into(), PlaceKind::Cells, 0);
    assert!(refused.unwrap_err().to_string().contains("[1, 3, 5]"));
    let empty = config
        .with_grid(Some([0, 5]))
        .try_init(&Site::new([2, 3], 4), &device);
    assert!(matches!(empty, Err(Error::Zero { .. })));
}

#[test]
fn images_with_grids_of_their_own_get_tables_of_their_own() {
    let device = Device::flex();
    let position = LearnedPositionConfig::new()
        .with_resample(Some(Profile::SigLip2))
        .init(&Site::new([2, 3], 4), &device);
    let grids = [[4, 4], [2, 6], [4, 4]].map(grid);
    let zeros = || Tensor::zeros([3, 4, 4], &device);
    let layout = Layout::Each(grids.into());
    let got = position.add(Tokens::new(zeros(), layout, Places::Cells), 0);
    let alone = grids.map(|grid| {
        let zeros = Tensor::zeros([1, grid.tokens(), 4], &device);
        position
            .add(Tokens::from_grid(zeros, grid), 0)
            .into_embeddings()
    });
    let [first, second, third] = alone;
    let padded = Tensor::cat(vec![second, Tensor::zeros([1, 1, 4], &device)], 1);
    assert_close(
        got.into_embeddings(),
        Tensor::cat(vec![first, padded, third], 0),
    );
}

/// Boxes over the cells of another grid, as large as its cells.
#[test]
fn boxes_over_the_cells_of_a_grid_get_its_resampled_table() {
    let device = Device::flex();
    for profile in [
        Profile::Timm,
        Profile::SigLip2,
        Profile::DinoV2,
        Profile::RadioCorners,
        Profile::Square(Filter::SmoothLinear),
    ] {
        let position = LearnedPositionConfig::new()
            .with_resample(Some(profile))
            .init(&Site::new([5, 4], 4), &device);
        let grids = [[4, 6], [6, 4]].map(grid);
        let zeros = Tensor::zeros([2, 6, 4], &device);
        let tokens = Tokens::new(zeros, Layout::Each(grids.into()), Places::Cells);
        let boxed = tokens.clone().with_places(Places::Boxes(tokens.boxes_px()));
        let [on, off] = [tokens, boxed].map(|tokens| position.add(tokens, 0));
        assert_close(off.into_embeddings(), on.into_embeddings());
    }
}

#[test]
fn a_clip_of_other_frames_is_refused_by_name() {
    let position = LearnedPositionConfig::new()
        .with_resample(Some(Profile::Timm))
        .init(&Site::new([2, 3], 4), &Device::flex());
    let check = |grid: crate::grid::PatchGrid| position.check(&grid.into(), PlaceKind::Cells, 0);
    assert!(check(grid([8, 8])).is_ok());
    let error = check(grid([4, 6]).over_frames(2)).unwrap_err().to_string();
    assert!(
        error.contains("1 frames") && error.contains("[2, 2, 3]"),
        "{error}"
    );
    assert!(matches!(
        position.resized([0, 3], Profile::Timm),
        Err(Error::Zero { .. })
    ));
}

#[test]
#[should_panic(expected = "this position table cannot place")]
fn another_grid_is_refused() {
    let device = Device::flex();
    LearnedPositionConfig::new()
        .init(&Site::new([3, 2], 4), &device)
        .add(tokens(&device), 0);
}
