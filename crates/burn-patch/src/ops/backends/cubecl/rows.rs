//! Softmax and layer norm, forward and back: the units of a cube share a row, and add up in single precision.

use burn::backend::cubecl::dtype_to_storage_type;
use burn_cubecl::cubecl;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use super::like::like;

/// Units that share a row.
const UNITS: u32 = 32;

/// Over the last axis.
pub(super) fn softmax(scores: CubeTensor) -> CubeTensor {
    let scores = into_contiguous(scores);
    let launch = Launch::new(&scores);
    if launch.rows > 0 {
        softmax_kernel::launch(
            &scores.client.clone(),
            launch.count,
            launch.dim,
            scores.required_address_type(),
            scores.into_tensor_arg(),
            launch.output.clone().into_tensor_arg(),
            launch.width,
            UNITS as usize,
            dtype_to_storage_type(launch.output.dtype),
        );
    }
    launch.output
}

/// From the softmax and the gradient of it.
pub(super) fn softmax_grad(weights: CubeTensor, grad: CubeTensor) -> CubeTensor {
    let [weights, grad] = [weights, grad].map(into_contiguous);
    let launch = Launch::new(&weights);
    if launch.rows > 0 {
        softmax_grad_kernel::launch(
            &weights.client.clone(),
            launch.count,
            launch.dim,
            weights.required_address_type(),
            weights.into_tensor_arg(),
            grad.into_tensor_arg(),
            launch.output.clone().into_tensor_arg(),
            launch.width,
            UNITS as usize,
            dtype_to_storage_type(launch.output.dtype),
        );
    }
    launch.output
}

/// x `[rows, dim]`, gamma and beta `[dim]`.
pub(super) fn norm(x: CubeTensor, gamma: CubeTensor, beta: CubeTensor, epsilon: f64) -> CubeTensor {
    let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
    let launch = Launch::new(&x);
    if launch.rows > 0 {
        norm_kernel::launch(
            &x.client.clone(),
            launch.count,
            launch.dim,
            x.required_address_type(),
            x.into_tensor_arg(),
            gamma.into_tensor_arg(),
            beta.into_tensor_arg(),
            launch.output.clone().into_tensor_arg(),
            launch.width,
            epsilon as f32,
            UNITS as usize,
            dtype_to_storage_type(launch.output.dtype),
        );
    }
    launch.output
}

/// The gradient for x, and the normalised rows times that of the result.
pub(super) fn norm_grads(
    x: CubeTensor,
    gamma: CubeTensor,
    grad: CubeTensor,
    epsilon: f64,
) -> (CubeTensor, CubeTensor) {
    let [x, gamma, grad] = [x, gamma, grad].map(into_contiguous);
    let launch = Launch::new(&x);
    let product = like(&x);
    if launch.rows > 0 {
        norm_grads_kernel::launch(
            &x.client.clone(),
            launch.count,
            launch.dim,
            x.required_address_type(),
            x.into_tensor_arg(),
            gamma.into_tensor_arg(),
            grad.into_tensor_arg(),
            launch.output.clone().into_tensor_arg(),
            product.clone().into_tensor_arg(),
            launch.width,
            epsilon as f32,
            UNITS as usize,
            dtype_to_storage_type(launch.output.dtype),
        );
    }
    (launch.output, product)
}

/// What each kernel is launched with: a cube for each row of `output`.
struct Launch {
    output: CubeTensor,
    rows: usize,
    width: usize,
    count: CubeCount,
    dim: CubeDim,
}

impl Launch {
    fn new(input: &CubeTensor) -> Self {
        let shape = input.meta.shape();
        let width = shape[shape.num_dims() - 1];
        let rows = shape.num_elements().checked_div(width).unwrap_or(0);
        let dim = CubeDim::new_1d(UNITS);
        Self {
            output: like(input),
            rows,
            width,
            count: calculate_cube_count_elemwise(&input.client, rows * UNITS as usize, dim),
            dim,
        }
    }
}

#[cube(launch, address_type = "dynamic")]
fn softmax_kernel<T: Float>(
    scores: &Tensor<T>,
    weights: &mut Tensor<T>,
    width: usize,
    #[comptime] units: usize,
    #[define(T)] _dtype: ElemType,
) {
    let mut shared = Shared::new_slice(units);
    let (first, end) = columns(weights.len(), width);
    let mut largest = f32::min_value();
    for at in range_stepped(first, end, units) {
        largest = max(largest, f32::cast_from(scores[at]));
    }
    let largest = largest_of_units(largest, &mut shared, units);
    let mut sum = 0.0f32;
    for at in range_stepped(first, end, units) {
        sum += (f32::cast_from(scores[at]) - largest).exp();
    }
    let sum = sum_of_units(sum, &mut shared, units);
    for at in range_stepped(first, end, units) {
        weights[at] = T::cast_from((f32::cast_from(scores[at]) - largest).exp() / sum);
    }
}

