//! The quadtrees over an image: which nodes there are, and which are split.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::grid::PatchGrid;
use crate::ops::pick::{first, places};

/// Above every score: where a path has no more scores.
const END: f32 = f32::MAX;

/// Quadtrees over a grid of finest cells. A node is a square of `2^l` by `2^l` cells that lies on the grid as a whole;
/// where a square would stick out, its children stand on their own. Nodes are numbered coarsest level first, row-major
/// within a level.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Forest {
    levels: Vec<Level>,
}

/// The nodes of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    /// Side of a node in finest cells, a power of two.
    pub(crate) side: usize,
    /// Rows of nodes.
    pub(crate) rows: usize,
    /// Columns of nodes.
    pub(crate) cols: usize,
}

impl Level {
    pub(crate) fn nodes(&self) -> usize {
        self.rows * self.cols
    }

    /// For each node its parent in the level `above`, one past the last where it has none.
    fn parents(&self, above: &Level) -> impl Iterator<Item = usize> {
        let (cols, above) = (self.cols, *above);
        (0..self.nodes()).map(move |node| {
            let (row, col) = (node / cols / 2, node % cols / 2);
            let inside = row < above.rows && col < above.cols;
            if inside {
                row * above.cols + col
            } else {
                above.nodes()
            }
        })
    }
}

/// The nodes that became tokens.
pub(crate) struct Leaves {
    /// Their numbers, `[batch, tokens]`.
    pub(crate) index: Tensor<2, Int>,
    /// 1 where there is one, `[batch, tokens]`.
    pub(crate) there: Tensor<2>,
}

impl Forest {
    /// Nodes of up to `2^(levels − 1)` cells a side over `rows × cols` finest cells.
    pub(crate) fn new([rows, cols]: [usize; 2], levels: usize) -> Self {
        let level = |power: usize| Level {
            side: 1 << power,
            rows: rows >> power,
            cols: cols >> power,
        };
        let levels = (0..levels).rev().map(level);
        Self {
            levels: levels.filter(|level| level.nodes() > 0).collect(),
        }
    }

    /// All levels, coarsest first; the last is the finest.
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The levels whose nodes can be split.
    pub(crate) fn splittable_levels(&self) -> &[Level] {
        &self.levels[..self.levels.len() - 1]
    }

