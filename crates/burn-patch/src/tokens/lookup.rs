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
        gather_rows(table.expand([self.batch(), grids, width]), index)
    }

    /// What `table` (`[grids, cells, width]`) says of each cell, for each token on the grid:
    /// `[1 or batch, tokens, width]`.
    pub(super) fn at_cells(&self, table: Tensor<3>) -> Tensor<3> {
        let Places::Picked(cell) = self.places() else {
            return table;
        };
        let [grids, cells, width] = table.dims();
        let batch = self.batch();
        match self.grid_index() {
            None => gather_rows(table.expand([batch, cells, width]), cell.clone()),
            Some(index) => {
                let table = table.reshape([1, grids * cells, width]);
                let table = table.expand([batch, grids * cells, width]);
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