#[cube(launch, address_type = "dynamic")]
fn softmax_grad_kernel<T: Float>(
    weights: &Tensor<T>,
    grad: &Tensor<T>,
    scores_grad: &mut Tensor<T>,
    width: usize,
    #[comptime] units: usize,
    #[define(T)] _dtype: ElemType,
) {
    let mut shared = Shared::new_slice(units);
    let (first, end) = columns(scores_grad.len(), width);
    let mut centre = 0.0f32;
    for at in range_stepped(first, end, units) {
        centre += f32::cast_from(grad[at]) * f32::cast_from(weights[at]);
    }
    let centre = sum_of_units(centre, &mut shared, units);
    for at in range_stepped(first, end, units) {
        let value = f32::cast_from(weights[at]) * (f32::cast_from(grad[at]) - centre);
        scores_grad[at] = T::cast_from(value);
    }
}

#[cube(launch, address_type = "dynamic")]
fn norm_kernel<T: Float>(
    x: &Tensor<T>,
    gamma: &Tensor<T>,
    beta: &Tensor<T>,
    output: &mut Tensor<T>,
    width: usize,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(T)] _dtype: ElemType,
) {
    let mut shared = Shared::new_slice(units);
    let (first, end) = columns(output.len(), width);
    let (mean, scale) = statistics(x, first, end, width, epsilon, &mut shared, units);
    for at in range_stepped(first, end, units) {
        let column = at % width;
        let normal = (f32::cast_from(x[at]) - mean) * scale;
        let scaled = normal * f32::cast_from(gamma[column]);
        output[at] = T::cast_from(scaled + f32::cast_from(beta[column]));
    }
}

#[cube(launch, address_type = "dynamic")]
fn norm_grads_kernel<T: Float>(
    x: &Tensor<T>,
    gamma: &Tensor<T>,
    grad: &Tensor<T>,
    x_grad: &mut Tensor<T>,
    product: &mut Tensor<T>,
    width: usize,
    epsilon: f32,
    #[comptime] units: usize,
    #[define(T)] _dtype: ElemType,
) {
    let mut shared = Shared::new_slice(units);
    let (first, end) = columns(x_grad.len(), width);
    let (mean, scale) = statistics(x, first, end, width, epsilon, &mut shared, units);
    let mut sum = 0.0f32;
    let mut along = 0.0f32;
    for at in range_stepped(first, end, units) {
        let scaled = f32::cast_from(grad[at]) * f32::cast_from(gamma[at % width]);
        sum += scaled;
        along += scaled * (f32::cast_from(x[at]) - mean) * scale;
    }
    let count = f32::cast_from(width);
    let sum = sum_of_units(sum, &mut shared, units) / count;
    let along = sum_of_units(along, &mut shared, units) / count;
    for at in range_stepped(first, end, units) {
        let grad = f32::cast_from(grad[at]);
        let normal = (f32::cast_from(x[at]) - mean) * scale;
        let scaled = grad * f32::cast_from(gamma[at % width]);
        x_grad[at] = T::cast_from((scaled - sum - normal * along) * scale);
        product[at] = T::cast_from(grad * normal);
    }
}

/// Where this unit begins in its cube's row of a tensor of `len` values, and where the row ends. Cubes beyond the last row
/// have none, and go on, since all units of a cube have to wait for each other.
#[cube]
fn columns(len: usize, width: usize) -> (usize, usize) {
    let row = CUBE_POS * width;
    let end = select(row < len, row + width, row);
    (row + UNIT_POS as usize, end)
}

/// The mean of a row and the inverse of its deviation.
#[cube]
fn statistics<T: Float>(
    x: &Tensor<T>,
    first: usize,
    end: usize,
    width: usize,
    epsilon: f32,
    shared: &mut Shared<[f32]>,
    #[comptime] units: usize,
) -> (f32, f32) {
    let count = f32::cast_from(width);
    let mut sum = 0.0f32;
    for at in range_stepped(first, end, units) {
        sum += f32::cast_from(x[at]);
    }
    let mean = sum_of_units(sum, shared, units) / count;
    let mut squares = 0.0f32;
    for at in range_stepped(first, end, units) {
        let centred = f32::cast_from(x[at]) - mean;
        squares += centred * centred;
    }
    let variance = sum_of_units(squares, shared, units) / count;
    (mean, 1.0f32 / (variance + epsilon).sqrt())
}

/// The sum of all units' values, for each of them.
#[cube]
fn sum_of_units(value: f32, shared: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    share(value, shared);
    let mut sum = 0.0f32;
    for unit in 0..units {
        sum += shared[unit];
    }
    sum
}

/// The largest of all units' values, for each of them.
#[cube]
fn largest_of_units(value: f32, shared: &mut Shared<[f32]>, #[comptime] units: usize) -> f32 {
    share(value, shared);
    let mut largest = shared[0];
    for unit in 1..units {
        largest = max(largest, shared[unit]);
    }
    largest
}

/// Shows each unit's value to the others, once they have read what was there before.
#[cube]
fn share(value: f32, shared: &mut Shared<[f32]>) {
    sync_cube();
    shared[UNIT_POS as usize] = value;
    sync_cube();
}
