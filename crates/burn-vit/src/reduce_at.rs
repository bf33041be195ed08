//! Where in an encoder something reduces the tokens.

use burn::tensor::Device;
use burn_patch::reduce::{AnyReduce, AnyReduceConfig, Reduce, Sees};
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where a reducer stands; blocks are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Before a block: masks, PatchMerger.
    BeforeBlock(usize),
    /// Between a block's attention and its MLP: ToMe, EViT. One for each block.
    AfterAttention(usize),
}

impl Stage {
    /// The block.
    pub fn block(self) -> usize {
        match self {
            Self::BeforeBlock(block) | Self::AfterAttention(block) => block,
        }
    }
}

/// A reducer and its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReduceAt {
    /// What reduces the patch tokens.
    pub reducer: AnyReduceConfig,
    /// Where.
    pub stage: Stage,
}

impl ReduceAt {
    /// A reducer in the middle of `depth` blocks, PatchMerger's place: before the block, or, where it must see the
    /// attention, behind that of the block.
    pub fn middle(reducer: AnyReduceConfig, depth: usize) -> Self {
        let middle = depth / 2;
        let stage = match reducer.sees() {
            Sees::Tokens => Stage::BeforeBlock(middle),
            Sees::Keys | Sees::ClassScores => Stage::AfterAttention(middle),
        };
        Self { reducer, stage }
    }

    /// The same reducer, each with parameters of its own if it has some, in each of `depth` blocks, behind the attention:
    /// ToMe's places.
    pub fn every(reducer: &AnyReduceConfig, depth: usize) -> Vec<Self> {
        Self::each(reducer, (0..depth).map(Stage::AfterAttention))
    }

    /// The same reducer at each of `stages`: for EViT behind the attention of blocks 3, 6 and 9 of 12, for DynamicViT
    /// before them.
    pub fn each(reducer: &AnyReduceConfig, stages: impl IntoIterator<Item = Stage>) -> Vec<Self> {
        let at = |stage| Self {
            reducer: reducer.clone(),
            stage,
        };
        stages.into_iter().map(at).collect()
    }

    /// The modules of `list` and their places, for `depth` blocks. Behind the attention of a block there is room for one.
    pub(crate) fn try_init_all(
        list: &[Self],
        depth: usize,
        device: &Device,
    ) -> Result<(Vec<AnyReduce>, Vec<Stage>), Error> {
        let stages: Vec<Stage> = list.iter().map(|at| at.stage).collect();
        for (index, stage) in stages.iter().enumerate() {
            if matches!(stage, Stage::AfterAttention(_)) && stages[..index].contains(stage) {
                return Err(Error::ReduceTwice {
                    block: stage.block(),
                });
            }
        }
        let reducers = list.iter().map(|at| at.try_init(depth, device));
        Ok((reducers.collect::<Result<_, _>>()?, stages))
    }

    /// The module, for `depth` blocks.
    fn try_init(&self, depth: usize, device: &Device) -> Result<AnyReduce, Error> {
        let block = self.stage.block();
        if block >= depth {
            return Err(Error::ReduceBlock { depth, got: block });
        }
        let reduce = self.reducer.try_init(device)?;
        let before = matches!(self.stage, Stage::BeforeBlock(_));
        if before && reduce.sees() != Sees::Tokens {
            return Err(Error::ReduceSees {
                sees: reduce.sees(),
            });
        }
        Ok(reduce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tensor};
    use burn_patch::embed::LinearPatchEmbedConfig;
    use burn_patch::reduce::REDUCERS;

    use crate::encoder::EncoderConfig;
    use crate::head::{HeadConfig, Pooling};
    use crate::prefix::PrefixConfig;
    use crate::vit_config::VitConfig;

    #[test]
    fn a_reducer_leaves_its_tokens_behind_the_class_token() {
        let device = Device::flex();
        let stages = (0..3).flat_map(|at| [Stage::BeforeBlock(at), Stage::AfterAttention(at)]);
        for (info, stage) in REDUCERS
            .iter()
            .flat_map(|info| stages.clone().map(move |at| (info, at)))
        {
            let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
            // Those that need the grid cannot stand behind one that picks, so each stands alone.
            let reducer = AnyReduceConfig::for_tokens(info.name, 3, 8).unwrap();
            let encoder = EncoderConfig::new(3, 2).with_reducers(vec![ReduceAt { reducer, stage }]);
            let config = VitConfig::new([8, 16], encoder);
            let reducer = &config.encoder.reducers[0].reducer;
            let before = matches!(stage, Stage::BeforeBlock(_));
            if before && reducer.sees() != Sees::Tokens {
                let error = config.try_init(embed, &device).unwrap_err();
                assert!(matches!(error, Error::ReduceSees { .. }), "{error}");
                continue;
            }
            let reducer = reducer.init(&device);
            let [with, without] = [reducer.output_with_noise(8, 0), reducer.output(8, 0)];
            let vit = config.init(embed, &device);
            let images = Tensor::random([2, 1, 8, 16], Distribution::Default, &device);
            let count = vit.noise(2, [8, 16]).unwrap();
            let noise: Vec<f32> = (0..count)
                .map(|i| (i * 7 % count) as f32 / count as f32)
                .collect();
            let tokens = vit.forward_features(images, &noise);
            let place = format!("{} {stage:?}", info.name);
            assert_eq!((tokens.prefix(), Ok(tokens.tokens())), (1, with), "{place}");
            assert_eq!(Ok(vit.layout([8, 16]).unwrap().tokens), without, "{place}");
        }
    }

    #[test]
    fn pruning_by_the_class_token_needs_one_and_registers_are_none() {
        let device = Device::flex();
        let evit = AnyReduceConfig::for_tokens("evit", 3, 8).unwrap();
        let middle = ReduceAt::middle(evit, 2);
        assert_eq!(middle.stage, Stage::AfterAttention(1));
        let encoder = EncoderConfig::new(2, 2).with_reducers(vec![middle]);
        let head = HeadConfig::new().with_pooling(Pooling::Mean);
        let config = VitConfig::new([8, 16], encoder)
            .with_prefix(PrefixConfig::none().with_registers(2))
            .with_head(head);
        let embed = LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let error = config.try_init(embed, &device).unwrap_err();
        assert_eq!(error, Error::NoClassToken);
    }
}
