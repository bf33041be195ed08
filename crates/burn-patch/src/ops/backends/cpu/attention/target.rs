//! Where the gradients of an image's heads go.

use std::ops::Range;

use faer::MatMut;

use crate::ops::backends::cpu::attention::inputs::Place;
use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::attention::rows::Rows;
use crate::ops::backends::cpu::block::rows_mut;
use crate::ops::backends::cpu::real::Real;
use crate::ops::backends::cpu::vectorized::vectorized;

/// Gradients of some heads of one image.
pub(super) struct Target<'a, T> {
    pub(super) heads: Range<usize>,
    /// Of query, key and value, with the columns of these heads.
    pub(super) qkv: Vec<&'a mut [T]>,
    /// `[1|heads, queries, keys]`.
    pub(super) bias: Option<&'a mut [T]>,
    /// `[keys]`.
    pub(super) key_bias: Option<&'a mut [T]>,
}

/// Gradients of one head's query, key and value where their rows do not lie together.
pub(super) type Apart<T> = [Vec<T>; 3];

impl<T: Real> Target<'_, T> {
    /// The gradient of a head's query (0), key (1) or value (2), of these rows.
    pub(super) fn rows<'b>(
        &'b mut self,
        part: usize,
        rows: &Rows,
        head: usize,
        width: usize,
        apart: &'b mut Apart<T>,
    ) -> MatMut<'b, T> {
        match rows {
            Rows::Range(range) => {
                let (place, column) = self.place(part, head, width);
                let tensor = &mut self.qkv[place.tensor];
                let first = range.start * place.stride + column;
                rows_mut(&mut tensor[first..], range.len(), width, place.stride)
            }
            Rows::List(list) => rows_mut(&mut apart[part], list.len(), width, width),
        }
    }

    /// Adds a head's gradients of rows that do not lie together.
    pub(super) fn add(&mut self, rows: &Part, head: usize, width: usize, apart: &Apart<T>) {
        for (part, rows) in [&rows.queries, &rows.keys, &rows.keys]
            .into_iter()
            .enumerate()
        {
            let Rows::List(list) = rows else { continue };
            let (place, column) = self.place(part, head, width);
            for (row, values) in list.iter().zip(apart[part].chunks_exact(width)) {
                let first = row * place.stride + column;
                let sums = &mut self.qkv[place.tensor][first..][..width];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += *value;
                }
            }
        }
    }

    /// Adds the gradients of a head's scores, from the part's query at `first` on, to those of the biases.
    pub(super) fn add_scores(
        &mut self,
        grads: &[T],
        rows: &Part,
        first: usize,
        head: usize,
        [queries, keys]: [usize; 2],
    ) {
        if let Some(bias) = &mut self.bias {
            let planes = bias.len() / (queries * keys);
            let plane = (head - self.heads.start) % planes * queries * keys;
            vectorized(
                #[inline(always)]
                || {
                    for (index, grads) in grads.chunks_exact(rows.keys.len()).enumerate() {
                        let row = plane + rows.queries.at(first + index) * keys;
                        rows.keys.scatter(grads, &mut bias[row..][..keys]);
                    }
                },
            );
        }
        if let Some(key_bias) = &mut self.key_bias {
            vectorized(
                #[inline(always)]
                || {
                    for grads in grads.chunks_exact(rows.keys.len()) {
                        rows.keys.scatter(grads, key_bias);
                    }
                },
            );
        }
    }

    /// Where a part lies, and the column of a head's first value.
    fn place(&self, part: usize, head: usize, width: usize) -> (Place, usize) {
        let place = Place::of(part, self.qkv.len(), self.heads.len() * width);
        (place, place.first + (head - self.heads.start) * width)
    }
}
