//! Which tokens merge into which.

use burn::tensor::{Bool, DType, Int, Tensor, TensorData};

use crate::Tokens;
use crate::ops::at_least_single;
use crate::ops::pick::{largest, places};

/// Every other token, counted with the prefix: those that may merge, and those that they merge into.
#[derive(Clone, Copy)]
struct Half {
    /// The first of them among the patch tokens.
    start: usize,
    count: usize,
}

impl Half {
    /// The tokens at even and at odd places behind `prefix` tokens.
    fn both(tokens: usize, prefix: usize) -> [Self; 2] {
        let start = prefix % 2;
        [start, 1 - start].map(|start| Self {
            start,
            count: (tokens + 1 - start) / 2,
        })
    }

    /// Among the patch tokens, the one that is `index` here.
    fn place(&self, index: Tensor<2, Int>) -> Tensor<2, Int> {
        index * 2 + self.start as i64
    }
}

/// Edges of a bipartite matching: `merged` tokens of one half, each to a token of the other.
pub(crate) struct Matching {
    /// The tokens that stay, `[batch, kept]`, as indices: first those that might have merged, then the other half,
    /// each in ascending order.
    pub(crate) kept: Tensor<2, Int>,
    /// How many of those might have merged.
    pub(crate) unmerged: usize,
    /// The tokens that merge, `[batch, merged]`, in ascending order.
    pub(crate) source: Tensor<2, Int>,
    /// 1 where a token of the other half takes one that merges, else 0, `[batch, half, merged]`.
    pub(crate) takes: Tensor<3>,
    /// For each token its place among those that stay, or that of the token that it merges into, `[batch, tokens]`.
    pub(crate) owner: Tensor<2, Int>,
}

impl Matching {
    /// The `merged` edges of highest cosine of `keys` (`[batch, tokens, width]`), one from each even token to the odd
    /// token most like it. Padding goes where nothing else can, and nothing goes to padding unless all of the other
    /// half is. Of equal edges that with the lower index counts.
    pub(crate) fn new(tokens: &Tokens, keys: Tensor<3>, merged: usize) -> Self {
        let (batch, count) = (tokens.batch(), tokens.tokens());
        let halves = Half::both(count, tokens.prefix());
        let [from, to] = halves;
        let device = keys.device();
        let options = (&device, DType::F32);
        let (likeness, target) = nearest(tokens, keys, halves);

        let merges = largest(likeness, merged);
        let stays = merges.clone().neg() + 1.0;
        let unmerged = from.count - merged;
        let (source, _) = places(merges.clone(), merged);
        let others = Tensor::<1, Int>::arange(0..to.count as i64, &device);
        let others = others.unsqueeze::<2>().expand([batch, to.count]);
        let mut kept = vec![to.place(others.clone())];
        if unmerged > 0 {
            let (index, _) = places(stays.clone(), unmerged);
            kept.insert(0, from.place(index));
        }

        let taken_by = target.clone().gather(1, source.clone());
        let number = |index: Tensor<2, Int>| index.float().cast(DType::F32);
        let takes = number(others.clone())
            .unsqueeze_dim::<3>(2)
            .expand([batch, to.count, merged]);
        let takes = takes.equal(
            taken_by
                .unsqueeze_dim::<3>(1)
                .expand([batch, to.count, merged]),
        );
        let rank = stays.clone().cumsum(1) - 1.0;
        let owner = stays * rank + merges * (target + unmerged as f32);
        let owner = Tensor::cat(vec![owner, number(others) + unmerged as f32], 1);
        let back = (0..count).map(|token| match token % 2 == from.start {
            true => token / 2,
            false => from.count + token / 2,
        });
        let back = TensorData::new(back.map(|index| index as i32).collect(), [count]);
        let back = Tensor::<1, Int>::from_data(back, &device);
        Self {
            kept: Tensor::cat(kept, 1),
            unmerged,
            source: from.place(source),
            takes: takes.float().cast(options.1),
            owner: owner.select(1, back).int(),
        }
    }
}

