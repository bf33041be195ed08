//! Matrices on the host, from which the transforms are made.

use burn::tensor::{Device, Tensor, TensorData};

/// A matrix on the host, row-major, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl Matrix {
    pub(crate) fn from_fn(rows: usize, cols: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let values = (0..rows).flat_map(|row| {
            let value = &value;
            (0..cols).map(move |col| value(row, col))
        });
        Self {
            rows,
            cols,
            values: values.collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn at(&self, row: usize, col: usize) -> f64 {
        self.values[row * self.cols + col]
    }

    pub(crate) fn add(&mut self, row: usize, col: usize, value: f64) {
        self.values[row * self.cols + col] += value;
    }

    /// The Kronecker product: what `self` does down the columns and `other` along the rows of a flattened picture.
    pub(crate) fn kron(&self, other: &Self) -> Self {
        Self::from_fn(
            self.rows * other.rows,
            self.cols * other.cols,
            |row, col| {
                self.at(row / other.rows, col / other.cols)
                    * other.at(row % other.rows, col % other.cols)
            },
        )
    }

    /// Rows, in this order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self::from_fn(rows.len(), self.cols, |row, col| self.at(rows[row], col))
    }

    /// One above the other.
    pub(crate) fn stack(parts: &[Self]) -> Self {
        Self {
            rows: parts.iter().map(|part| part.rows).sum(),
            cols: parts.first().map_or(0, |part| part.cols),
            values: parts
                .iter()
                .flat_map(|part| part.values.iter().copied())
                .collect(),
        }
    }

    /// In the device's float type.
    pub(crate) fn to_tensor(&self, device: &Device) -> Tensor<2> {
        let values: Vec<f32> = self.values.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, [self.rows, self.cols]), device)
    }

    /// The largest difference between `self·selfᵀ` and the identity.
    #[cfg(test)]
    pub(crate) fn distance_from_orthonormal_rows(&self) -> f64 {
        let pairs = (0..self.rows).flat_map(|left| (0..self.rows).map(move |right| (left, right)));
        pairs.fold(0.0f64, |worst, (left, right)| {
            let product: f64 = (0..self.cols)
                .map(|col| self.at(left, col) * self.at(right, col))
                .sum();
            worst.max((product - f64::from(u8::from(left == right))).abs())
        })
    }

    /// `self · values`.
    #[cfg(test)]
    pub(crate) fn apply(&self, values: &[f64]) -> Vec<f64> {
        assert_eq!(values.len(), self.cols);
        let row = |row| {
            (0..self.cols)
                .map(|col| self.at(row, col) * values[col])
                .sum()
        };
        (0..self.rows).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kronecker_product_works_down_the_columns_and_along_the_rows() {
        let down = Matrix::from_fn(1, 2, |_, col| [1.0, 10.0][col]);
        let along = Matrix::from_fn(2, 3, |row, col| (3 * row + col) as f64);
        let picture = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        // Rows of the picture joined: 41, 52, 63.
        let want = [52.0 + 2.0 * 63.0, 3.0 * 41.0 + 4.0 * 52.0 + 5.0 * 63.0];
        assert_eq!(down.kron(&along).apply(&picture), want);
    }
}