    /// Nodes that can be split.
    pub(crate) fn splittable(&self) -> usize {
        self.splittable_levels().iter().map(Level::nodes).sum()
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> usize {
        self.levels.iter().map(Level::nodes).sum()
    }

    /// Nodes that are no node's child: the tokens of an image where nothing is split.
    pub(crate) fn roots(&self) -> usize {
        let none = self.splittable();
        let parents = self.parents();
        parents.iter().filter(|parent| **parent == none).count()
    }

    /// Number of each node's parent; of a root, one past the splittable nodes.
    fn parents(&self) -> Vec<usize> {
        let mut parents = vec![self.splittable(); self.levels[0].nodes()];
        let mut start = 0;
        for pair in self.levels.windows(2) {
            let above = pair[0].nodes();
            parents.extend(pair[1].parents(&pair[0]).map(|parent| {
                if parent < above {
                    start + parent
                } else {
                    self.splittable()
                }
            }));
            start += above;
        }
        parents
    }

    /// The first `count` splits of the search that starts from the roots and always splits the node with the largest
    /// score: `[batch, splittable]`, 1 where a node is split. Scores are `[batch, nodes]` per splittable level.
    ///
    /// When the search turns to a node depends on the path of scores from its root to it alone. It goes down to the
    /// least score on the path, `m₀`, only when nothing larger is left anywhere, and then at once to what lies below
    /// that place and is larger, in the same order: by the least score `m₁` below it, and so on. So nodes are in
    /// the order of `(m₀, m₁, …)`, the larger first, a path that ends before one that goes on.
    pub(crate) fn best_first(&self, scores: &[Tensor<2>], count: usize) -> Tensor<2> {
        first(&self.keys(scores), count)
    }

    /// `m₀`, `m₁` and so on, `[batch, splittable]` each. One more score `s` on a path removes the least scores that
    /// are above it from the end and puts itself there.
    fn keys(&self, scores: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let deepest = scores.len();
        let mut keys: Vec<Vec<Tensor<2>>> = vec![Vec::new(); deepest];
        for (level, score) in scores.iter().enumerate() {
            let score = score.clone().clamp_min(0.0);
            let end = score.full_like(END);
            let mut before: Option<Tensor<2>> = None;
            for key in &mut keys {
                let above = match key.last() {
                    Some(above) => self.values_of_parents(level, above.clone()),
                    None => end.clone(),
                };
                let value = above.clone().min_pair(score.clone());
                key.push(match before {
                    Some(before) => value.mask_where(before.greater(score.clone()), end.clone()),
                    None => value,
                });
                before = Some(above);
            }
        }
        keys.into_iter()
            .map(|levels| Tensor::cat(levels, 1))
            .collect()
    }

    /// Splits of nodes whose score and whose ancestors' scores reach their level's threshold, the first `most` of
    /// the best-first search if there are more. Thresholds are in the order of the scores.
    pub(crate) fn above(&self, scores: &[Tensor<2>], thresholds: &[f64], most: usize) -> Tensor<2> {
        let mut passes: Vec<Tensor<2>> = Vec::with_capacity(scores.len());
        for (level, score) in scores.iter().enumerate() {
            let own = score.clone().greater_equal_elem(thresholds[level]);
            let own = own.float().cast(DType::F32);
            passes.push(match passes.last() {
                Some(above) => own.min_pair(self.values_of_parents(level, above.clone())),
                None => own,
            });
        }
        let passes = Tensor::cat(passes, 1);
        if most >= self.splittable() {
            return passes;
        }
        let mut keys = self.keys(scores);
        keys[0] = keys[0]
            .clone()
            .mask_fill(passes.clone().lower_elem(0.5), -1.0);
        first(&keys, most) * passes
    }

    /// For each node of a level its parent's value, [`END`] where it has none.
    fn values_of_parents(&self, level: usize, values: Tensor<2>) -> Tensor<2> {
        let [batch, _] = values.dims();
        let device = values.device();
        let parents = self.levels[level].parents(&self.levels[level - 1]);
        let end = Tensor::full([batch, 1], END, (&device, DType::F32));
        Tensor::cat(vec![values, end], 1).select(1, indices(parents, &device))
    }

    /// The leaves under `split` (`[batch, splittable]`) in ascending order, `tokens` places for them.
    pub(crate) fn leaves(&self, split: Tensor<2>, tokens: usize) -> Leaves {
        let [batch, _] = split.dims();
        let device = split.device();
        let finest = self.nodes() - self.splittable();
        let one = Tensor::ones([batch, 1], (&device, DType::F32));
        let never = Tensor::zeros([batch, finest], (&device, DType::F32));
        let parents = indices(self.parents().into_iter(), &device);
        let reached = Tensor::cat(vec![split.clone(), one], 1).select(1, parents);
        let leaf = reached - Tensor::cat(vec![split, never], 1);
        let (index, there) = places(leaf, tokens);
        Leaves { index, there }
    }

    /// All nodes, where none can be split.
    pub(crate) fn all(&self, batch: usize, device: &Device) -> Leaves {
        let index = indices(0..self.nodes(), device).unsqueeze_dim::<2>(0);
        Leaves {
            index: index.expand([batch, self.nodes()]),
            there: Tensor::ones([batch, self.nodes()], (device, DType::F32)),
        }
    }

    /// Box of each node, `[1, nodes, 4]`: `[center y, center x, height, width]` in pixels.
    pub(crate) fn boxes_px(&self, grid: &PatchGrid, device: &Device) -> Tensor<3> {
        let [height, width] = grid.window.kernel;
        let boxes = self.levels.iter().flat_map(|level| {
            let [height, width] = [height, width].map(|side| (side * level.side) as f32);
            (0..level.nodes()).flat_map(move |node| {
                let (row, col) = (node / level.cols, node % level.cols);
                [
                    (row as f32 + 0.5) * height,
                    (col as f32 + 0.5) * width,
                    height,
                    width,
                ]
            })
        });
        let boxes: Vec<f32> = boxes.collect();
        Tensor::from_data(
            TensorData::new(boxes, [1, self.nodes(), 4]),
            (device, DType::F32),
        )
    }

    /// Finest cells in each node, `[1, nodes]`.
    pub(crate) fn cells(&self, device: &Device) -> Tensor<2> {
        let cells = self.levels.iter();
        let cells = cells.flat_map(|level| vec![(level.side * level.side) as f32; level.nodes()]);
        let cells: Vec<f32> = cells.collect();
        Tensor::from_data(
            TensorData::new(cells, [1, self.nodes()]),
            (device, DType::F32),
        )
    }
}

fn indices(values: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.map(|value| value as i32).collect();
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The search, step by step: take the node with the best score, put its children in its place.
    fn by_heap(forest: &Forest, scores: &[f32], count: usize) -> Vec<f32> {
        let parents = &forest.parents();
        let children = |of: usize| (0..forest.nodes()).filter(move |node| parents[*node] == of);
        let mut frontier: Vec<usize> = children(forest.splittable()).collect();
        let mut split = vec![0.0; forest.splittable()];
        for _ in 0..count {
            let open = frontier.iter().filter(|node| **node < forest.splittable());
            let best = *open
                .max_by(|a, b| scores[**a].total_cmp(&scores[**b]))
                .unwrap();
            split[best] = 1.0;
            frontier.retain(|node| *node != best);
            frontier.extend(children(best));
        }
        split
    }

    fn tensors(forest: &Forest, scores: &[f32]) -> Vec<Tensor<2>> {
        let mut rest = scores;
        let levels = forest.splittable_levels().iter();
        levels
            .map(|level| {
                let (own, later) = rest.split_at(level.nodes());
                rest = later;
                let data = TensorData::new(own.to_vec(), [1, level.nodes()]);
                Tensor::from_data(data, &Device::flex())
            })
            .collect()
    }

    #[rstest]
    #[case::three_levels([8, 16], 3)]
    #[case::four_levels([8, 8], 4)]
    #[case::incomplete([7, 11], 3)]
    #[case::narrow([3, 8], 4)]
    fn best_first_splits_what_a_heap_splits(#[case] cells: [usize; 2], #[case] levels: usize) {
        let forest = Forest::new(cells, levels);
        for seed in 0..20 {
            let scores = (0..forest.splittable()).map(|i| (7919 * i + 104_729 * seed) % 2003);
            let scores: Vec<f32> = scores.map(|score| score as f32).collect();
            for count in 0..=forest.splittable() {
                let split = forest.best_first(&tensors(&forest, &scores), count);
                let want = by_heap(&forest, &scores, count);
                assert_eq!(split.into_data().try_to_vec_as::<f32>().unwrap(), want);
            }
        }
    }

    #[test]
    fn equal_scores_split_parents_before_children() {
        let forest = Forest::new([4, 4], 3);
        for score in [0.0, 0.5] {
            let split = forest.best_first(&tensors(&forest, &[score; 5]), 2);
            let want: [f32; 5] = [1.0, 1.0, 0.0, 0.0, 0.0];
            split.into_data().assert_eq(&[want].into(), true);
        }
    }

    #[test]
    fn nodes_that_would_stick_out_leave_their_children_as_roots() {
        let forest = Forest::new([7, 7], 3);
        let sides: Vec<_> = forest.levels().iter().map(|level| level.side).collect();
        assert_eq!(sides, [4, 2, 1]);
        // One of 4 × 4, five of 2 × 2 around it, and 49 − 16 − 20 single cells.
        assert_eq!(forest.roots(), 1 + 5 + 13);
        assert_eq!(forest.roots() + 3 * forest.splittable(), 49);
    }

    #[test]
    fn below_a_node_under_its_threshold_nothing_is_split() {
        let forest = Forest::new([4, 4], 3);
        let scores = tensors(&forest, &[0.4, 0.9, 0.1, 0.9, 0.9]);
        let none = forest.above(&scores, &[0.5, 0.5], 5);
        none.into_data().assert_eq(&[[0.0f32; 5]].into(), true);
        let some = forest.above(&scores, &[0.3, 0.5], 5);
        some.into_data()
            .assert_eq(&[[1.0f32, 1.0, 0.0, 1.0, 1.0]].into(), true);
        let limited = forest.above(&scores, &[0.3, 0.5], 2);
        limited
            .into_data()
            .assert_eq(&[[1.0f32, 1.0, 0.0, 0.0, 0.0]].into(), true);
    }
}
