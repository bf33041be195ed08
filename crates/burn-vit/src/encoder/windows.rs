//! Blocks that attend within windows.

use burn_patch::position::Position;
use burn_patch::reduce::{Reduce, Sees};
use burn_patch::tokens::{Attend, PlaceKind, Windows};
use burn_patch::{Noise, OrPanic, Tokens};

use crate::Error;
use crate::encoder::encoder::Encoder;
use crate::encoder::encoder_layout::EncoderInput;
use crate::reduce_at::Stage;

impl Encoder {
    /// The windows within which block `block` attends.
    fn window(&self, block: usize) -> Option<[usize; 2]> {
        self.windows.and_then(|windows| windows.of(block))
    }

    /// Whether block `block`'s attention must know something else than that of the block before.
    pub(super) fn asks(&self, block: usize) -> bool {
        self.position.per_block() || block == 0 || self.window(block) != self.window(block - 1)
    }

    /// What the attention of block `block` must know.
    #[track_caller]
    pub(super) fn attend(&self, tokens: &Tokens, block: usize, noise: &mut Noise<'_>) -> Attend {
        let Some(size) = self.window(block) else {
            return self.position.attend(tokens, block, noise);
        };
        let grid = tokens.grid();
        let windows = Windows::try_new([grid.rows, grid.cols], size).or_panic();
        let attend = self.position.attend(&windows.tokens(tokens), block, noise);
        Attend {
            windows: Some(windows),
            ..attend
        }
    }

    /// Refuses tokens that do not lie in windows, where block `block` has some, and reducers that see attention in them.
    pub(super) fn check_windows(
        &self,
        block: usize,
        input: &EncoderInput,
        places: PlaceKind,
    ) -> Result<(), Error> {
        let Some(size) = self.window(block) else {
            return Ok(());
        };
        Windows::try_new([input.grid.rows, input.grid.cols], size)?;
        let refuse = |expected, got| Err(Error::Windows { expected, got });
        if places != PlaceKind::Cells || input.grid.frames > 1 {
            let got = format!("{places:?} of {} frames", input.grid.frames);
            return refuse("one token per cell of one image", got);
        }
        if input.prefix > 0 {
            return refuse("no prefix tokens", input.prefix.to_string());
        }
        let mut inner = self.at(Stage::AfterAttention(block));
        match inner.find(|reduce| reduce.sees() != Sees::Tokens) {
            None => Ok(()),
            Some(reduce) => refuse(
                "a reducer that sees tokens alone",
                format!("one that sees {:?}", reduce.sees()),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, Tensor, Tolerance};
    use burn_patch::grid::{PatchGrid, Window};
    use burn_patch::position::{AnyPositionConfig, BlockWindows, POSITIONS};
    use burn_patch::reduce::{AnyReduceConfig, RandomMaskConfig};

    use crate::encoder::encoder_config::EncoderConfig;
    use crate::reduce_at::ReduceAt;

    fn grid() -> PatchGrid {
        let patch = Window::patch([2, 2], Default::default());
        patch.layout([8, 12]).unwrap()
    }

    fn input() -> EncoderInput {
        EncoderInput {
            grid: grid(),
            places: PlaceKind::Cells,
            tokens: 24,
            prefix: 0,
            dim: 8,
        }
    }

    fn config(position: &str, size: [usize; 2], global_every: usize) -> EncoderConfig {
        let position = AnyPositionConfig::by_name(position).unwrap();
        EncoderConfig::new(2, 2)
            .with_position(position)
            .with_windows(Some(BlockWindows { size, global_every }))
    }

    fn draw(device: &Device) -> Tensor<3> {
        Tensor::random([2, 24, 8], Distribution::Default, device)
    }

    fn run(encoder: &Encoder, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = Tokens::from_grid(tokens, grid());
        let encoded = encoder.forward(tokens, &[], &mut Noise::None);
        encoded.tokens.into_embeddings()
    }

    #[test]
    fn a_window_as_large_as_the_grid_is_none() {
        let device = Device::flex();
        for entry in POSITIONS {
            let mut encoder = config(entry.name, [4, 6], 0)
                .try_init(&input(), true, &device)
                .unwrap();
            let tokens = draw(&device);
            let within = run(&encoder, tokens.clone());
            encoder.windows = None;
            let whole = run(&encoder, tokens).into_data();
            let close = Tolerance::<f32>::rel_abs(1e-5, 1e-6);
            within.into_data().assert_approx_eq(&whole, close);
        }
    }

    #[test]
    fn tokens_reach_beyond_their_window_in_global_blocks_alone() {
        let device = Device::flex();
        let tokens = draw(&device);
        // The cell at the lower right, in the last of 2×2 windows of three by four cells.
        let mark = Tensor::<1, burn::tensor::Int>::arange(0..24, &device)
            .equal_elem(23)
            .float();
        let other = Tensor::random([1, 1, 8], Distribution::Default, &device);
        let moved = tokens.clone() + mark.reshape([1, 24, 1]) * other;
        for (global_every, reached) in [(0, 2i64), (2, 24)] {
            let encoder = config("decomposed", [3, 4], global_every)
                .try_init(&input(), true, &device)
                .unwrap();
            let apart = run(&encoder, tokens.clone()) - run(&encoder, moved.clone());
            let apart = apart.abs().max_dim(2).greater_elem(0.0);
            let count = apart.int().sum_dim(1).into_data().convert::<i64>();
            count.assert_eq(&[[[reached]], [[reached]]].into(), true);
        }
    }

    #[test]
    fn what_does_not_lie_in_windows_is_refused_by_name() {
        let device = Device::flex();
        let text = |config: EncoderConfig, input: EncoderInput| {
            let error = config.try_init(&input, true, &device);
            error.unwrap_err().to_string()
        };
        let windows = || config("none", [2, 2], 0);
        let class = EncoderInput {
            prefix: 1,
            ..input()
        };
        let error = text(windows(), class);
        let want = "blocks that attend within windows need no prefix tokens, got 1";
        assert_eq!(error, want);
        let reducing = |reducer, stage| {
            let reducers = vec![ReduceAt { reducer, stage }];
            text(windows().with_reducers(reducers), input())
        };
        let mask = AnyReduceConfig::RandomMask(RandomMaskConfig::new(0.5));
        let error = reducing(mask, Stage::BeforeBlock(1));
        assert!(error.contains("need one token per cell"), "{error}");
        let error = text(config("none", [0, 2], 0), input());
        assert!(error.contains("attention window"), "{error}");
    }
}
