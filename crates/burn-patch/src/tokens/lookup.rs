//! What is said of cells, grids and places, read for each token.

use burn::tensor::{Int, Tensor};

use crate::ops::{Reach, gather_rows};
use crate::tokens::layout::Layout;
use crate::tokens::places::Places;
use crate::tokens::tokens::Tokens;

impl Tokens {
    /// How many patches each token stands for, `[batch, tokens]`: 0 for padding and for tokens without a place. None
    /// where each is one patch. Their sum over an image is the number of its patches, whatever was merged.
    pub fn patch_counts(&self) -> Option<Tensor<2>> {
        let marks = [self.valid(), self.placed()].into_iter().flatten();
        let marks = marks.map(|marks| match self.sizes() {
            Some(sizes) => marks.float().cast(sizes.dtype()),
            None => marks.float(),
        });
        let counts = self.sizes().into_iter().chain(marks);
        counts.reduce(|counts, other| counts * other)
    }

    /// For each token of a pack the index of its grid, 0 for padding; none where no images share a row.
    pub(super) fn grid_index(&self) -> Option<Tensor<2, Int>> {
        match (self.layout(), self.reach()) {
            (Layout::Packed(_), Reach::Segments { queries, .. }) => {
                Some(queries.clone().clamp_min(0))
            }
            (Layout::Packed(_), _) => panic!("tokens of a pack have segments"),
            _ => None,
        }
    }

    /// What `table` (`[grids, 1, width]`) says of each grid, for each token: `[grids, 1, width]`, or
    /// `[batch, tokens, width]` in a pack.
    pub(crate) fn by_grid(&self, table: Tensor<3>) -> Tensor<3> {
        let Some(index) = self.grid_index() else {
            return table;
        };
        let [grids, _, width] = table.dims();
        let table = table.reshape([1, grids, width]);
        gather_rows(table, index)
    }

    /// What `table` (`[grids, cells, width]`) says of each cell, for each token on the grid:
    /// `[1 or batch, tokens, width]`.
    pub(crate) fn at_cells(&self, table: Tensor<3>) -> Tensor<3> {
        let Places::Picked(cell) = self.places() else {
            return table;
        };
        let [grids, cells, width] = table.dims();
        match self.grid_index() {
            None => gather_rows(table, cell.clone()),
            Some(index) => {
                let table = table.reshape([1, grids * cells, width]);
                gather_rows(table, index * cells as i64 + cell.clone())
            }
        }
    }

    /// `values` (`[1 or batch, tokens, width]`), and zeros for tokens without a place.
    pub(crate) fn where_placed(&self, values: Tensor<3>) -> Tensor<3> {
        let Some(placed) = self.placed() else {
            return values;
        };
        let [_, tokens, width] = values.dims();
        let all = [self.batch(), tokens, width];
        let hidden = placed.bool_not().unsqueeze_dim::<3>(2).expand(all);
        values.expand(all).mask_fill(hidden, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Restore;
    use burn::tensor::Device;

    /// Four tokens of one row: a class token, a merged one, one patch, padding.
    fn tokens(device: &Device) -> Tokens {
        let grid = Window::patch([1, 1], Default::default()).layout([2, 2]);
        let values = Tensor::<3>::from_floats([[[9.0], [2.0], [5.0], [7.0]]], device);
        Tokens::from_grid(values, grid.unwrap())
            .with_placed(Tensor::from_bool([[false, true, true, true]], device))
            .with_valid(Tensor::from_bool([[true, true, true, false]], device))
    }

    #[test]
    fn what_has_no_place_is_no_patch_and_weighs_as_one_in_attention() {
        let device = Device::flex();
        let counts = tokens(&device).patch_counts().unwrap().into_data();
        counts.assert_eq(&[[0.0f32, 1.0, 1.0, 0.0]].into(), true);
        let sizes = Tensor::from_floats([[0.0, 2.0, 1.0, 0.0]], &device);
        let merged = tokens(&device).with_sizes(sizes);
        let counts = merged.patch_counts().unwrap().into_data();
        counts.assert_eq(&[[0.0f32, 2.0, 1.0, 0.0]].into(), true);
        let logs = merged.log_sizes().unwrap().into_data();
        logs.assert_eq(&[[0.0f32, 2.0f32.ln(), 0.0, 0.0]].into(), true);
        let mean = merged.mean().into_data();
        mean.assert_eq(&[[3.0f32]].into(), true);
    }

    #[test]
    fn marks_of_places_follow_selection_and_come_back() {
        let device = Device::flex();
        let all = tokens(&device);
        let kept = all.clone().select(Tensor::from_ints([[2, 0]], &device));
        let marks = kept.placed().unwrap().into_data();
        marks.assert_eq(&[[true, false]].into(), false);
        let places = kept.boxes_px().into_data();
        places.assert_eq(&[[[1.5f32, 0.5, 1.0, 1.0], [0.0; 4]]].into(), true);
        let owner = Tensor::from_ints([[1, -1, 0, -1]], &device);
        let back = Restore::new(owner, &all).apply(kept, None);
        let marks = back.placed().unwrap().into_data();
        marks.assert_eq(&all.placed().unwrap().into_data(), false);
    }
}
