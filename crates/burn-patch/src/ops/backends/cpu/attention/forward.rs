//! Attention forward.

use faer::{Accum, MatRef};
use rayon::prelude::*;

use crate::ops::backends::cpu::attention::biases::Biases;
use crate::ops::backends::cpu::attention::inputs::Inputs;
use crate::ops::backends::cpu::attention::part::Part;
use crate::ops::backends::cpu::attention::rows::Rows;
use crate::ops::backends::cpu::attention::scores::{block, weights};
use crate::ops::backends::cpu::block::{multiply, rows_mut};
use crate::ops::backends::cpu::real::Real;
use crate::ops::backends::cpu::zeros::zeros;

/// `softmax(scale·Q·Kᵀ + biases)·V`, `[batch, queries, heads·width]`; zeros where a query reaches nothing.
pub(super) fn attention<T: Real>(inputs: &Inputs<'_, T>) -> Vec<T> {
    let (queries, dim) = (inputs.sizes.queries, inputs.sizes.dim());
    let mut out = zeros(inputs.sizes.batch * queries * dim);
    let images = out.par_chunks_mut(queries * dim).enumerate();
    images.for_each(|(image, out)| match inputs.parts[image].as_slice() {
        [part] if let Rows::Range(range) = &part.queries => {
            attend(
                inputs,
                image,
                part,
                &mut out[range.start * dim..range.end * dim],
            );
        }
        parts => {
            let attended = parts.par_iter().map(|part| {
                let mut rows = vec![T::default(); part.queries.len() * dim];
                attend(inputs, image, part, &mut rows);
                rows
            });
            let attended: Vec<Vec<T>> = attended.collect();
            for (part, rows) in parts.iter().zip(attended) {
                for (index, row) in rows.chunks_exact(dim).enumerate() {
                    out[part.queries.at(index) * dim..][..dim].copy_from_slice(row);
                }
            }
        }
    });
    out
}

/// The results of a part's queries. Threads take blocks of them, all heads.
fn attend<T: Real>(inputs: &Inputs<'_, T>, image: usize, part: &Part, out: &mut [T]) {
    let (dim, width) = (inputs.sizes.dim(), inputs.sizes.width);
    let keys = part.keys.len();
    let mut gathered = [(); 3].map(|()| Vec::new());
    let [query, key, value] = &mut gathered;
    let query = inputs.operand(image, 0).take(&part.queries, 0..dim, query);
    let key = inputs.operand(image, 1).take(&part.keys, 0..dim, key);
    let value = inputs.operand(image, 2).take(&part.keys, 0..dim, value);
    let block = block::<T>(part.queries.len(), keys);
    let blocks = out.par_chunks_mut(block * dim).enumerate();
    blocks.for_each_init(
        || vec![T::default(); block * keys],
        |scores, (index, out)| {
            let (first, count) = (index * block, out.len() / dim);
            let scores = &mut scores[..count * keys];
            for head in 0..inputs.sizes.heads {
                let column = head * width;
                let biases = Biases::of(inputs, image, head, part);
                let query = query.head(column, width).subrows(first, count);
                let key = key.head(column, width);
                weights(scores, query, key, inputs.scale, &biases, first);
                multiply(
                    rows_mut(&mut out[column..], count, width, dim),
                    Accum::Replace,
                    MatRef::from_row_major_slice(scores, count, keys),
                    value.head(column, width),
                    T::ONE,
                );
            }
        },
    );
}
