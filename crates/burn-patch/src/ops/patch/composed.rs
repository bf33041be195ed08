//! [`PatchOps`](super::PatchOps) from a backend's own tensor operations.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, IndexingUpdateOp, Shape, Slice, TensorData};

use crate::grid::{PatchGrid, Window};
use crate::ops::dims::dims;
use crate::ops::permuted::permuted_primitive;
use crate::ops::rows;
use crate::ops::{Bias, Cells, Fill, ParameterGrads, PartOps, PatchOps, Pixels};

/// The shape of the windows of images of `shape`: `[batch, tokens, channels·kh·kw]`.
pub(crate) fn windows_shape(shape: &Shape, grid: &PatchGrid) -> Shape {
    let [batch, channels, ..] = shape.dims::<4>();
    let [kh, kw] = grid.window.kernel;
    Shape::new([batch, grid.tokens(), channels * kh * kw])
}

/// The shape of the windows at cells `[batch, kept]`: `[batch, kept, channels·kh·kw]`.
#[cfg(any(feature = "cubecl", feature = "fusion"))]
pub(crate) fn picked_shape(shape: &Shape, cells: &Shape, grid: &PatchGrid) -> Shape {
    let [batch, kept] = cells.dims();
    let [.., values] = windows_shape(shape, grid).dims::<3>();
    Shape::new([batch, kept, values])
}

/// The shape of the images of windows of `shape`: `[batch, channels, height, width]`.
pub(crate) fn images_shape(shape: &Shape, grid: &PatchGrid) -> Shape {
    let [batch, _, values] = shape.dims::<3>();
    let [kh, kw] = grid.window.kernel;
    let [height, width] = grid.size;
    Shape::new([batch, values / (kh * kw), height, width])
}

pub(crate) fn patch_windows<B: Backend>(
    images: FloatTensor<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, channels, ..] = dims::<_, 4>(&images);
    let [kh, kw] = grid.window.kernel;
    let shape = windows_shape(&images.shape(), grid);
    let aligned = align::<B>(images, grid);
    // [batch, channels, rows·kh, cols·kw] → [batch, rows, cols, channels, kh, kw]
    let split = B::float_reshape(
        aligned,
        Shape::new([batch, channels, grid.rows, kh, grid.cols, kw]),
    );
    B::float_reshape(permuted_primitive::<B, 6>(split, [0, 2, 4, 1, 3, 5]), shape)
}

pub(crate) fn picked_windows<B: PatchOps>(
    images: FloatTensor<B>,
    cells: IntTensor<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    rows::gather::<B>(B::patch_windows(images, *grid), cells)
}

pub(crate) fn fold_windows<B: Backend>(
    windows: FloatTensor<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [kh, kw] = grid.window.kernel;
    let [batch, channels, ..] = images_shape(&windows.shape(), grid).dims::<4>();
    let split = B::float_reshape(
        windows,
        Shape::new([batch, grid.rows, grid.cols, channels, kh, kw]),
    );
    let aligned = permuted_primitive::<B, 6>(split, [0, 3, 1, 4, 2, 5]);
    let aligned = B::float_reshape(
        aligned,
        Shape::new([batch, channels, grid.rows * kh, grid.cols * kw]),
    );
    align_adjoint::<B>(aligned, grid)
}

pub(crate) fn project_patches<B: PatchOps>(
    images: Pixels<B>,
    weight: FloatTensor<B>,
    bias: Bias<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [dim, ..] = dims::<_, 4>(&weight);
    let images = floats::<B>(images, weight.dtype());
    let windows = filled_windows::<B>(images, fill, cells, grid);
    let [batch, count, _] = dims(&windows);
    let weight = B::float_transpose(flat_weight::<B>(weight));
    let mut tokens = B::product(flat_tokens::<B>(windows), weight);
    if let Bias::Present(bias) = bias {
        tokens = B::float_add(tokens, B::float_reshape(bias, Shape::new([1, dim])));
    }
    B::float_reshape(tokens, Shape::new([batch, count, dim]))
}

pub(crate) fn images_grad<B: PatchOps>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let [batch, count, _] = dims(&grad);
    let windows = B::product(flat_tokens::<B>(grad), flat_weight::<B>(weight));
    let [_, values] = dims(&windows);
    let windows = B::float_reshape(windows, Shape::new([batch, count, values]));
    let windows = match cells {
        Cells::All => windows,
        Cells::Picked(cells) => {
            rows::gather_grad::<B>([batch, grid.tokens(), values], cells, windows)
        }
    };
    B::fold_windows(windows, *grid)
}

