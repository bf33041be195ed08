//! A table read at any places.

use burn::tensor::{DType, Tensor, TensorData};

use crate::ops::at_least_single;
use crate::resample::filter::Filter;

/// Reads `table` (`[1 or batch, rows, cols, dim]`) at `places` (`[1 or batch, tokens, 2]`: row, column), of which the
/// first cell's centre is 0: `[1 or batch, tokens, dim]`.
///
/// `steps`, of the same shape, is how many cells a token spans: a smoothing filter is as wide where that is more
/// than one, so that a large box reads the mean of what it covers, which
/// [`grid_sample`](https://github.com/huggingface/pytorch-image-models/issues/2514) cannot. The others read the place
/// alone. At the places of a resized grid it gives what [`resize`](crate::resample::resize) gives.
///
/// # Equation
///
/// `out_t = Σ_ij u_ti·v_tj·T_ij`, `u` and `v` the weights of rows and columns as in
/// [`ResizeMatrix`](crate::resample::ResizeMatrix); [`Filter::Nearest`] takes the cell that the place is in.
///
/// Gradients reach the table, the places and, where they matter, the steps. Linearly, the gradient of a place on a
/// centre is that towards the next cell. Weights are computed in `f32` at least, and places must be finite.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::resample::{Align, Filter, sample};
///
/// let device = Device::flex();
/// let table = Tensor::<4>::from_floats([[[[0.0], [1.0]], [[2.0], [3.0]]]], &device);
/// let places = Tensor::<3>::from_floats([[[0.5, 0.5], [-3.0, 0.75]]], &device);
/// let got = sample(table, places, None, Filter::Linear(Align::Edges));
/// got.into_data().assert_eq(&[[[1.5f32], [0.75]]].into(), true);
/// ```
pub fn sample(
    table: Tensor<4>,
    places: Tensor<3>,
    steps: Option<Tensor<3>>,
    filter: Filter,
) -> Tensor<3> {
    let [tables, rows, cols, dim] = table.dims();
    let [images, tokens, _] = places.dims();
    let along = |axis: usize, count: usize| {
        let of = |tensor: &Tensor<3>| tensor.clone().slice_dim(2, axis..axis + 1);
        axis_weights(of(&places), steps.as_ref().map(of), count, filter)
    };
    let (dtype, precise) = (table.dtype(), at_least_single(table.dtype()));
    let by_row = along(0, rows).unsqueeze_dim::<4>(3);
    let by_col = along(1, cols).unsqueeze_dim::<4>(2);
    let weights = (by_row * by_col).cast(precise);
    let table = table.cast(precise).reshape([tables, rows * cols, dim]);
    let values = match tables {
        1 => {
            let weights = weights.reshape([1, images * tokens, rows * cols]);
            weights.matmul(table).reshape([images, tokens, dim])
        }
        _ => weights
            .reshape([images, tokens, rows * cols])
            .expand([tables, tokens, rows * cols])
            .matmul(table),
    };
    values.cast(dtype)
}

/// Weights of the `count` cells of an axis at each place: `[1 or batch, tokens, 1]` to `[1 or batch, tokens, count]`.
pub(crate) fn axis_weights(
    place: Tensor<3>,
    step: Option<Tensor<3>>,
    count: usize,
    filter: Filter,
) -> Tensor<3> {
    let last = (count - 1) as f64;
    match filter {
        Filter::Nearest => {
            let cell = (place + 0.5).floor().clamp(0.0, last);
            is_cell(cell, count)
        }
        Filter::Linear(_) => {
            let place = place.clamp(0.0, last);
            let low = place.clone().detach().floor();
            let part = place - low.clone();
            let high = is_cell(low.clone() + 1.0, count);
            is_cell(low, count) * (1.0 - part.clone()) + high * part
        }
        Filter::Cubic(_) => {
            // Beyond its reach a place sees the border alone.
            let reach = filter.radius() + 1;
            let beyond = (reach - 1) as f64;
            let place = place.clamp(-beyond, last + beyond);
            let cells = cells(&place, -(reach as f64), count + 2 * reach);
            let weights = cubic(cells - place.clone(), -0.75);
            weights.matmul(onto_border(&place, count, reach))
        }
        Filter::SmoothLinear | Filter::SmoothCubic => {
            let place = place.clamp(-0.5, last + 0.5);
            let mut distance = cells(&place, 0.0, count) - place;
            if let Some(step) = step {
                distance = distance / step.clamp_min(1.0);
            }
            let weights = match filter {
                Filter::SmoothLinear => (-distance.abs() + 1.0).clamp_min(0.0),
                _ => cubic(distance, -0.5),
            };
            let sum = weights.clone().sum_dim(2);
            weights / sum
        }
    }
}

