//! Patch projection: LibTorch's own convolution, product and gradients.
//!
//! By measurement (`benches/record/peers` and `benches/record/tch-pytorch`) LibTorch's convolution is faster than a
//! product of gathered windows, except for windows that tile the image and are wide or have one channel, and for the
//! gradient of images with few channels. Filled or uneven padding and picked cells take the composed way.
//!
//! LibTorch gives the gradients of its convolution only to a convolution that it recorded itself, so weight and bias
//! are the leaves of a [tape]; without it the gradients of a 7×7 stem took twice as long.

use burn::backend::libtorch::TchTensor;
use burn::backend::ops::{ConvOptions, ConvTransposeOptions, FloatTensorOps, ModuleOps};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{LibTorch, TensorMetadata};
use burn::tensor::Shape;
use tch::{Kind, Tensor};

use super::tape;
use crate::grid::PatchGrid;
use crate::ops::patch::composed;
use crate::ops::{Bias, Cells, Fill, ParameterGrads, PatchGrads, PatchOps, Pixels, Recorded};

/// Where windows tile and are this wide, the product is about as fast as the convolution, and keeps no record.
const WIDE: usize = 16;

/// Where windows tile pictures of fewer channels, the gradient is faster as a product than as a convolution.
const FEW_CHANNELS: usize = 8;

impl PatchOps for LibTorch {
    /// Real bytes, unlike any that Burn gives this backend: the same memory, read otherwise.
    fn unpack_bytes(packed: IntTensor<Self>, shape: [usize; 4]) -> IntTensor<Self> {
        let bytes = packed.tensor.view_dtype(Kind::Uint8);
        let bytes = bytes.narrow(0, 0, shape.iter().product::<usize>() as i64);
        let bytes = bytes.view(shape.map(|len| len as i64));
        TchTensor::from_existing(bytes, packed.storage)
    }

    fn project_patches(
        images: Pixels<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        match Way::of(&images, &fill, &cells, &grid) {
            Way::Product => multiply(windows(images, &weight, &grid), weight, bias),
            Way::Convolution => convolve(images, weight, bias.into_option(), &grid),
            Way::Composed => {
                composed::project_patches::<Self>(images, weight, bias, fill, cells, &grid)
            }
        }
    }
}

