//! Identities that hold for every embedding on every backend.

mod bytes;
mod reduce;

use burn::module::Module;
use burn::tensor::module::conv2d;
use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};
use burn_patch::embed::{
    AnyPatchEmbed, AnyPatchEmbedConfig, EMBEDDINGS, FlatOrder, PatchEmbed, patchify, unpatchify,
};
use burn_patch::grid::{Remainder, Window};
use burn_patch::ops::{
    fold_windows, gather_rows, overlap_add, patch_windows, project_cells, project_patches,
};
use burn_patch_tests::{backends, det_tensor, fill, largest_difference, tolerance};
use proptest::prelude::*;

fn each_embedding(check: impl Fn(&str, AnyPatchEmbed, Tensor<4>)) {
    for backend in backends() {
        for info in EMBEDDINGS {
            let config = AnyPatchEmbedConfig::for_stride(info.name, [4, 2], 3, 16).unwrap();
            let embed = fill(config.init(&backend.device), 1);
            let images = det_tensor([3, 3, 8, 12], 7, &backend.device, DType::F32);
            check(&format!("{} on {}", info.name, backend.name), embed, images);
        }
    }
}

fn assert_close<const D: usize>(name: &str, left: Tensor<D>, right: Tensor<D>) {
    let apart = largest_difference(&left.into_data(), &right.into_data()).0;
    assert!(apart <= tolerance::F32, "{name}: {apart:.1e}");
}

#[test]
fn layout_says_what_forward_gives() {
    each_embedding(|name, embed, images| {
        let grid = embed.layout([8, 12]).unwrap();
        let tokens = embed.forward(images);
        assert_eq!(*tokens.grid(), grid, "{name}");
        let count = embed.tokens([8, 12]).unwrap();
        assert_eq!(
            tokens.embeddings().dims(),
            [3, count, embed.dim()],
            "{name}"
        );
        assert_eq!(tokens.places().kind(), embed.places(), "{name}");
    });
}

#[test]
fn images_do_not_see_each_other() {
    each_embedding(|name, embed, images| {
        let alone = embed
            .forward(images.clone().slice_dim(0, 1..2))
            .into_embeddings();
        let together = embed.forward(images).into_embeddings().slice_dim(0, 1..2);
        assert_close(name, alone, together);
    });
}

#[test]
fn visible_tokens_are_those_of_the_whole_image() {
    each_embedding(|name, embed, images| {
        let device = images.device();
        let last = embed.tokens([8, 12]).unwrap() as i32 - 1;
        let cells = Tensor::from_ints([[3, 0], [2, 2], [1, last]], &device);
        let visible = embed.forward_visible(images.clone(), cells.clone());
        let selected = embed.forward(images).select(cells);
        assert_close(name, visible.boxes_px(), selected.boxes_px());
        assert_close(name, visible.into_embeddings(), selected.into_embeddings());
    });
}

#[test]
fn a_record_brings_back_the_same_module() {
    each_embedding(|name, embed, images| {
        let device = images.device();
        let info = name.split(' ').next().unwrap();
        let other = AnyPatchEmbedConfig::for_stride(info, [4, 2], 3, 16)
            .unwrap()
            .init(&device);
        let loaded = other.load_record(embed.clone().into_record());
        let want = embed.forward(images.clone()).into_embeddings();
        assert_close(name, loaded.forward(images).into_embeddings(), want);
    });
}

#[test]
fn unpatchify_undoes_patchify() {
    for backend in backends() {
        for order in [FlatOrder::ChannelsFirst, FlatOrder::ChannelsLast] {
            let images = det_tensor([2, 3, 8, 12], 7, &backend.device, DType::F32);
            let back = unpatchify(patchify(images.clone(), [4, 2], order).unwrap(), order).unwrap();
            assert_eq!(
                largest_difference(&back.into_data(), &images.into_data()).0,
                0.0
            );
        }
    }
}

fn window() -> impl Strategy<Value = (Window, [usize; 2], usize, usize)> {
    let axis = (1usize..6, 1usize..6, 0usize..3, 6usize..14);
    (axis.clone(), axis, 1usize..4, 1usize..9).prop_map(|(y, x, channels, dim)| {
        let window = Window::symmetric([y.0, x.0], [y.1, x.1], [y.2, x.2]);
        (window, [y.3, x.3], channels, dim)
    })
}

