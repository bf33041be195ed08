//! Biases that the query decides, an axis at a time.

use burn::tensor::{Bool, Int, Tensor};

use crate::tokens::behind_prefix::bias_behind_prefix;

/// A bias of the scores that depends on the query: its product with a vector of the offset to each key, along rows and
/// along columns.
///
/// Li et al., [MViTv2](https://arxiv.org/abs/2112.01526), eq. 4 and 5; `segment_anything/modeling/image_encoder.py`
/// (`add_decomposed_rel_pos`).
///
/// # Equation
///
/// `bias[q, k] = Q[q]·R_rows[Δy(q, k)] + Q[q]·R_cols[Δx(q, k)]`, with queries as projected: the scale of the scores is not
/// theirs here. Where `q` or `k` is of the prefix, or has no place, it is 0.
#[derive(Debug, Clone)]
pub struct Decomposed {
    /// Rows, then columns.
    pub axes: [AxisVectors; 2],
    /// The grid `[rows, cols]` whose cells the keys are, row by row; then the keys that [`axes`](Self::axes) speak of are
    /// its rows, and its columns. None: each key has an offset of its own.
    pub grid: Option<[usize; 2]>,
    /// Which patch tokens have a place, `[batch, tokens]`; none: all have.
    pub placed: Option<Tensor<2, Bool>>,
    /// Prefix tokens, which have no offsets.
    pub prefix: usize,
}

/// Vectors by offset along one axis, and who has which.
#[derive(Debug, Clone)]
pub struct AxisVectors {
    /// A vector per offset, `[offsets, width]`.
    pub table: Tensor<2>,
    /// Which of them a query and a key have, `[1 or batch, queries, keys]`.
    pub index: Tensor<3, Int>,
    /// How far an offset lies on the way to the next of the table, of the shape of `index`; none: all lie at one.
    pub share: Option<Tensor<3>>,
}

impl Decomposed {
    /// The bias for queries `[batch, tokens, heads·width]`, prefix included: `[batch, heads, queries, keys]`.
    ///
    /// # Panics
    ///
    /// If the number of tokens or the width of a head differs.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::tokens::{AxisVectors, Decomposed};
    ///
    /// // Two tokens in a row, offsets −1, 0 and 1 along it.
    /// let device = Device::flex();
    /// let none = AxisVectors {
    ///     table: Tensor::zeros([1, 1], &device),
    ///     index: Tensor::zeros([1, 2, 1], &device),
    ///     share: None,
    /// };
    /// let cols = AxisVectors {
    ///     table: Tensor::from_floats([[5.0], [0.0], [7.0]], &device),
    ///     index: Tensor::from_ints([[[1, 0], [2, 1]]], &device),
    ///     share: None,
    /// };
    /// let decomposed = Decomposed { axes: [none, cols], grid: Some([1, 2]), placed: None, prefix: 0 };
    /// let bias = decomposed.bias(Tensor::from_floats([[[1.0], [10.0]]], &device), 1);
    /// bias.into_data().assert_eq(&[[[[0.0f32, 5.0], [70.0, 0.0]]]].into(), true);
    /// ```
    #[track_caller]
    pub fn bias(&self, query: Tensor<3>, heads: usize) -> Tensor<4> {
        let query = match self.prefix {
            0 => query,
            prefix => query.slice_dim(1, prefix..),
        };
        let [rows, cols] = &self.axes;
        let [rows, cols] = [rows, cols].map(|axis| axis.products(query.clone(), heads));
        let bias = match self.grid {
            None => rows + cols,
            Some([height, width]) => {
                let [batch, heads, queries, _] = rows.dims();
                let shape = [batch, heads, queries, height * width];
                let sum = rows.unsqueeze_dim::<5>(4) + cols.unsqueeze_dim::<5>(3);
                sum.reshape(shape)
            }
        };
        bias_behind_prefix(bias, self.placed.clone(), self.prefix)
    }
}

