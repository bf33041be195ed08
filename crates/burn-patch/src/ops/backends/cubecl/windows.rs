//! A thread gathers one row of a window, or adds up one pixel: nothing is added atomically.

use burn::backend::TensorMetadata;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::FastDivmod;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use crate::grid::PatchGrid;
use crate::ops::patch::composed;

/// The grid's geometry in a kernel, vertical and horizontal.
#[derive(CubeLaunch, CubeType)]
struct Geometry {
    rows: usize,
    cols: usize,
    kernel_y: usize,
    kernel_x: usize,
    stride_y: usize,
    stride_x: usize,
    top: usize,
    left: usize,
}

fn geometry(grid: &PatchGrid) -> GeometryLaunch {
    let window = &grid.window;
    let [kernel_y, kernel_x] = window.kernel;
    let [stride_y, stride_x] = window.stride;
    let [top, left] = window.pad_before;
    GeometryLaunch::new(
        grid.rows, grid.cols, kernel_y, kernel_x, stride_y, stride_x, top, left,
    )
}

/// `[batch, channels, height, width]` → `[batch, tokens, channels·kh·kw]`.
pub(super) fn gather(images: CubeTensor, grid: &PatchGrid) -> CubeTensor {
    let [_, channels, ..] = images.shape().dims::<4>();
    let [kh, kw] = grid.window.kernel;
    let shape = composed::windows_shape(&images.shape(), grid);
    let axes = [grid.rows, grid.cols, channels, kh];
    let launch = Launch::new(&images, shape, kw);
    gather_kernel::launch(
        &launch.output.client,
        launch.count,
        launch.dim,
        launch.address,
        images.into_tensor_arg(),
        launch.output.clone().into_tensor_arg(),
        divisors(&axes),
        geometry(grid),
        dtype_to_storage_type(launch.output.dtype),
    );
    launch.output
}

/// `[batch, channels, height, width]` and cells `[batch, kept]` → `[batch, kept, channels·kh·kw]`.
pub(super) fn gather_picked(images: CubeTensor, cells: CubeTensor, grid: &PatchGrid) -> CubeTensor {
    let [_, channels, ..] = images.shape().dims::<4>();
    let [_, kept] = cells.shape().dims();
    let [kh, kw] = grid.window.kernel;
    let shape = composed::picked_shape(&images.shape(), &cells.shape(), grid);
    let launch = Launch::new(&images, shape, kw);
    if launch.output.shape().num_elements() == 0 {
        return launch.output;
    }
    let dtypes = [images.dtype, cells.dtype].map(dtype_to_storage_type);
    gather_picked_kernel::launch(
        &launch.output.client,
        launch.count,
        launch.dim,
        launch.address,
        images.into_tensor_arg(),
        cells.into_tensor_arg(),
        launch.output.clone().into_tensor_arg(),
        divisors(&[kept, channels, kh]),
        divisors(&[grid.cols]),
        geometry(grid),
        dtypes,
    );
    launch.output
}

/// `[batch, tokens, channels·kh·kw]` → `[batch, channels, height, width]`.
pub(super) fn fold(windows: CubeTensor, grid: &PatchGrid) -> CubeTensor {
    let shape = composed::images_shape(&windows.shape(), grid);
    let [_, channels, height, width] = shape.dims();
    let launch = Launch::new(&windows, shape, 1);
    fold_kernel::launch(
        &launch.output.client,
        launch.count,
        launch.dim,
        launch.address,
        windows.into_tensor_arg(),
        launch.output.clone().into_tensor_arg(),
        divisors(&[channels, height, width]),
        divisors(&grid.window.stride),
        geometry(grid),
        dtype_to_storage_type(launch.output.dtype),
    );
    launch.output
}

/// What the kernels are launched with: a thread for each `run` values of `output`.
struct Launch {
    output: CubeTensor,
    count: CubeCount,
    dim: CubeDim,
    address: AddressType,
}

impl Launch {
    fn new(input: &CubeTensor, shape: Shape, run: usize) -> Self {
        let threads = shape.num_elements() / run;
        let client = input.client.clone();
        let dim = CubeDim::new(&client, threads);
        let count = calculate_cube_count_elemwise(&client, threads, dim);
        let device = input.device.clone();
        let output = empty_device_contiguous_dtype(client, device, shape, input.dtype);
        let address = input
            .required_address_type()
            .max(output.required_address_type());
        Self {
            output,
            count,
            dim,
            address,
        }
    }
}

fn divisors(axes: &[usize]) -> SequenceArg<FastDivmod<usize>> {
    let mut divisors = SequenceArg::new();
    axes.iter().for_each(|axis| divisors.push(*axis));
    divisors
}