/// Padding that differs between the sides: the same as embedding a picture padded by hand.
#[test]
fn padding_before_and_after_lies_on_the_right_sides() {
    let padding = [
        Window::ceil([4, 6], [2, 3]).unwrap(),
        Window {
            remainder: Remainder::Pad,
            ..Window::symmetric([5, 4], [4, 4], [1, 0])
        },
        Window::patch([3, 5], Remainder::Pad),
        Window::patch([3, 5], Remainder::Floor),
    ];
    for backend in backends() {
        let device = &backend.device;
        for window in padding {
            let grid = window.layout([7, 11]).unwrap();
            let images = det_tensor([2, 3, 7, 11], 7, device, DType::F32);
            let weight = det_tensor(
                [8, 3, window.kernel[0], window.kernel[1]],
                8,
                device,
                DType::F32,
            );
            let [top, left] = grid.window.pad_before;
            let [bottom, right] = grid.window.pad_after;
            let padded = images
                .clone()
                .pad((left, right, top, bottom), PadMode::Constant(0.0));
            let options = ConvOptions::new(window.stride, [0, 0], [1, 1], 1);
            let convolved = conv2d(padded, weight.clone(), None, options);
            let convolved = convolved.reshape([2, 8, grid.tokens()]).swap_dims(1, 2);
            let tokens = project_patches(images, weight, None, &grid);
            assert_close(backend.name, tokens, convolved);
        }
    }
}

/// 32 shapes, or `PROPTEST_CASES`: a GPU backend compiles kernels for each.
fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig::with_cases(asked.and_then(|cases| cases.parse().ok()).unwrap_or(32))
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Default, device)
}

