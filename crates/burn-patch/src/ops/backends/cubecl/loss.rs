//! The cross entropy of class scores and its gradient.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::tensor::Shape;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim, calculate_cube_count_elemwise};

use super::like::like;

/// Units of a cube, and of all units that add up a mean.
const UNITS: u32 = 32;

/// What a class gets of the target: `kept` if it is the row's, and `spread` in any case.
#[derive(CubeLaunch, CubeType)]
struct Target {
    kept: f32,
    spread: f32,
}

fn target(smoothing: f64, width: usize) -> TargetLaunch {
    TargetLaunch::new((1.0 - smoothing) as f32, (smoothing / width as f64) as f32)
}

/// The mean over rows, `[1]`: one cube, whose units take rows in turn.
pub(super) fn cross_entropy(logits: CubeTensor, classes: CubeTensor, smoothing: f64) -> CubeTensor {
    let [logits, classes] = [logits, classes].map(into_contiguous);
    let [_, width] = logits.meta.shape().dims::<2>();
    let (client, device) = (logits.client.clone(), logits.device.clone());
    let loss = empty_device_contiguous_dtype(client, device, Shape::new([1]), logits.dtype);
    let dtypes = [logits.dtype, classes.dtype].map(dtype_to_storage_type);
    cross_entropy_kernel::launch(
        &logits.client.clone(),
        CubeCount::new_single(),
        CubeDim::new_1d(UNITS),
        logits.required_address_type(),
        logits.into_tensor_arg(),
        classes.into_tensor_arg(),
        loss.clone().into_tensor_arg(),
        width,
        target(smoothing, width),
        UNITS as usize,
        dtypes,
    );
    loss
}

/// `(p − target)·∂/rows`: a unit for each row.
pub(super) fn cross_entropy_grad(
    logits: CubeTensor,
    classes: CubeTensor,
    grad: CubeTensor,
    smoothing: f64,
) -> CubeTensor {
    let [logits, classes, grad] = [logits, classes, grad].map(into_contiguous);
    let [rows, width] = logits.meta.shape().dims::<2>();
    let output = like(&logits);
    let dim = CubeDim::new_1d(UNITS);
    let dtypes = [logits.dtype, classes.dtype].map(dtype_to_storage_type);
    cross_entropy_grad_kernel::launch(
        &logits.client.clone(),
        calculate_cube_count_elemwise(&logits.client, rows, dim),
        dim,
        logits.required_address_type(),
        logits.into_tensor_arg(),
        classes.into_tensor_arg(),
        grad.into_tensor_arg(),
        output.clone().into_tensor_arg(),
        width,
        target(smoothing, width),
        dtypes,
    );
    output
}

#[cube(launch, address_type = "dynamic")]
fn cross_entropy_kernel<T: Float, I: Int>(
    logits: &Tensor<T>,
    classes: &Tensor<I>,
    loss: &mut Tensor<T>,
    width: usize,
    target: &Target,
    #[comptime] units: usize,
    #[define(T, I)] _dtypes: [ElemType; 2],
) {
    let rows = classes.len();
    let mut shared = Shared::new_slice(units);
    let mut sum = 0.0f32;
    for row in range_stepped(UNIT_POS as usize, rows, units) {
        let (largest, total) = exponents(logits, row, width);
        let log_total = largest + total.ln();
        let class = usize::cast_from(classes[row]);
        let start = row * width;
        let mut entropy = 0.0f32;
        for column in 0..width {
            let share = select(column == class, target.kept + target.spread, target.spread);
            // A masked class, whose score is −∞, counts only where it has a share.
            if share > 0.0 {
                entropy += share * (log_total - f32::cast_from(logits[start + column]));
            }
        }
        sum += entropy;
    }
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    if UNIT_POS == 0 {
        let mut mean = 0.0f32;
        for unit in 0..units {
            mean += shared[unit];
        }
        loss[0] = T::cast_from(mean / f32::cast_from(rows));
    }
}

#[cube(launch, address_type = "dynamic")]
fn cross_entropy_grad_kernel<T: Float, I: Int>(
    logits: &Tensor<T>,
    classes: &Tensor<I>,
    grad: &Tensor<T>,
    output: &mut Tensor<T>,
    width: usize,
    target: &Target,
    #[define(T, I)] _dtypes: [ElemType; 2],
) {
    let rows = classes.len();
    let row = ABSOLUTE_POS;
    if row >= rows {
        terminate!();
    }
    let (largest, total) = exponents(logits, row, width);
    let scale = f32::cast_from(grad[0]) / f32::cast_from(rows);
    let class = usize::cast_from(classes[row]);
    let start = row * width;
    for column in 0..width {
        let share = select(column == class, target.kept + target.spread, target.spread);
        let weight = (f32::cast_from(logits[start + column]) - largest).exp() / total;
        output[start + column] = T::cast_from((weight - share) * scale);
    }
}

/// The largest value of a row, and the sum of exponents relative to it.
#[cube]
fn exponents<T: Float>(logits: &Tensor<T>, row: usize, width: usize) -> (f32, f32) {
    let start = row * width;
    let mut largest = f32::min_value();
    for column in 0..width {
        largest = max(largest, f32::cast_from(logits[start + column]));
    }
    let mut total = 0.0f32;
    for column in 0..width {
        total += (f32::cast_from(logits[start + column]) - largest).exp();
    }
    (largest, total)
}