#[cube(launch, address_type = "dynamic")]
fn gather_kernel<T: Numeric>(
    images: &Tensor<T>,
    windows: &mut Tensor<T>,
    axes: Sequence<FastDivmod<usize>>,
    geometry: &Geometry,
    #[define(T)] _dtype: ElemType,
) {
    let start = ABSOLUTE_POS * geometry.kernel_x;
    if start >= windows.len() {
        terminate!();
    }
    let (rest, kernel_y) = axes[3].div_mod(ABSOLUTE_POS);
    let (rest, channel) = axes[2].div_mod(rest);
    let (rest, col) = axes[1].div_mod(rest);
    let (image, row) = axes[0].div_mod(rest);
    let plane = image * images.stride(0) + channel * images.stride(1);
    let y = row * geometry.stride_y + kernel_y;
    let x = col * geometry.stride_x;
    gather_row(images, windows, start, plane, y, x, geometry);
}

#[cube(launch, address_type = "dynamic")]
fn gather_picked_kernel<T: Numeric, I: Int>(
    images: &Tensor<T>,
    cells: &Tensor<I>,
    windows: &mut Tensor<T>,
    axes: Sequence<FastDivmod<usize>>,
    cols: Sequence<FastDivmod<usize>>,
    geometry: &Geometry,
    #[define(T, I)] _dtypes: [ElemType; 2],
) {
    let start = ABSOLUTE_POS * geometry.kernel_x;
    if start >= windows.len() {
        terminate!();
    }
    let (rest, kernel_y) = axes[2].div_mod(ABSOLUTE_POS);
    let (rest, channel) = axes[1].div_mod(rest);
    let (image, kept) = axes[0].div_mod(rest);
    let cell = usize::cast_from(cells[image * cells.stride(0) + kept * cells.stride(1)]);
    let (row, col) = cols[0].div_mod(cell);
    let plane = image * images.stride(0) + channel * images.stride(1);
    let y = row * geometry.stride_y + kernel_y;
    let x = col * geometry.stride_x;
    gather_row(images, windows, start, plane, y, x, geometry);
}

/// Copies a window's row to `start`, from a channel's `plane` at y and x of the padded picture.
#[cube]
fn gather_row<T: Numeric>(
    images: &Tensor<T>,
    windows: &mut Tensor<T>,
    start: usize,
    plane: usize,
    y: usize,
    x: usize,
    geometry: &Geometry,
) {
    let (top, left) = (geometry.top, geometry.left);
    let in_row = y >= top && y - top < images.shape(2);
    let line = plane + (y - top) * images.stride(2);
    for kernel_x in 0..geometry.kernel_x {
        let x = x + kernel_x;
        let inside = in_row && x >= left && x - left < images.shape(3);
        windows[start + kernel_x] = if inside {
            images[line + (x - left) * images.stride(3)]
        } else {
            T::zero()
        };
    }
}

#[cube(launch, address_type = "dynamic")]
fn fold_kernel<T: Numeric>(
    windows: &Tensor<T>,
    images: &mut Tensor<T>,
    axes: Sequence<FastDivmod<usize>>,
    strides: Sequence<FastDivmod<usize>>,
    geometry: &Geometry,
    #[define(T)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= images.len() {
        terminate!();
    }
    let (rest, x) = axes[2].div_mod(ABSOLUTE_POS);
    let (rest, y) = axes[1].div_mod(rest);
    let (image, channel) = axes[0].div_mod(rest);
    let y = y + geometry.top;
    let x = x + geometry.left;
    let (kernel_y, kernel_x) = (geometry.kernel_y, geometry.kernel_x);
    let first_row = first_window(y, kernel_y, &strides[0]);
    let first_col = first_window(x, kernel_x, &strides[1]);
    let end_row = clamp_max(strides[0].div(y) + 1, geometry.rows);
    let end_col = clamp_max(strides[1].div(x) + 1, geometry.cols);
    let mut sum = T::zero();
    for row in first_row..end_row {
        let line = (channel * kernel_y + y - row * geometry.stride_y) * kernel_x;
        for col in first_col..end_col {
            let value = line + x - col * geometry.stride_x;
            sum += windows[image * windows.stride(0)
                + (row * geometry.cols + col) * windows.stride(1)
                + value * windows.stride(2)];
        }
    }
    images[ABSOLUTE_POS] = sum;
}

/// The first window that reaches `position`, counted from the padding's edge.
#[cube]
fn first_window(position: usize, kernel: usize, stride: &FastDivmod<usize>) -> usize {
    if position >= kernel {
        stride.div(position - kernel) + 1
    } else {
        0usize.runtime()
    }
}