/// As many windows as fill several blocks on several threads, in both float types.
#[test]
fn products_in_many_blocks_are_those_of_the_convolution() {
    let window = Window::symmetric([7, 6], [2, 3], [3, 2]);
    let size = [61, 95];
    let grid = window.layout(size).unwrap();
    for backend in backends() {
        let device = backend.device.clone().autodiff();
        for dtype in [DType::F32, DType::F64] {
            if !device.supports_dtype(dtype) {
                continue;
            }
            let images = det_tensor([5, 3, size[0], size[1]], 1, &device, dtype).require_grad();
            let weight = det_tensor([40, 3, 7, 6], 2, &device, dtype).require_grad();
            let bias = det_tensor([40], 3, &device, dtype).require_grad();
            let factor = det_tensor([5, grid.tokens(), 40], 4, &device, dtype);
            let run = |fast: bool| {
                let (images, weight, bias) = (images.clone(), weight.clone(), Some(bias.clone()));
                if fast {
                    return project_patches(images, weight, bias, &grid);
                }
                let options = ConvOptions::new(window.stride, window.pad_before, [1, 1], 1);
                let features = conv2d(images, weight, bias, options);
                features.reshape([5, 40, grid.tokens()]).swap_dims(1, 2)
            };
            let (ours, theirs) = (run(true), run(false));
            assert_close(backend.name, ours.clone(), theirs.clone());
            let [ours, theirs] = [ours, theirs].map(|out| (out * factor.clone()).sum().backward());
            let name = backend.name;
            assert_close(
                name,
                images.grad(&ours).unwrap(),
                images.grad(&theirs).unwrap(),
            );
            assert_close(
                name,
                weight.grad(&ours).unwrap(),
                weight.grad(&theirs).unwrap(),
            );
            assert_close(name, bias.grad(&ours).unwrap(), bias.grad(&theirs).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn picked_cells_are_those_of_the_whole_with_their_gradients(
        (window, size, channels, dim) in window(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 2..8),
    ) {
        let grid = window.layout(size).unwrap();
        let [kh, kw] = window.kernel;
        let kept = picks.len() / 2;
        let cells: Vec<i32> = picks[..2 * kept].iter().map(|pick| pick.index(grid.tokens()) as i32).collect();
        for backend in backends() {
            let device = backend.device.clone().autodiff();
            let images = random([2, channels, size[0], size[1]], &device).require_grad();
            let weight = random([dim, channels, kh, kw], &device).require_grad();
            let bias = random([dim], &device).require_grad();
            let factor = random([2, kept, dim], &device);
            let data = TensorData::new(cells.clone(), [2, kept]);
            let cells = Tensor::<2, Int>::from_data(data, &device);

            let ours = project_cells(images.clone(), weight.clone(), Some(bias.clone()), cells.clone(), &grid);
            let all = project_patches(images.clone(), weight.clone(), Some(bias.clone()), &grid);
            let theirs = gather_rows(all, cells);
            assert_close(backend.name, ours.clone(), theirs.clone());
            let [ours, theirs] = [ours, theirs].map(|out| (out * factor.clone()).sum().backward());
            assert_close(backend.name, images.grad(&ours).unwrap(), images.grad(&theirs).unwrap());
            assert_close(backend.name, weight.grad(&ours).unwrap(), weight.grad(&theirs).unwrap());
            assert_close(backend.name, bias.grad(&ours).unwrap(), bias.grad(&theirs).unwrap());
        }
    }

    #[test]
    fn projection_is_the_convolution_and_windows_times_weight((window, size, channels, dim) in window()) {
        let grid = window.layout(size).unwrap();
        let [kh, kw] = window.kernel;
        for backend in backends() {
            let device = &backend.device;
            let images = random([2, channels, size[0], size[1]], device);
            let weight = random([dim, channels, kh, kw], device);
            let bias = random([dim], device);
            let tokens = project_patches(images.clone(), weight.clone(), Some(bias.clone()), &grid);

            let options = ConvOptions::new(window.stride, window.pad_before, [1, 1], 1);
            let convolved = conv2d(images.clone(), weight.clone(), Some(bias.clone()), options);
            let convolved = convolved.reshape([2, dim, grid.tokens()]).swap_dims(1, 2);
            assert_close(backend.name, tokens.clone(), convolved);

            let matrix = weight.reshape([1, dim, channels * kh * kw]).swap_dims(1, 2);
            let product = patch_windows(images, &grid).matmul(matrix) + bias.reshape([1, 1, dim]);
            assert_close(backend.name, tokens, product);
        }
    }

    #[test]
    fn hand_written_gradients_are_those_of_the_convolution((window, size, channels, dim) in window()) {
        let grid = window.layout(size).unwrap();
        let [kh, kw] = window.kernel;
        for backend in backends() {
            let device = backend.device.clone().autodiff();
            let images = random([2, channels, size[0], size[1]], &device).require_grad();
            let weight = random([dim, channels, kh, kw], &device).require_grad();
            let bias = random([dim], &device).require_grad();
            let factor = random([2, grid.tokens(), dim], &device);

            let tokens = project_patches(images.clone(), weight.clone(), Some(bias.clone()), &grid);
            let ours = (tokens * factor.clone()).sum().backward();
            let options = ConvOptions::new(window.stride, window.pad_before, [1, 1], 1);
            let features = conv2d(images.clone(), weight.clone(), Some(bias.clone()), options);
            let factor = factor.swap_dims(1, 2).reshape([2, dim, grid.rows, grid.cols]);
            let theirs = (features * factor).sum().backward();

            assert_close(backend.name, images.grad(&ours).unwrap(), images.grad(&theirs).unwrap());
            assert_close(backend.name, weight.grad(&ours).unwrap(), weight.grad(&theirs).unwrap());
            assert_close(backend.name, bias.grad(&ours).unwrap(), bias.grad(&theirs).unwrap());
        }
    }

    #[test]
    fn gradients_of_windows_and_of_folding_are_each_other((window, size, channels, _) in window()) {
        let grid = window.layout(size).unwrap();
        for backend in backends() {
            let device = backend.device.clone().autodiff();
            let images = random([2, channels, size[0], size[1]], &device).require_grad();
            let windows = patch_windows(images.clone(), &grid);
            let factor = random(windows.dims(), &device);
            let grads = (windows * factor.clone()).sum().backward();
            let folded = fold_windows(factor.clone().without_autodiff(), &grid);
            assert_close(backend.name, images.grad(&grads).unwrap(), folded);

            let windows = factor.clone().without_autodiff().autodiff().require_grad();
            let back = random(images.dims(), &device);
            let grads = (fold_windows(windows.clone(), &grid) * back.clone()).sum().backward();
            let gathered = patch_windows(back.without_autodiff(), &grid);
            assert_close(backend.name, windows.grad(&grads).unwrap(), gathered);
        }
    }

    #[test]
    fn overlap_add_undoes_windows_wherever_one_reads((window, size, channels, _) in window()) {
        let grid = window.layout(size).unwrap();
        let [rows, cols] = grid.coverage();
        let read: Vec<f32> = rows
            .iter()
            .flat_map(|row| cols.iter().map(move |col| f32::from(u8::from(row * col > 0))))
            .collect();
        for backend in backends() {
            let device = &backend.device;
            let images = random([2, channels, size[0], size[1]], device);
            let read = Tensor::from_data(TensorData::new(read.clone(), [1, 1, size[0], size[1]]), device);
            let back = overlap_add(patch_windows(images.clone(), &grid), &grid);
            assert_close(backend.name, back, images * read);
        }
    }

    #[test]
    fn folding_is_the_adjoint_of_gathering((window, size, channels, _) in window()) {
        let grid = window.layout(size).unwrap();
        for backend in backends() {
            let device = &backend.device;
            let images = random([2, channels, size[0], size[1]], device);
            let windows = patch_windows(images.clone(), &grid);
            let other = random(windows.dims(), device);
            let left = (windows * other.clone()).sum();
            let right = (images * fold_windows(other, &grid)).sum();
            assert_close(backend.name, left, right);
        }
    }

    #[test]
    fn coverage_is_what_folding_ones_gives((window, size, channels, _) in window()) {
        let grid = window.layout(size).unwrap();
        let [rows, cols] = grid.coverage();
        let counts: Vec<f32> = rows
            .iter()
            .flat_map(|row| cols.iter().map(move |col| (row * col) as f32))
            .collect();
        for backend in backends() {
            let device = &backend.device;
            let shape = [1, grid.tokens(), channels * window.kernel[0] * window.kernel[1]];
            let folded = fold_windows(Tensor::ones(shape, device), &grid);
            let counts = TensorData::new(counts.clone(), [1, 1, size[0], size[1]]);
            let counts = Tensor::<4>::from_data(counts, device).expand([1, channels, size[0], size[1]]);
            assert_close(backend.name, folded, counts);
        }
    }
}