/// `count` whole places from `first`, `[1, 1, count]`.
fn cells(like: &Tensor<3>, first: f64, count: usize) -> Tensor<3> {
    let values: Vec<f64> = (0..count).map(|cell| cell as f64 + first).collect();
    constant(like, values, [1, 1, count])
}

/// 1 for the cell that a whole place names, 0 for the others.
fn is_cell(place: Tensor<3>, count: usize) -> Tensor<3> {
    let dtype = place.dtype();
    let [images, tokens, _] = place.dims();
    let shape = [images, tokens, count];
    let cells = cells(&place, 0.0, count).expand(shape);
    let is: Tensor<3> = place.expand(shape).equal(cells).float();
    is.cast(dtype)
}

/// Adds `reach` cells beyond each end to the border's: `[1, count + 2·reach, count]`.
fn onto_border(like: &Tensor<3>, count: usize, reach: usize) -> Tensor<3> {
    let mut values = vec![0.0; (count + 2 * reach) * count];
    for (outer, row) in values.chunks_exact_mut(count).enumerate() {
        row[outer.saturating_sub(reach).min(count - 1)] = 1.0;
    }
    constant(like, values, [1, count + 2 * reach, count])
}

fn constant(like: &Tensor<3>, values: Vec<f64>, shape: [usize; 3]) -> Tensor<3> {
    let dtype: DType = like.dtype();
    let data = TensorData::new(values, shape).convert_dtype(dtype);
    Tensor::from_data(data, (&like.device(), dtype))
}

