//! A table with a row for each offset between two cells of a grid.

use burn::tensor::Tensor;

use crate::Tokens;
use crate::position::offsets::offsets;
use crate::resample::{Align, Filter, sample};
use crate::tokens::{PlaceKind, Units};

/// Offsets between two of `cells` cells in a line.
pub(crate) fn span(cells: usize) -> usize {
    2 * cells - 1
}

/// Offsets between two cells of a grid.
pub(crate) fn entries([rows, cols]: [usize; 2]) -> usize {
    span(rows) * span(cols)
}

/// The rows of `table` (`[entries(grid), heads]`, offsets of rows before those of columns, the most negative first) for
/// each query and key, `[1 or batch, heads, queries, keys]`. Tokens off the grid get values between rows, bilinearly,
/// and those further apart than the grid reaches the outermost.
pub(crate) fn read_offsets(table: Tensor<2>, grid: [usize; 2], tokens: &Tokens) -> Tensor<4> {
    let [_, heads] = table.dims();
    let [y, x] = offsets(tokens, Units::Cells);
    let [batch, queries, keys] = y.dims();
    let [y, x] = [y + (grid[0] - 1) as f32, x + (grid[1] - 1) as f32];
    if tokens.places().kind() == PlaceKind::Boxes {
        let places = [y, x].map(|place| place.reshape([batch, queries * keys, 1]));
        let places = Tensor::cat(places.to_vec(), 2);
        let table = table.reshape([1, span(grid[0]), span(grid[1]), heads]);
        let values = sample(table, places, None, Filter::Linear(Align::Edges));
        let values = values.reshape([batch, queries, keys, heads]);
        return values.swap_dims(2, 3).swap_dims(1, 2);
    }
    let index = (y.round() * span(grid[1]) as f32 + x.round()).int();
    let index = index.reshape([batch * queries * keys]);
    let values = table.transpose().select(1, index);
    let values = values.reshape([heads, batch, queries, keys]);
    values.swap_dims(0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Places;
    use burn::tensor::{Device, Distribution, Tolerance};

    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([2, 2], Default::default());
        Tokens::from_grid(
            Tensor::zeros([2, 6, 1], device),
            grid.layout([4, 6]).unwrap(),
        )
    }

    #[test]
    fn picked_cells_have_the_values_of_their_cells() {
        let device = Device::flex();
        let table = Tensor::random([15, 3], Distribution::Default, &device);
        let picked = tokens(&device).select(Tensor::from_ints([[5, 0, 2], [1, 1, 4]], &device));
        let all = read_offsets(table.clone(), [2, 3], &tokens(&device));
        assert_eq!(all.dims(), [1, 3, 6, 6]);
        let got = read_offsets(table, [2, 3], &picked);
        let cells = [[5, 0, 2], [1, 1, 4]].map(|cells: [i32; 3]| {
            let cells = Tensor::from_ints(cells, &device);
            all.clone().select(2, cells.clone()).select(3, cells)
        });
        let want = Tensor::cat(cells.to_vec(), 0).into_data();
        got.into_data().assert_eq(&want, true);
    }

    #[test]
    fn boxes_over_cells_have_the_values_of_the_cells_and_others_those_between() {
        let device = Device::flex();
        let table = Tensor::<2>::random([15, 3], Distribution::Default, &device);
        let on = tokens(&device);
        let boxed = on.clone().with_places(Places::Boxes(on.boxes_px()));
        let want = read_offsets(table.clone(), [2, 3], &on).repeat_dim(0, 2);
        let got = read_offsets(table.clone(), [2, 3], &boxed);
        let close = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        got.into_data().assert_approx_eq(&want.into_data(), close);

        // A quarter of a cell further down than the other and half a cell further right, then further than the table.
        let one = [[2.5f32, 3.0, 2.0, 2.0], [2.0, 2.0, 2.0, 2.0]];
        let far = [[-9.0f32, 99.0, 2.0, 2.0], [2.0, 2.0, 2.0, 2.0]];
        let boxes = Tensor::<3>::from_floats([one, far], &device);
        let moved = on.select(Tensor::from_ints([[0, 1], [0, 1]], &device));
        let moved = moved.with_places(Places::Boxes(boxes));
        let got = read_offsets(table.clone(), [2, 3], &moved);
        let row = |row: usize| table.clone().slice_dim(0, row..row + 1);
        // Row 7 is offset 0, 8 a column to the right, 12 and 13 a row below these.
        let near = (row(7) + row(8)) * 0.375 + (row(12) + row(13)) * 0.125;
        let want = Tensor::cat(vec![near, row(4)], 0).into_data();
        let got = got.slice([0..2, 0..3, 0..1, 1..2]).reshape([2, 3]);
        got.into_data().assert_approx_eq(&want, close);
    }
}
