//! Classes by the nearest neighbours.

use crate::features::Features;

/// Divides cosines before their exponential is taken: how much nearer neighbours weigh more.
const TEMPERATURE: f32 = 0.07;
/// Held-out pictures that are compared to all others at once.
const ROWS: usize = 256;

/// Share of the held-out pictures whose class gets most votes of the `count` nearest training pictures by cosine, each vote
/// with the weight `exp(cosine/0.07)`.
///
/// Wu et al., [Unsupervised Feature Learning](https://arxiv.org/abs/1805.01978), section 3.4, as DINO's `eval_knn.py` does
/// it.
pub(crate) fn accuracy(train: &Features, test: &Features, count: usize) -> f64 {
    let count = count.min(train.labels.len());
    let classes = train.labels.iter().max().map_or(0, |class| class + 1);
    let columns = train.rows.clone().transpose();
    let mut right = 0;
    for (index, labels) in test.labels.chunks(ROWS).enumerate() {
        let from = index * ROWS;
        let rows = test.rows.clone().slice_dim(0, from..from + labels.len());
        let (cosines, nearest) = rows.matmul(columns.clone()).topk_with_indices(count, 1);
        let cosines = cosines.into_data().try_to_vec_as::<f32>().expect("floats");
        let nearest = nearest.into_data().try_to_vec_as::<i64>();
        let nearest = nearest.expect("indices are whole numbers");
        let rows = cosines.chunks(count).zip(nearest.chunks(count));
        right += labels
            .iter()
            .zip(rows)
            .filter(|(label, (cosines, nearest))| {
                let mut votes = vec![0.0; classes];
                for (cosine, index) in cosines.iter().zip(*nearest) {
                    votes[train.labels[*index as usize]] += (cosine / TEMPERATURE).exp();
                }
                let most = (0..classes).max_by(|a, b| votes[*a].total_cmp(&votes[*b]));
                most == Some(**label)
            })
            .count();
    }
    right as f64 / test.labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Tensor};

    fn features<const N: usize>(rows: [[f32; 2]; N], labels: [usize; N]) -> Features {
        Features::new(Tensor::from_floats(rows, &Device::flex()), labels.into())
    }

    #[test]
    fn near_pictures_outvote_more_of_them_that_are_farther() {
        let rows = [[1.0, 0.0], [0.0, 2.0], [0.1, 2.0]];
        let train = features(rows, [0, 1, 1]);
        let test = features([[3.0, 0.1], [0.0, 5.0]], [0, 1]);
        assert_eq!(accuracy(&train, &test, 3), 1.0);
        let test = features([[3.0, 0.1], [0.0, 5.0]], [1, 1]);
        assert_eq!(accuracy(&train, &test, 3), 0.5);
    }

    #[test]
    fn there_may_be_fewer_pictures_than_neighbours_and_more_than_a_block() {
        let train = features([[1.0, 0.0], [0.0, 1.0]], [0, 1]);
        let rows = [[1.0, 0.1]; ROWS + 3];
        let mut labels = [0; ROWS + 3];
        labels[ROWS + 2] = 1;
        let test = features(rows, labels);
        let right = (ROWS + 2) as f64 / (ROWS + 3) as f64;
        assert_eq!(accuracy(&train, &test, 20), right);
    }
}
