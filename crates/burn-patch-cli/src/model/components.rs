//! Principal components of tokens, on the host.

/// Steps of the power iteration. An eigenvalue of 0.98 of the first is told apart by then.
const STEPS: usize = 400;

/// The scores of all `rows` on their first three principal components, largest first; zeros where there are fewer. Signs
/// are such that the scores' third moment is positive.
pub(crate) fn components(rows: &[&[f32]]) -> [Vec<f32>; 3] {
    let mut covariance = Covariance::of(rows);
    std::array::from_fn(|_| {
        let axis = covariance.largest();
        let mut scores: Vec<f64> = rows
            .iter()
            .map(|row| covariance.score(row, &axis))
            .collect();
        if scores.iter().map(|score| score.powi(3)).sum::<f64>() < 0.0 {
            scores.iter_mut().for_each(|score| *score = -*score);
        }
        covariance.deflate(&axis);
        scores.into_iter().map(|score| score as f32).collect()
    })
}

/// `Σ (x − m)(x − m)ᵀ`, and the mean.
struct Covariance {
    mean: Vec<f64>,
    values: Vec<f64>,
}

impl Covariance {
    fn of(rows: &[&[f32]]) -> Self {
        let dim = rows.first().map_or(0, |row| row.len());
        let mut mean = vec![0.0; dim];
        for row in rows {
            for (sum, value) in mean.iter_mut().zip(*row) {
                *sum += f64::from(*value) / rows.len() as f64;
            }
        }
        let mut values = vec![0.0; dim * dim];
        for row in rows {
            let centred = row.iter().zip(&mean);
            let centred: Vec<f64> = centred
                .map(|(value, mean)| f64::from(*value) - mean)
                .collect();
            for (value, sums) in centred.iter().zip(values.chunks_mut(dim)) {
                for (sum, other) in sums.iter_mut().zip(&centred) {
                    *sum += value * other;
                }
            }
        }
        Self { mean, values }
    }

    fn times(&self, axis: &[f64]) -> Vec<f64> {
        let rows = self.values.chunks(axis.len().max(1));
        rows.map(|row| dot(row, axis)).collect()
    }

    /// The unit vector of the largest eigenvalue, by power iteration.
    fn largest(&self) -> Vec<f64> {
        // No eigenvector of data is orthogonal to this by chance.
        let start = (0..self.mean.len()).map(|index| ((index * 37 + 11) % 101) as f64 / 50.0 - 1.0);
        let mut axis = unit(start.collect());
        for _ in 0..STEPS {
            axis = unit(self.times(&axis));
        }
        axis
    }

    fn score(&self, row: &[f32], axis: &[f64]) -> f64 {
        let centred = row.iter().zip(&self.mean);
        let parts = centred
            .zip(axis)
            .map(|((value, mean), axis)| (f64::from(*value) - mean) * axis);
        parts.sum()
    }

    /// Takes the part along `axis` away.
    fn deflate(&mut self, axis: &[f64]) {
        let size = dot(&self.times(axis), axis);
        for (value, row) in axis.iter().zip(self.values.chunks_mut(axis.len().max(1))) {
            for (entry, other) in row.iter_mut().zip(axis) {
                *entry -= size * value * other;
            }
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Of length 1, or zeros.
fn unit(mut vector: Vec<f64>) -> Vec<f64> {
    let length = dot(&vector, &vector).sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter_mut().for_each(|value| *value *= scale);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points along known orthogonal axes with known spreads.
    #[test]
    fn components_are_the_axes_of_largest_spread_in_order() {
        let axes = [
            [0.6f32, 0.8, 0.0, 0.0],
            [-0.8, 0.6, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ];
        let spreads = [1.0f32, 3.0, 2.0];
        let mut rows: Vec<Vec<f32>> = Vec::new();
        for (axis, spread) in axes.iter().zip(spreads) {
            for step in [2.0f32, -1.0, -1.0] {
                rows.push(
                    axis.iter()
                        .map(|value| 5.0 + step * spread * value)
                        .collect(),
                );
            }
        }
        let rows: Vec<&[f32]> = rows.iter().map(Vec::as_slice).collect();
        let scores = components(&rows);
        for (component, axis) in [1, 2, 0].into_iter().enumerate() {
            let want: Vec<f32> = (0..9)
                .map(|row| match row / 3 == axis {
                    true => [2.0, -1.0, -1.0][row % 3] * spreads[axis],
                    false => 0.0,
                })
                .collect();
            for (got, want) in scores[component].iter().zip(want) {
                assert!((got - want).abs() < 1e-4, "{component}: {got}, {want}");
            }
        }
    }
}
