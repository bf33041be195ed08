//! A table read between its rows.

use burn::tensor::Tensor;

use crate::ops::gather_rows;

/// Rows of `table` (`[1, rows·cols, dim]`) at fractional `places` (`[batch, tokens, 2]`: row, column), bilinearly, the
/// border repeated outside.
pub(crate) fn interpolate(
    table: Tensor<3>,
    [rows, cols]: [usize; 2],
    places: Tensor<3>,
) -> Tensor<3> {
    let [_, cells, dim] = table.dims();
    let [batch, ..] = places.dims();
    let dtype = table.dtype();
    let table = table.expand([batch, cells, dim]);
    let [y, x] = [0, 1].map(|axis| places.clone().slice_dim(2, axis..axis + 1));
    let [y, x] = [Axis::new(y, rows), Axis::new(x, cols)];
    let corners = [
        (&y.low, &x.low),
        (&y.low, &x.high),
        (&y.high, &x.low),
        (&y.high, &x.high),
    ];
    let terms = corners.map(|(row, col)| {
        let cell = row.0.clone() * cols as f32 + col.0.clone();
        let weight = (row.1.clone() * col.1.clone()).cast(dtype);
        gather_rows(table.clone(), cell.squeeze_dim::<2>(2).int()) * weight
    });
    terms
        .into_iter()
        .reduce(|sum, term| sum + term)
        .expect("four corners")
}

/// The two whole places around a fractional one, each with its weight.
struct Axis {
    low: (Tensor<3>, Tensor<3>),
    high: (Tensor<3>, Tensor<3>),
}

impl Axis {
    fn new(place: Tensor<3>, count: usize) -> Self {
        let last = (count - 1) as f32;
        let place = place.clamp(0.0, last);
        let low = place.clone().floor();
        let weight = place - low.clone();
        Self {
            high: ((low.clone() + 1.0).clamp_max(last), weight.clone()),
            low: (low, 1.0 - weight),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution};

    #[test]
    fn halfway_between_two_rows_is_their_mean_and_outside_is_the_border() {
        let device = Device::flex();
        let table = Tensor::<3>::random([1, 6, 4], Distribution::Default, &device);
        let places =
            |values: [f32; 3]| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1]);
        let got = interpolate(
            table.clone(),
            [2, 3],
            Tensor::cat(vec![places([0.5, 0.0, 7.0]), places([1.0, -2.0, 2.0])], 2),
        );
        let row = |cell: usize| table.clone().slice_dim(1, cell..cell + 1);
        let want = Tensor::cat(vec![(row(1) + row(4)) / 2.0, row(0), row(5)], 1);
        got.into_data().assert_approx_eq(
            &want.into_data(),
            burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6),
        );
    }
}