/// As [`Filter::weight`] has it.
fn cubic(distance: Tensor<3>, a: f64) -> Tensor<3> {
    let x = distance.abs();
    let near = ((x.clone() * (a + 2.0) - (a + 3.0)) * x.clone().square()) + 1.0;
    let far = ((x.clone() - 5.0) * x.clone() + 8.0) * x.clone() * a - 4.0 * a;
    let far = far.mask_fill(x.clone().greater_equal_elem(2.0), 0.0);
    far.mask_where(x.lower_equal_elem(1.0), near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resample::align::Align;
    use crate::resample::profile::Profile;
    use crate::resample::resize::resize;
    use burn::tensor::{Device, Distribution, Tolerance};
    use rstest::rstest;

    fn assert_close(got: Tensor<3>, want: Tensor<3>) {
        let tolerance = Tolerance::<f32>::rel_abs(1e-5, 2e-6);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance);
    }

    #[rstest]
    fn at_the_places_of_another_grid_it_is_the_resized_table(
        #[values(
            Profile::Custom(Filter::Linear(Align::Edges)),
            Profile::BigVision,
            Profile::DinoV2,
            Profile::HuggingFace,
            Profile::SigLip2,
            Profile::Timm
        )]
        profile: Profile,
        #[values([3, 9], [7, 2], [1, 1])] to: [usize; 2],
    ) {
        let device = Device::flex();
        let table = Tensor::<4>::random([1, 5, 4, 3], Distribution::Default, &device);
        let [rows, cols] = profile.steps_and_starts([5, 4], to);
        let along = |cell: usize, [step, start]: [f64; 2]| cell as f64 * step + start;
        let places: Vec<f64> = (0..to[0] * to[1])
            .flat_map(|cell| [along(cell / to[1], rows), along(cell % to[1], cols)])
            .collect();
        let shape = [1, to[0] * to[1], 2];
        let places = Tensor::<3>::from_data(TensorData::new(places, shape), (&device, DType::F32));
        let steps = Tensor::<1>::from_floats([rows[0] as f32, cols[0] as f32], &device);
        let steps = steps.reshape([1, 1, 2]).expand(shape);
        let got = sample(table.clone(), places, Some(steps), profile.filter());
        let want = resize(table, to, profile).reshape([1, to[0] * to[1], 3]);
        assert_close(got, want);
    }

    #[test]
    fn halfway_between_two_rows_is_their_mean_and_outside_is_the_border() {
        let device = Device::flex();
        let table = Tensor::<4>::random([2, 2, 3, 4], Distribution::Default, &device);
        let places = [[[0.5, 1.0], [0.0, -2.0], [7.0, 2.0]]];
        let places = Tensor::<3>::from_floats(places, &device);
        let cell = |row: usize, col: usize| {
            let cell = table
                .clone()
                .slice([0..2, row..row + 1, col..col + 1, 0..4]);
            cell.reshape([2, 1, 4])
        };
        let want = vec![(cell(0, 1) + cell(1, 1)) / 2.0, cell(0, 0), cell(1, 2)];
        let got = sample(table.clone(), places, None, Filter::Linear(Align::Edges));
        assert_close(got, Tensor::cat(want, 1));
    }

    #[test]
    fn a_token_over_everything_reads_the_mean_only_if_smoothed() {
        let device = Device::flex();
        let table = Tensor::<4>::random([1, 1, 8, 1], Distribution::Default, &device);
        let places = Tensor::<3>::from_floats([[[0.0, 3.5]]], &device);
        let steps = Tensor::<3>::from_floats([[[1.0, 1e4]]], &device);
        let read = |filter| sample(table.clone(), places.clone(), Some(steps.clone()), filter);
        let mean = table.clone().mean().reshape([1, 1, 1]);
        let tolerance = Tolerance::<f32>::rel_abs(1e-3, 1e-3);
        read(Filter::SmoothLinear)
            .into_data()
            .assert_approx_eq(&mean.into_data(), tolerance);
        let middle = table.clone().slice_dim(2, 3..5).mean().reshape([1, 1, 1]);
        assert_close(read(Filter::Linear(Align::Edges)), middle);
    }

    #[cfg(feature = "autodiff")]
    #[rstest]
    #[case(Filter::Linear(Align::Edges), 0.0)]
    #[case(Filter::SmoothLinear, 0.25)]
    #[case(Filter::SmoothCubic, 0.3)]
    #[case(Filter::Cubic(Align::Edges), -1.3)]
    fn gradient_of_a_place_is_the_slope_of_the_table(#[case] filter: Filter, #[case] shift: f32) {
        let device = Device::flex().autodiff();
        let table = Tensor::<4>::random([1, 1, 6, 1], Distribution::Default, &device);
        let read = |x: f32| {
            let x = Tensor::<3>::from_floats([[[0.0, x]]], &device).require_grad();
            let value = sample(table.clone(), x.clone(), None, filter).sum();
            (x, value)
        };
        let (at, step) = (2.0 + shift, 1e-2);
        let (x, value) = read(at);
        let grad = x.grad(&value.backward()).unwrap().slice_dim(2, 1..2);
        let grad: f32 = grad.into_scalar();
        // To the right alone where there is a kink.
        let back = if shift == 0.0 { 0.0 } else { step };
        let [ahead, behind] = [at + step, at - back].map(|at| read(at).1.into_scalar::<f32>());
        let want = (ahead - behind) / (step + back);
        assert!((grad - want).abs() < 5e-3, "{grad}, not {want}");
    }
}
