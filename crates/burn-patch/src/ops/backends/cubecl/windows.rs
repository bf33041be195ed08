//! One thread per value written, so that neighbours write neighbours and nothing is added atomically.

use burn::backend::TensorMetadata;
use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::std::FastDivmod;
use cubecl::std::tensor::layout::linear::LinearViewMut;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use crate::grid::PatchGrid;

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
    let [batch, channels, ..] = images.shape().dims::<4>();
    let [kh, kw] = grid.window.kernel;
    let shape = Shape::new([batch, grid.tokens(), channels * kh * kw]);
    let axes = [batch, grid.rows, grid.cols, channels, kh, kw];
    let launch = Launch::new(&images, shape, &axes);
    gather_kernel::launch(
        &launch.output.client,
        launch.count,
        launch.dim,
        launch.address,
        images.into_tensor_arg(),
        launch.output.clone().into_linear_view(),
        launch.axes,
        geometry(grid),
        dtype_to_storage_type(launch.output.dtype),
    );
    launch.output
}

/// `[batch, tokens, channels·kh·kw]` → `[batch, channels, height, width]`.
pub(super) fn fold(windows: CubeTensor, grid: &PatchGrid) -> CubeTensor {
    let [batch, _, values] = windows.shape().dims::<3>();
    let [kh, kw] = grid.window.kernel;
    let [height, width] = grid.size;
    let axes = [batch, values / (kh * kw), height, width];
    let launch = Launch::new(&windows, Shape::new(axes), &axes);
    fold_kernel::launch(
        &launch.output.client,
        launch.count,
        launch.dim,
        launch.address,
        windows.into_tensor_arg(),
        launch.output.clone().into_linear_view(),
        launch.axes,
        geometry(grid),
        dtype_to_storage_type(launch.output.dtype),
    );
    launch.output
}

/// What both kernels are launched with: a thread for each value of `output`, whose index splits along `axes`.
struct Launch {
    output: CubeTensor,
    count: CubeCount,
    dim: CubeDim,
    address: AddressType,
    axes: SequenceArg<FastDivmod<usize>>,
}

impl Launch {
    fn new(input: &CubeTensor, shape: Shape, axes: &[usize]) -> Self {
        let values = shape.num_elements();
        let client = input.client.clone();
        let dim = CubeDim::new(&client, values);
        let count = calculate_cube_count_elemwise(&client, values, dim);
        let device = input.device.clone();
        let output = empty_device_contiguous_dtype(client, device, shape, input.dtype);
        let address = input
            .required_address_type()
            .max(output.required_address_type());
        let mut divisors = SequenceArg::new();
        for axis in axes {
            divisors.push(*axis);
        }
        Self {
            output,
            count,
            dim,
            address,
            axes: divisors,
        }
    }
}

#[cube(launch, address_type = "dynamic")]
fn gather_kernel<T: Numeric>(
    images: &Tensor<T>,
    mut windows: LinearViewMut<'_, T>,
    axes: Sequence<FastDivmod<usize>>,
    geometry: &Geometry,
    #[define(T)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= windows.shape() {
        terminate!();
    }
    let (rest, kernel_x) = axes[5].div_mod(ABSOLUTE_POS);
    let (rest, kernel_y) = axes[4].div_mod(rest);
    let (rest, channel) = axes[3].div_mod(rest);
    let (rest, col) = axes[2].div_mod(rest);
    let (image, row) = axes[1].div_mod(rest);
    let y = row * geometry.stride_y + kernel_y;
    let x = col * geometry.stride_x + kernel_x;
    let (top, left) = (geometry.top, geometry.left);
    let inside = y >= top && y - top < images.shape(2) && x >= left && x - left < images.shape(3);
    let value = if inside {
        images[image * images.stride(0)
            + channel * images.stride(1)
            + (y - top) * images.stride(2)
            + (x - left) * images.stride(3)]
    } else {
        T::zero()
    };
    windows.write(ABSOLUTE_POS, value);
}

#[cube(launch, address_type = "dynamic")]
fn fold_kernel<T: Numeric>(
    windows: &Tensor<T>,
    mut images: LinearViewMut<'_, T>,
    axes: Sequence<FastDivmod<usize>>,
    geometry: &Geometry,
    #[define(T)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= images.shape() {
        terminate!();
    }
    let (rest, x) = axes[3].div_mod(ABSOLUTE_POS);
    let (rest, y) = axes[2].div_mod(rest);
    let (image, channel) = axes[1].div_mod(rest);
    let y = y + geometry.top;
    let x = x + geometry.left;
    let (kernel_y, kernel_x) = (geometry.kernel_y, geometry.kernel_x);
    let (stride_y, stride_x) = (geometry.stride_y, geometry.stride_x);
    let first_row = first_window(y, kernel_y, stride_y);
    let first_col = first_window(x, kernel_x, stride_x);
    let end_row = clamp_max(y / stride_y + 1, geometry.rows);
    let end_col = clamp_max(x / stride_x + 1, geometry.cols);
    let mut sum = T::zero();
    for row in first_row..end_row {
        let line = (channel * kernel_y + y - row * stride_y) * kernel_x;
        for col in first_col..end_col {
            let value = line + x - col * stride_x;
            sum += windows[image * windows.stride(0)
                + (row * geometry.cols + col) * windows.stride(1)
                + value * windows.stride(2)];
        }
    }
    images.write(ABSOLUTE_POS, sum);
}

/// The first window that reaches `position`, counted from the padding's edge.
#[cube]
fn first_window(position: usize, kernel: usize, stride: usize) -> usize {
    if position >= kernel {
        (position - kernel) / stride + 1
    } else {
        0usize.runtime()
    }
}