pub(crate) fn parameter_grads<B: PatchOps>(
    grad: FloatTensor<B>,
    images: Pixels<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    let images = floats::<B>(images, grad.dtype());
    let windows = filled_windows::<B>(images, fill, cells, grid);
    windows_parameter_grads::<B>(grad, windows, grid)
}

/// Gradients of weight and bias from the windows that were projected, `[batch, tokens, values]`.
pub(crate) fn windows_parameter_grads<B: PartOps>(
    grad: FloatTensor<B>,
    windows: FloatTensor<B>,
    grid: &PatchGrid,
) -> ParameterGrads<B> {
    let [_, _, dim] = dims::<_, 3>(&grad);
    let [_, _, values] = dims::<_, 3>(&windows);
    let [kh, kw] = grid.window.kernel;
    let columns = B::float_transpose(flat_tokens::<B>(grad.clone()));
    let weight = B::product(columns, flat_tokens::<B>(windows));
    ParameterGrads {
        weight: B::float_reshape(weight, Shape::new([dim, values / (kh * kw), kh, kw])),
        bias: bias_grad::<B>(grad),
    }
}

/// `[batch, tokens, dim]` → `[dim]`.
pub(crate) fn bias_grad<B: Backend>(grad: FloatTensor<B>) -> FloatTensor<B> {
    let [_, _, dim] = dims(&grad);
    let sum = B::float_sum_dim(flat_tokens::<B>(grad), 0);
    B::float_reshape(sum, Shape::new([dim]))
}

/// `[batch, channels, height, width]` of type `dtype`.
pub(crate) fn floats<B: Backend>(images: Pixels<B>, dtype: DType) -> FloatTensor<B> {
    match images {
        Pixels::Floats(images) => images,
        Pixels::BytesChannelsFirst(images) => B::int_into_float(images, dtype.into()),
        Pixels::BytesChannelsLast(images) => {
            permuted_primitive::<B, 4>(B::int_into_float(images, dtype.into()), [0, 3, 1, 2])
        }
    }
}

/// The bytes of integers, the lowest first, as integers of the same type.
pub(crate) fn unpack_bytes<B: Backend>(packed: IntTensor<B>, shape: [usize; 4]) -> IntTensor<B> {
    let (words, width) = (packed.shape().num_elements(), packed.dtype().size());
    let byte = |place: usize| {
        let shifted = B::bitwise_right_shift_scalar(packed.clone(), (8 * place as i64).into());
        let byte = B::bitwise_and_scalar(shifted, 255.into());
        B::int_reshape(byte, Shape::new([words, 1]))
    };
    let bytes = B::int_cat((0..width).map(byte).collect(), 1);
    let bytes = B::int_reshape(bytes, Shape::new([words * width]));
    let count = shape.iter().product::<usize>();
    B::int_reshape(
        B::int_slice(bytes, &[Slice::from(0..count)]),
        Shape::new(shape),
    )
}

/// The windows at `cells`, `[batch, kept, values]`.
fn filled_windows<B: PatchOps>(
    images: FloatTensor<B>,
    fill: Fill<B>,
    cells: Cells<B>,
    grid: &PatchGrid,
) -> FloatTensor<B> {
    let (images, grid) = match fill {
        Fill::Channels(_) if grid.is_padded() => {
            let offset = grid.window.pad_before;
            let images = place::<B>(images, fill, offset, padded_size(grid));
            (images, padded(grid))
        }
        _ => (images, *grid),
    };
    match cells {
        Cells::All => B::patch_windows(images, grid),
        Cells::Picked(cells) => B::picked_windows(images, cells, grid),
    }
}

/// Pads, crops and, where windows overlap or skip, repeats pixels, so that windows lie side by side:
/// `[batch, channels, rows·kh, cols·kw]`.
fn align<B: Backend>(images: FloatTensor<B>, grid: &PatchGrid) -> FloatTensor<B> {
    let offset = grid.window.pad_before;
    let padded = place::<B>(images, Fill::Zeros, offset, padded_size(grid));
    if grid.is_partition() {
        let [batch, channels, ..] = dims::<_, 4>(&padded);
        let [kh, kw] = grid.window.kernel;
        return crop::<B>(padded, [batch, channels, grid.rows * kh, grid.cols * kw]);
    }
    (0..2).fold(padded, |image, axis| {
        let index = window_index::<B>(grid, axis, &image.device());
        B::float_select(image, axis + 2, index)
    })
}

