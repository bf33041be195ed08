//! Where a reducer stands in the tiny ViT, and how much it leaves.

use burn::tensor::Device;
use burn_patch::reduce::{AnyReduceConfig, MergeSchedule, Reduce, Sees, ToMeConfig};
use burn_patch::tokens::PlaceKind;
use burn_vit::ReduceAt;

/// Tokens that learned queries make, unless another share is asked for.
const LEARNED_TOKENS: usize = 8;
/// Share of the tokens that the others leave, unless another is asked for.
const KEPT: f64 = 0.5;

/// The reducer called `name` in a ViT of `depth` blocks over `patches` tokens of width `dim`, which leaves the share
/// `keep` of them: merging a part in every block, the others all at once in the middle.
pub(crate) fn placed(
    name: &str,
    keep: Option<f64>,
    [patches, dim, depth]: [usize; 3],
) -> Vec<ReduceAt> {
    let left = |share: f64| ((patches as f64 * share).ceil() as usize).max(1);
    let usual = match pools(name) {
        true => LEARNED_TOKENS,
        false => left(KEPT),
    };
    let left = keep.map_or(usual, left);
    let reducer = AnyReduceConfig::for_tokens(name, left, dim);
    match reducer.expect("a name of the catalogue") {
        AnyReduceConfig::ToMe(_) => {
            let merged = patches.saturating_sub(left).div_ceil(depth);
            let merging = ToMeConfig::new(MergeSchedule::Constant(merged));
            ReduceAt::every(&AnyReduceConfig::ToMe(merging), depth)
        }
        reducer => vec![ReduceAt::middle(reducer, depth)],
    }
}

/// Whether one of them must see what the class token attends to.
pub(crate) fn wants_class_token(reducers: &[ReduceAt]) -> bool {
    let mut reducers = reducers.iter();
    reducers.any(|at| at.reducer.sees() == Sees::ClassScores)
}

/// Whether the reducer makes tokens that are no longer those of a patch.
fn pools(name: &str) -> bool {
    let reducer = AnyReduceConfig::for_tokens(name, 1, 8).expect("a name of the catalogue");
    reducer.init(&Device::flex()).places(PlaceKind::Cells) == Ok(PlaceKind::Boxes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_vit::Stage;

    #[test]
    fn merging_is_spread_over_the_blocks_and_pooling_is_not() {
        let merging = placed("tome", Some(0.5), [49, 8, 4]);
        assert_eq!(merging.len(), 4);
        let AnyReduceConfig::ToMe(config) = &merging[0].reducer else {
            panic!("the reducer asked for");
        };
        assert_eq!(config.schedule, MergeSchedule::Constant(6));
        let pooling = placed("query-pool", None, [49, 8, 4]);
        assert_eq!(pooling[0].stage, Stage::BeforeBlock(2));
        assert_eq!(pooling.len(), 1);
        assert!(wants_class_token(&placed("evit", None, [49, 8, 4])));
        assert!(!wants_class_token(&pooling));
    }
}
