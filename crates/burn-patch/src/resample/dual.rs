//! The transposed pseudo-inverse of a small matrix.

/// Singular values below this share of the largest, times the longer side, count as zero: PyTorch's `pinv` in `f32`.
const NEGLIGIBLE: f64 = f32::EPSILON as f64;

/// Sweeps over all pairs of columns; a handful is enough, the rest is for what never comes to rest.
const SWEEPS: usize = 60;

/// `(B⁺)ᵀ` of `matrix` (`[rows, cols]`, row-major), of the same shape.
///
/// By Hestenes' one-sided Jacobi rotations: `A·V = U·Σ` has orthogonal columns, so `A⁺ = V·Σ⁻²·(A·V)ᵀ`. Resizing is
/// separable and the pseudo-inverse of a Kronecker product is that of its factors, so a matrix here is as small as the
/// side of a patch, and neither speed nor a linear algebra library is called for, which builds without a CPU backend
/// would have to take along.
pub(crate) fn dual(matrix: &[f64], [rows, cols]: [usize; 2]) -> Vec<f64> {
    let tall = rows >= cols;
    let (count, length) = if tall { (cols, rows) } else { (rows, cols) };
    let at = |column: usize, entry: usize| match tall {
        true => entry * cols + column,
        false => column * cols + entry,
    };
    let mut columns: Vec<Vec<f64>> = (0..count)
        .map(|column| (0..length).map(|entry| matrix[at(column, entry)]).collect())
        .collect();
    let mut turned: Vec<Vec<f64>> = (0..count)
        .map(|column| (0..count).map(|entry| f64::from(entry == column)).collect())
        .collect();
    for _ in 0..SWEEPS {
        if !sweep(&mut columns, &mut turned) {
            break;
        }
    }
    let squares: Vec<f64> = columns.iter().map(|column| dot(column, column)).collect();
    let largest = squares.iter().copied().fold(0.0, f64::max);
    let cut = largest * (NEGLIGIBLE * length as f64).powi(2);
    let mut result = vec![0.0; matrix.len()];
    for ((column, turned), square) in columns.iter().zip(&turned).zip(squares) {
        if square <= cut {
            continue;
        }
        for (index, turn) in turned.iter().enumerate() {
            for (entry, value) in column.iter().enumerate() {
                result[at(index, entry)] += turn * value / square;
            }
        }
    }
    result
}

/// Makes each pair of columns orthogonal in turn; whether any had to be.
fn sweep(columns: &mut [Vec<f64>], turned: &mut [Vec<f64>]) -> bool {
    let mut any = false;
    for first in 0..columns.len() {
        for second in first + 1..columns.len() {
            let [a, b] = [&columns[first], &columns[second]];
            let (alpha, beta, gamma) = (dot(a, a), dot(b, b), dot(a, b));
            if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() {
                continue;
            }
            any = true;
            let zeta = (beta - alpha) / (2.0 * gamma);
            let tangent = 1.0f64.copysign(zeta) / (zeta.abs() + zeta.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            rotate(columns, [first, second], cosine, cosine * tangent);
            rotate(turned, [first, second], cosine, cosine * tangent);
        }
    }
    any
}

fn rotate(columns: &mut [Vec<f64>], [first, second]: [usize; 2], cosine: f64, sine: f64) {
    let (head, tail) = columns.split_at_mut(second);
    for (a, b) in head[first].iter_mut().zip(&mut tail[0]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `left·rightᵀ` of `[rows, inner]` and `[cols, inner]`.
    fn product(left: &[f64], right: &[f64], inner: usize) -> Vec<f64> {
        let rows = left.chunks(inner);
        rows.flat_map(|row| right.chunks(inner).map(move |col| dot(row, col)))
            .collect()
    }

    fn transposed(matrix: &[f64], cols: usize) -> Vec<f64> {
        (0..cols)
            .flat_map(|col| matrix.iter().skip(col).step_by(cols).copied())
            .collect()
    }

    /// The four conditions of Moore and Penrose, for full, wide, tall and deficient matrices.
    #[test]
    fn it_is_the_pseudo_inverse() {
        let value = |at: usize| ((at * 7919) % 2003) as f64 / 2003.0 - 0.5;
        let full = |rows: usize, cols: usize| (0..rows * cols).map(value).collect::<Vec<f64>>();
        let mut deficient = full(6, 4);
        for row in deficient.chunks_mut(4) {
            row[3] = row[0] - 2.0 * row[1];
        }
        let zeros = vec![0.0; 6];
        for (matrix, cols) in [
            (full(5, 5), 5),
            (full(4, 9), 9),
            (full(9, 4), 4),
            (deficient, 4),
            (zeros, 3),
        ] {
            let rows = matrix.len() / cols;
            let dual = dual(&matrix, [rows, cols]);
            let close = |got: &[f64], want: &[f64]| {
                let apart = got.iter().zip(want).map(|(a, b)| (a - b).abs());
                assert!(
                    apart.fold(0.0, f64::max) < 1e-10,
                    "{rows}×{cols}: {got:?}, not {want:?}"
                );
            };
            let left = product(&matrix, &dual, cols);
            let right = product(&transposed(&matrix, cols), &transposed(&dual, cols), rows);
            close(&left, &transposed(&left, rows));
            close(&right, &transposed(&right, cols));
            close(&product(&left, &transposed(&matrix, cols), rows), &matrix);
            close(&product(&left, &transposed(&dual, cols), rows), &dual);
        }
    }
}