fn align_adjoint<B: Backend>(aligned: FloatTensor<B>, grid: &PatchGrid) -> FloatTensor<B> {
    let [batch, channels, ..] = dims::<_, 4>(&aligned);
    let padded = if grid.is_partition() {
        place::<B>(aligned, Fill::Zeros, [0, 0], padded_size(grid))
    } else {
        (0..2).rev().fold(aligned, |aligned, axis| {
            let mut shape = dims::<_, 4>(&aligned);
            shape[axis + 2] = padded_size(grid)[axis];
            let device = aligned.device();
            let index = window_index::<B>(grid, axis, &device);
            let zeros = B::float_zeros(Shape::new(shape), &device, aligned.dtype().into());
            B::float_select_assign(zeros, axis + 2, index, aligned, IndexingUpdateOp::Add)
        })
    };
    let [top, left] = grid.window.pad_before;
    let [height, width] = grid.size;
    if padded_size(grid) == grid.size {
        return padded;
    }
    let inner = [0..batch, 0..channels, top..top + height, left..left + width];
    B::float_slice(padded, &inner.map(Slice::from))
}

/// The padded rows (axis 0) or columns (axis 1) that the windows read, window after window.
fn window_index<B: Backend>(grid: &PatchGrid, axis: usize, device: &B::Device) -> IntTensor<B> {
    let windows = [grid.rows, grid.cols][axis];
    let (kernel, stride) = (grid.window.kernel[axis], grid.window.stride[axis]);
    let index: Vec<i32> = (0..windows)
        .flat_map(|window| (0..kernel).map(move |offset| (window * stride + offset) as i32))
        .collect();
    let len = index.len();
    B::int_from_data(TensorData::new(index, [len]), device)
}

fn padded_size(grid: &PatchGrid) -> [usize; 2] {
    let window = &grid.window;
    [0, 1].map(|axis| window.pad_before[axis] + grid.size[axis] + window.pad_after[axis])
}

/// The same windows over images that are padded already.
fn padded(grid: &PatchGrid) -> PatchGrid {
    PatchGrid {
        size: padded_size(grid),
        window: Window {
            pad_before: [0, 0],
            pad_after: [0, 0],
            ..grid.window
        },
        ..*grid
    }
}

/// Puts `tensor` at `offset` into `fill` of `size`, cropping what does not fit.
fn place<B: Backend>(
    tensor: FloatTensor<B>,
    fill: Fill<B>,
    offset: [usize; 2],
    size: [usize; 2],
) -> FloatTensor<B> {
    let [batch, channels, height, width] = dims(&tensor);
    if [height, width] == size && offset == [0, 0] {
        return tensor;
    }
    let fits = [0, 1].map(|axis| [height, width][axis].min(size[axis] - offset[axis]));
    let tensor = crop::<B>(tensor, [batch, channels, fits[0], fits[1]]);
    let whole = Shape::new([batch, channels, size[0], size[1]]);
    let background = match fill {
        Fill::Zeros => B::float_zeros(whole, &tensor.device(), tensor.dtype().into()),
        Fill::Channels(values) => {
            let values = B::float_cast(values, tensor.dtype().into());
            B::float_expand(
                B::float_reshape(values, Shape::new([1, channels, 1, 1])),
                whole,
            )
        }
    };
    let inner = [
        0..batch,
        0..channels,
        offset[0]..offset[0] + fits[0],
        offset[1]..offset[1] + fits[1],
    ];
    B::float_slice_assign(background, &inner.map(Slice::from), tensor)
}

fn crop<B: Backend>(tensor: FloatTensor<B>, shape: [usize; 4]) -> FloatTensor<B> {
    if dims::<_, 4>(&tensor) == shape {
        return tensor;
    }
    B::float_slice(tensor, &shape.map(|len| Slice::from(0..len)))
}

/// `[batch, tokens, values]` → `[batch·tokens, values]`.
fn flat_tokens<B: Backend>(tokens: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, count, values] = dims(&tokens);
    B::float_reshape(tokens, Shape::new([batch * count, values]))
}

/// `[dim, channels, kh, kw]` → `[dim, channels·kh·kw]`.
fn flat_weight<B: Backend>(weight: FloatTensor<B>) -> FloatTensor<B> {
    let [dim, channels, kh, kw] = dims(&weight);
    B::float_reshape(weight, Shape::new([dim, channels * kh * kw]))
}