impl AxisVectors {
    /// Products of queries `[batch, queries, heads·width]` with the vector of each key, `[batch, heads, queries, keys]`.
    #[track_caller]
    fn products(&self, query: Tensor<3>, heads: usize) -> Tensor<4> {
        let [batch, queries, dim] = query.dims();
        let ([offsets, width], [_, places, keys]) = (self.table.dims(), self.index.dims());
        assert_eq!(
            [places, width * heads],
            [queries, dim],
            "decomposed positions: tokens, and width of all heads"
        );
        let table = self.table.clone().cast(query.dtype()).transpose();
        let of_all = query
            .reshape([batch * queries * heads, width])
            .matmul(table);
        let of_all = of_all.reshape([batch, queries, heads, offsets]);
        let take = |index: Tensor<3, Int>| {
            let index = index.unsqueeze_dim::<4>(2);
            let index = index.expand([batch, queries, heads, keys]);
            of_all.clone().gather(3, index)
        };
        let low = take(self.index.clone());
        let products = match &self.share {
            None => low,
            Some(share) => {
                let share = share.clone().cast(low.dtype()).unsqueeze_dim::<4>(2);
                let high = take((self.index.clone() + 1).clamp_max(offsets as i64 - 1));
                low.clone() + (high - low) * share
            }
        };
        products.swap_dims(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tolerance};

    fn tolerance() -> Tolerance<f32> {
        Tolerance::rel_abs(1e-5, 1e-6)
    }

    fn draw<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(shape, Distribution::Default, device)
    }

    #[test]
    fn keys_by_row_and_column_are_the_keys_one_by_one() {
        let device = Device::flex();
        // A grid of two rows and three columns: a row and a column of each cell.
        let places = [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]];
        let axis = |axis: usize, cells: i32, lines: &[i32]| {
            let index = places.iter().flat_map(|place| {
                let offset = move |line: &i32| place[axis] - line + cells - 1;
                lines.iter().map(offset)
            });
            let index: Vec<i32> = index.collect();
            let index = Tensor::<1, Int>::from_ints(index.as_slice(), &device);
            index.reshape([1, 6, lines.len()])
        };
        let tables = [3, 5].map(|offsets| draw([offsets, 4], &device));
        let make = |lines: [&[i32]; 2], grid| Decomposed {
            axes: [0, 1].map(|which| AxisVectors {
                table: tables[which].clone(),
                index: axis(which, [2, 3][which], lines[which]),
                share: None,
            }),
            grid,
            placed: None,
            prefix: 1,
        };
        let lines = make([&[0, 1], &[0, 1, 2]], Some([2, 3]));
        let each = make([&[0, 0, 0, 1, 1, 1], &[0, 1, 2, 0, 1, 2]], None);
        let query = draw([2, 7, 8], &device);
        let [by_line, by_key] = [lines, each].map(|way| way.bias(query.clone(), 2));
        assert_eq!(by_line.dims(), [2, 2, 7, 7]);
        let (by_line, by_key) = (by_line.into_data(), by_key.into_data());
        by_line.assert_approx_eq(&by_key, tolerance());
    }

    #[test]
    fn between_two_offsets_lies_the_product_with_the_vector_between() {
        let device = Device::flex();
        let table = draw([3, 4], &device);
        let axis = |table: Tensor<2>, index: [i32; 2], share| AxisVectors {
            table,
            index: Tensor::from_ints([[index], [index]], &device),
            share,
        };
        let share = Tensor::from_floats([[[0.25, 0.0]], [[0.25, 0.0]]], &device);
        let query = draw([2, 1, 4], &device);
        let got = axis(table.clone(), [0, 2], Some(share)).products(query.clone(), 1);
        let row = |row: usize| table.clone().slice_dim(0, row..row + 1);
        let between = Tensor::cat(vec![row(0) * 0.75 + row(1) * 0.25, row(2)], 0);
        let want = axis(between, [0, 1], None).products(query, 1);
        got.into_data()
            .assert_approx_eq(&want.into_data(), tolerance());
    }
}
