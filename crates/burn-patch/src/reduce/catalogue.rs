//! Every reducer in one list: a new one is a file, its `mod` line and a line here.

use crate::catalogue::catalogue;
use crate::grid::PatchGrid;
use crate::reduce::reduce::{Reduce, Reduced, Seen, Sees};
use crate::tokens::PlaceKind;
use crate::{Error, Noise, Tokens};

catalogue! {
    /// Every reducer.
    list REDUCERS;
    /// Configuration of a reducer chosen at run time.
    config AnyReduceConfig;
    /// A reducer chosen at run time.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use burn_patch::Noise;
    /// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
    /// use burn_patch::reduce::{AnyReduceConfig, Reduce, Seen};
    ///
    /// let device = Device::flex();
    /// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
    /// let tokens = embed.forward(Tensor::zeros([1, 3, 8, 12], &device));
    /// let reducer = AnyReduceConfig::for_tokens("patch-merger", 4, 16).unwrap().init(&device);
    /// let reduced = reducer.reduce(tokens, Seen::Tokens, 0, &mut Noise::None);
    /// assert_eq!(reduced.tokens.embeddings().dims(), [1, 4, 16]);
    /// ```
    module AnyReduce;
    /// The reducer called `name` with its usual settings, to `tokens` tokens of width `dim`; none if
    /// [`REDUCERS`] has no such name.
    named for_tokens = for_tokens(tokens: usize, dim: usize);
    init();
    trait Reduce {
        fn sees(&self) -> Sees;
        fn width(&self, dim: usize) -> Result<usize, Error>;
        fn output(&self, tokens: usize, block: usize) -> Result<usize, Error>;
        fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error>;
        fn grid(&self, grid: &PatchGrid) -> Result<PatchGrid, Error>;
        fn noise(&self, batch: usize, tokens: usize) -> usize;
        fn reduce(&self, tokens: Tokens, seen: Seen, block: usize, noise: &mut Noise<'_>) -> Reduced;
    }
    "random-mask" => mask: RandomMask(RandomMaskConfig, RandomMask),
        "a random choice of tokens, to be restored by a decoder (MAE)";
    "query-pool" => pool: QueryPool(QueryPoolConfig, QueryPool),
        "learned queries, one softmax over the places each";
    "token-learner" => pool: TokenLearner(TokenLearnerConfig, TokenLearner),
        "weights by a perceptron and softmax (TokenLearner 1.1)";
    "token-learner-v1" => pool: TokenLearnerV1(TokenLearnerV1Config, TokenLearnerV1),
        "weights by convolutions and sigmoid over the feature map (TokenLearner)";
    "slot-attention" => pool: SlotAttention(SlotAttentionConfig, SlotAttention),
        "slots compete for places over three rounds (Slot Attention)";
    "patch-merger" => pool: PatchMerger(PatchMergerConfig, PatchMerger),
        "learned queries over normalised tokens in mid-encoder (PatchMerger)";
    "pixel-unshuffle" => pixel_unshuffle: PixelUnshuffle(PixelUnshuffleConfig, PixelUnshuffle),
        "neighbours side by side, then projected: a coarser grid (Qwen2-VL, InternVL, Idefics3)";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use burn::tensor::{Device, Distribution, Int, Tensor, Tolerance};

    const DIM: usize = 8;

    fn tolerance() -> Tolerance<f32> {
        Tolerance::rel_abs(1e-5, 1e-6)
    }

    fn grid_tokens(embeddings: Tensor<3>) -> Tokens {
        let grid = Window::patch([1, 1], Remainder::Reject)
            .layout([3, 4])
            .unwrap();
        Tokens::from_grid(embeddings, grid)
    }

    /// Runs `check` for everything that pools.
    fn each(check: impl Fn(&str, AnyReduce, Tensor<3>, &Device)) {
        let device = Device::flex();
        for info in REDUCERS {
            let config = AnyReduceConfig::for_tokens(info.name, 3, DIM).unwrap();
            let embeddings = Tensor::random([2, 12, DIM], Distribution::Default, &device);
            let reducer = config.init(&device);
            if matches!(reducer.places(PlaceKind::Cells), Ok(PlaceKind::Boxes)) {
                check(info.name, reducer, embeddings, &device);
            }
        }
    }

    fn run(reduce: &AnyReduce, tokens: Tokens) -> Reduced {
        reduce.reduce(tokens, Seen::Tokens, 0, &mut Noise::None)
    }

    fn pool(reduce: &AnyReduce, tokens: Tokens) -> Tokens {
        run(reduce, tokens).tokens
    }

    #[test]
    fn weights_of_each_result_sum_to_one_except_those_of_sigmoids() {
        each(|name, reduce, embeddings, _| {
            let reduced = run(&reduce, grid_tokens(embeddings));
            assert_eq!(reduced.tokens.embeddings().dims(), [2, 3, DIM], "{name}");
            let sums = reduced
                .weights
                .expect("pools have weights")
                .sum_dim(2)
                .squeeze_dim::<2>(2);
            if name == "token-learner-v1" {
                let least: f32 = sums.min().into_scalar();
                assert!(least > 1.5, "{name}: {least}");
            } else {
                let ones = sums.ones_like().into_data();
                sums.into_data().assert_approx_eq(&ones, tolerance());
            }
        });
    }

    #[test]
    fn the_order_of_the_places_does_not_matter_unless_the_grid_does() {
        each(|name, reduce, embeddings, device| {
            let order = Tensor::<1, Int>::from_ints([7, 2, 0, 11, 5, 1, 9, 3, 10, 4, 8, 6], device);
            let shuffled = grid_tokens(embeddings.clone().select(1, order));
            let want = pool(&reduce, grid_tokens(embeddings)).into_embeddings();
            let got = pool(&reduce, shuffled).into_embeddings();
            if reduce.places(PlaceKind::Picked).is_err() {
                let apart: f32 = (got - want).abs().max().into_scalar();
                assert!(apart > 1e-4, "{name}: {apart}");
            } else {
                got.into_data()
                    .assert_approx_eq(&want.into_data(), tolerance());
            }
        });
    }

    #[test]
    fn padding_does_not_leak() {
        each(|_, reduce, embeddings, device| {
            // The last row of the grid is padding.
            let valid = Tensor::<1, Int>::arange(0..12, device)
                .lower_elem(8)
                .unsqueeze_dim::<2>(0)
                .expand([2, 12]);
            let noise = embeddings
                .random_like(Distribution::Default)
                .slice_dim(1, 8..);
            let other = Tensor::cat(vec![embeddings.clone().slice_dim(1, ..8), noise * 9.0], 1);
            let [one, two] = [embeddings.clone(), other].map(|embeddings| {
                let padded = grid_tokens(embeddings).with_valid(valid.clone());
                pool(&reduce, padded).into_embeddings().into_data()
            });
            two.assert_approx_eq(&one, tolerance());
            let grid = Window::patch([1, 1], Remainder::Reject)
                .layout([2, 4])
                .unwrap();
            let short = Tokens::from_grid(embeddings.slice_dim(1, ..8), grid);
            let alone = pool(&reduce, short).into_embeddings().into_data();
            one.assert_approx_eq(&alone, tolerance());
        });
    }

    #[test]
    fn the_prefix_stays_in_front_and_out_of_the_sums() {
        each(|_, reduce, embeddings, device| {
            let prefix = Tensor::random([1, 2, DIM], Distribution::Default, device);
            let tokens = grid_tokens(embeddings);
            let want = pool(&reduce, tokens.clone()).into_embeddings();
            let got = pool(&reduce, tokens.with_prefix(prefix.clone()));
            assert_eq!(got.prefix(), 2);
            got.patch_embeddings()
                .into_data()
                .assert_approx_eq(&want.into_data(), tolerance());
            got.prefix_embeddings()
                .unwrap()
                .into_data()
                .assert_eq(&prefix.expand([2, 2, DIM]).into_data(), true);
        });
    }

    #[test]
    fn names_are_unique_and_unknown_ones_are_none() {
        for (index, info) in REDUCERS.iter().enumerate() {
            assert!(
                REDUCERS[..index]
                    .iter()
                    .all(|other| other.name != info.name)
            );
        }
        assert!(AnyReduceConfig::for_tokens("no such", 3, DIM).is_none());
    }
}