/// The convolution's gradients come from LibTorch's own record, of which weight and bias are the leaves.
impl PatchGrads for LibTorch {
    fn project_tracked(
        images: Pixels<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> Recorded<Self> {
        match Way::of(&images, &fill, &cells, &grid) {
            Way::Product => {
                let windows = windows(images, &weight, &grid);
                return Recorded {
                    output: multiply(windows.clone(), weight, bias),
                    kept: vec![windows],
                };
            }
            Way::Convolution => {}
            Way::Composed => {
                return Recorded::without_tape(composed::project_patches::<Self>(
                    images, weight, bias, fill, cells, &grid,
                ));
            }
        }
        let weight = tape::leaf(weight);
        let bias = bias.into_option().map(tape::leaf);
        let tokens = convolve(images, weight.clone(), bias.clone(), &grid);
        tape::record(tokens, [weight].into_iter().chain(bias))
    }

    fn images_grad(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> FloatTensor<Self> {
        let [_, channels, ..] = weight.shape().dims::<4>();
        let tiled = grid.is_partition() && channels < FEW_CHANNELS;
        if tiled || !is_convolution(&cells, &grid) {
            return composed::images_grad::<Self>(grad, weight, cells, &grid);
        }
        let window = &grid.window;
        let [batch, _, dim] = grad.shape().dims();
        let map = Self::float_swap_dims(grad, 1, 2);
        let map = Self::float_reshape(map, Shape::new([batch, dim, grid.rows, grid.cols]));
        let unread = [0, 1].map(|axis| {
            let read =
                ([grid.rows, grid.cols][axis] - 1) * window.stride[axis] + window.kernel[axis];
            grid.size[axis] + 2 * window.pad_before[axis] - read
        });
        let (stride, padding) = (window.stride, window.pad_before);
        let options = ConvTransposeOptions::new(stride, padding, unread, [1, 1], 1);
        Self::conv_transpose2d(map, weight, None, options)
    }

    fn parameter_grads(
        grad: FloatTensor<Self>,
        images: Pixels<Self>,
        kept: Vec<FloatTensor<Self>>,
        fill: Fill<Self>,
        cells: Cells<Self>,
        grid: PatchGrid,
    ) -> ParameterGrads<Self> {
        let (tokens, leaves) = match kept.as_slice() {
            [] => return composed::parameter_grads::<Self>(grad, images, fill, cells, &grid),
            [windows] => {
                return composed::windows_parameter_grads::<Self>(grad, windows.clone(), &grid);
            }
            [tokens, leaves @ ..] => (tokens, leaves),
        };
        let mut found = tape::gradients(tokens, &grad, leaves).into_iter();
        ParameterGrads {
            weight: found.next().expect("the weight is a leaf"),
            bias: found
                .next()
                .unwrap_or_else(|| composed::bias_grad::<Self>(grad)),
        }
    }
}

/// How tokens are computed.
enum Way {
    /// Windows are gathered and multiplied.
    Product,
    /// By LibTorch's convolution.
    Convolution,
    /// By the composed default.
    Composed,
}

impl Way {
    fn of(
        images: &Pixels<LibTorch>,
        fill: &Fill<LibTorch>,
        cells: &Cells<LibTorch>,
        grid: &PatchGrid,
    ) -> Self {
        let [_, channels, ..] = images.shape();
        let [_, width] = grid.window.kernel;
        let filled = matches!(fill, Fill::Channels(_)) && grid.is_padded();
        if filled || !is_convolution(cells, grid) {
            Self::Composed
        } else if grid.is_partition() && (channels == 1 || width >= WIDE) {
            Self::Product
        } else {
            Self::Convolution
        }
    }
}

/// Whether these are the windows of a convolution.
fn is_convolution(cells: &Cells<LibTorch>, grid: &PatchGrid) -> bool {
    matches!(cells, Cells::All) && grid.window.pad_before == grid.window.pad_after
}

fn windows(images: Pixels<LibTorch>, weight: &TchTensor, grid: &PatchGrid) -> TchTensor {
    let [_, _, height, width] = images.shape();
    let [kh, kw] = grid.window.kernel;
    let tiled = [height, width] == [grid.rows * kh, grid.cols * kw];
    match images {
        Pixels::BytesChannelsFirst(bytes) if tiled => convert(&bytes.tensor, weight, grid),
        Pixels::BytesChannelsLast(bytes) if tiled => {
            convert(&bytes.tensor.permute([0, 3, 1, 2]), weight, grid)
        }
        images => {
            let images = composed::floats::<LibTorch>(images, weight.dtype());
            composed::patch_windows::<LibTorch>(images, grid)
        }
    }
}

/// Windows that tile the bytes `[batch, channels, height, width]`, gathered and converted in one pass.
fn convert(bytes: &Tensor, weight: &TchTensor, grid: &PatchGrid) -> TchTensor {
    let (batch, channels, _, _) = bytes.size4().expect("four axes");
    let [rows, kh, cols, kw] = [
        grid.rows,
        grid.window.kernel[0],
        grid.cols,
        grid.window.kernel[1],
    ]
    .map(|len| len as i64);
    let split = bytes.reshape([batch, channels, rows, kh, cols, kw]);
    let split = split.permute([0, 2, 4, 1, 3, 5]);
    let options = (weight.tensor.kind(), weight.tensor.device());
    let mut windows = Tensor::empty(split.size(), options);
    windows.copy_(&split);
    TchTensor::new(windows.view([batch, rows * cols, channels * kh * kw]))
}

/// The tokens of gathered windows.
fn multiply(windows: TchTensor, weight: TchTensor, bias: Bias<LibTorch>) -> TchTensor {
    let bias = bias.into_option().map(|bias| bias.tensor);
    TchTensor::new(windows.tensor.linear(&weight.tensor.flatten(1, 3), bias))
}

/// The tokens of a convolution: `[batch, tokens, dim]`, a view of its map `[batch, dim, rows, cols]`.
fn convolve(
    images: Pixels<LibTorch>,
    weight: TchTensor,
    bias: Option<TchTensor>,
    grid: &PatchGrid,
) -> TchTensor {
    let [batch, ..] = images.shape();
    let [dim, ..] = weight.shape().dims::<4>();
    let images = composed::floats::<LibTorch>(images, weight.dtype());
    let window = &grid.window;
    let options = ConvOptions::new(window.stride, window.pad_before, [1, 1], 1);
    let map = LibTorch::conv2d(images, weight, bias, options);
    let tokens = LibTorch::float_reshape(map, Shape::new([batch, dim, grid.tokens()]));
    LibTorch::float_swap_dims(tokens, 1, 2)
}