/// For each token of the first half how like it is the token of the other that is most like it, and which that is, as a
/// whole number: `[batch, half]` each.
fn nearest(tokens: &Tokens, keys: Tensor<3>, halves: [Half; 2]) -> (Tensor<2>, Tensor<2>) {
    let (batch, device) = (tokens.batch(), keys.device());
    let keys = keys.detach();
    let keys = keys.clone().cast(at_least_single(keys.dtype()));
    // A key of zeros is like nothing, and gives no NaN.
    let length = keys.clone().square().sum_dim(2).sqrt().clamp_min(1e-12);
    let keys = (keys / length).cast(DType::F32);
    let index = halves.map(|half| {
        let end = half.start + 2 * half.count;
        Tensor::<1, Int>::arange_step(half.start as i64..end as i64, 2, &device)
    });
    let [from, to] = index.clone().map(|index| keys.clone().select(1, index));
    let mut likeness = from.matmul(to.transpose());
    let shape = likeness.dims();
    if let Some(valid) = tokens.valid() {
        let padding = |index: Tensor<1, Int>| {
            let padding = valid.clone().float().select(1, index).lower_elem(0.5);
            padding.unsqueeze_dim::<3>(2)
        };
        let [from, to] = index.map(padding);
        let hide = |likeness: Tensor<3>, hidden: Tensor<3, Bool>, value: f32| {
            likeness.mask_fill(hidden.expand(shape), value)
        };
        likeness = hide(likeness, to.swap_dims(1, 2), -3.0);
        likeness = hide(likeness, from, -2.0);
    }
    let most = likeness.clone().max_dim(2);
    let [_, rows, cols] = shape;
    let number = Tensor::<1, Int>::arange(0..cols as i64, &device).float();
    let number = number.cast(DType::F32).reshape([1, 1, cols]).expand(shape);
    let other = likeness.not_equal(most.clone().expand(shape));
    let first = number.mask_fill(other, cols as f32).min_dim(2);
    (
        most.reshape([batch, rows]),
        first.clamp_max((cols - 1) as f32).reshape([batch, rows]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::Device;

    fn tokens(count: usize, prefix: usize) -> Tokens {
        let device = Device::flex();
        let window = Window::patch([1, 1], Remainder::Reject);
        let grid = window.layout([1, count]).unwrap();
        let tokens = Tokens::from_grid(Tensor::zeros([1, count, 1], &device), grid);
        match prefix {
            0 => tokens,
            _ => tokens.with_prefix(Tensor::zeros([1, prefix, 1], &device)),
        }
    }

    /// Keys at these angles, in degrees.
    fn angles<const N: usize>(angles: [f32; N]) -> Tensor<3> {
        let angles = angles.map(f32::to_radians);
        let points: Vec<f32> = angles
            .iter()
            .flat_map(|angle| [angle.cos(), angle.sin()])
            .collect();
        Tensor::from_data(TensorData::new(points, [1, N, 2]), &Device::flex())
    }

    fn numbers(index: Tensor<2, Int>) -> Vec<i64> {
        index.into_data().try_to_vec_as::<i64>().unwrap()
    }

    #[test]
    fn the_likest_edges_merge_and_the_rest_keeps_its_order() {
        let keys = angles([0.0, 10.0, 50.0, 90.0, 91.0, 200.0]);
        let matching = Matching::new(&tokens(6, 0), keys, 2);
        // Edges 0→1 (10°), 2→1 and 2→3 (40°), 4→3 (1°).
        assert_eq!(numbers(matching.source), [0, 4]);
        assert_eq!(numbers(matching.kept), [2, 1, 3, 5]);
        assert_eq!(numbers(matching.owner), [1, 1, 0, 2, 2, 3]);
        let takes = matching.takes.into_data();
        takes.assert_eq(&[[[1.0f32, 0.0], [0.0, 1.0], [0.0, 0.0]]].into(), true);
    }

    #[test]
    fn a_prefix_counts_among_even_and_odd() {
        let keys = || angles([0.0, 10.0, 50.0, 90.0, 91.0]);
        let behind_one = Matching::new(&tokens(5, 1), keys(), 2);
        assert_eq!(numbers(behind_one.source), [1, 3]);
        assert_eq!(numbers(behind_one.kept), [0, 2, 4]);
        assert_eq!(behind_one.unmerged, 0);
        assert_eq!(numbers(behind_one.owner), [0, 0, 1, 2, 2]);
        let behind_two = Matching::new(&tokens(5, 2), keys(), 2);
        assert_eq!(numbers(behind_two.source), [0, 4]);
    }

    #[test]
    fn of_equal_edges_the_lower_index_counts_at_both_ends() {
        let matching = Matching::new(&tokens(8, 0), angles([5.0; 8]), 2);
        assert_eq!(numbers(matching.source), [0, 2]);
        assert_eq!(numbers(matching.owner), [2, 2, 2, 3, 0, 4, 1, 5]);
    }

    #[test]
    fn padding_merges_last_and_nothing_merges_into_it() {
        let device = Device::flex();
        let valid = Tensor::from_bool([[true, true, true, true, false, false]], &device);
        let padded = tokens(6, 0).with_valid(valid);
        // The padding is as the first token.
        let keys = || angles([0.0, 90.0, 100.0, 180.0, 0.0, 0.0]);
        let matching = Matching::new(&padded, keys(), 2);
        assert_eq!(numbers(matching.source), [0, 2]);
        assert_eq!(numbers(matching.owner), [1, 1, 1, 2, 0, 3]);
        let all = Matching::new(&padded, keys(), 3);
        assert_eq!(numbers(all.source), [0, 2, 4]);
    }
}
