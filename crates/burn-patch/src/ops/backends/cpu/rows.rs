//! Rows by index, each copied or added as a whole.

use rayon::prelude::*;

use super::Real;
use super::block::add;
use super::zeros::zeros;

/// Rows of values `[images, rows, dim]` by index `[batch, kept]`, `[batch, kept, dim]`; one image serves all.
///
/// # Panics
///
/// If an index is out of range.
pub(super) fn gather<T: Real>(
    values: &[T],
    [images, rows, dim]: [usize; 3],
    index: &[i64],
) -> Vec<T> {
    let mut out = Vec::with_capacity(index.len() * dim);
    for (image, index) in index.chunks(per_image(index, images)).enumerate() {
        for index in index {
            let row = image * rows + within(*index, rows);
            out.extend_from_slice(&values[row * dim..][..dim]);
        }
    }
    out
}

/// The gradient of [`gather`]: the sum of what each row was copied to, in the order of the index.
pub(super) fn scatter_add<T: Real>(
    grad: &[T],
    [images, rows, dim]: [usize; 3],
    index: &[i64],
) -> Vec<T> {
    let mut out = zeros(images * rows * dim);
    let each = per_image(index, images);
    let sums = out.par_chunks_mut((rows * dim).max(1));
    let parts = index.par_chunks(each);
    let grads = grad.par_chunks((each * dim).max(1));
    sums.zip(parts.zip(grads)).for_each(|(sum, (index, grad))| {
        for (index, grad) in index.iter().zip(grad.chunks(dim.max(1))) {
            add(&mut sum[within(*index, rows) * dim..][..dim], grad);
        }
    });
    out
}

/// How many indices are of one image's rows.
fn per_image(index: &[i64], images: usize) -> usize {
    (index.len() / images.max(1)).max(1)
}

fn within(index: i64, rows: usize) -> usize {
    match usize::try_from(index) {
        Ok(row) if row < rows => row,
        _ => panic!("index {index} of {rows} rows"),
    }
}
