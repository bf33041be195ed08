//! The one error type of this crate.

use burn_patch::reduce::Sees;

/// Why a model cannot be built or fed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A list of a hierarchical backbone with another number of stages than the first.
    #[error("{what}: expected one for each of {expected} stages, got {got}")]
    Stages {
        /// The list.
        what: &'static str,
        /// Stages.
        expected: usize,
        /// Its length.
        got: usize,
    },
    /// A patch embedding, position, reducer or mask refuses.
    #[error(transparent)]
    Patch(#[from] burn_patch::Error),
    /// Heads that do not divide the width.
    #[error("expected a number of heads that divides the width {dim}, got {heads}")]
    Heads {
        /// Width of the tokens.
        dim: usize,
        /// Heads asked for.
        heads: usize,
    },
    /// A class token is pooled, or its attention decides which tokens are kept, but there is none.
    #[error(
        "pooling by class token and pruning by its attention need one; expected a prefix with a class token, got none"
    )]
    NoClassToken,
    /// A distilled head without a distillation token behind a pooled class token.
    #[error(
        "a distilled head needs a distillation token and pooling by class token; expected both in the config"
    )]
    NoDistillationToken,
    /// A patch of one value has no variance to normalise by.
    #[error("normalised targets need at least 2 values per patch, got 1; use Target::Pixels")]
    SingleValue,
    /// Tokens that have no cell of their own to be masked and predicted.
    #[error("reconstruction needs one token per grid cell, got {got}")]
    NotRestorable {
        /// What has none.
        got: &'static str,
    },
    /// Overlapping windows whose steps do not tile the image, so a decoder has no patches to predict.
    #[error(
        "reconstruction needs steps that tile the image: expected {expected:?} px, got an image of {got:?} px"
    )]
    Untiled {
        /// Rows and columns times their stride.
        expected: [usize; 2],
        /// The image size.
        got: [usize; 2],
    },
    /// Windows that leave pixels unread, so a decoder that predicts windows cannot paint them.
    #[error(
        "reconstruction of windows needs windows that read every pixel, got an image of {got:?} px with {unread} \
         rows and columns that none reads"
    )]
    Unread {
        /// Rows and columns that no window reads.
        unread: usize,
        /// The image size.
        got: [usize; 2],
    },
    /// A reducer in a block that is not there.
    #[error("expected a reducer in one of {depth} blocks, counted from 0, got block {got}")]
    ReduceBlock {
        /// Number of blocks.
        depth: usize,
        /// The block asked for.
        got: usize,
    },
    /// Two reducers behind the attention of one block.
    #[error("expected one reducer behind the attention of block {block}, got several")]
    ReduceTwice {
        /// The block.
        block: usize,
    },
    /// A reducer that must see something of the attention, before a block.
    #[error(
        "this reducer sees {sees:?}; expected it behind a block's attention, got it before a block"
    )]
    ReduceSees {
        /// What it sees.
        sees: Sees,
    },
    /// Positions that do not tell the images of a row apart.
    #[error(
        "these positions do not take packs; expected some that do (learned, sines and cosines), or images in a padded \
         batch (`forward_padded`)"
    )]
    PackedPositions,
    /// Tokens that do not lie in windows.
    #[error("blocks that attend within windows need {expected}, got {got}")]
    Windows {
        /// What they need.
        expected: &'static str,
        /// What they were given.
        got: String,
    },
    /// Reducers where images share rows: they would choose among the tokens of several, or mix them.
    #[error(
        "a pack takes no reducers, got {got}; expected none, or images in a padded batch (`forward_padded`)"
    )]
    PackedReducers {
        /// How many there are.
        got: usize,
    },
    /// A reducer that gives tokens of another width than the blocks'.
    #[error("expected a reducer that gives tokens of width {expected}, got {got}")]
    ReducedWidth {
        /// Width of the tokens.
        expected: usize,
        /// Width that the reducer gives.
        got: usize,
    },
}

#[cfg(test)]
mod tests {
    use crate::{EncoderConfig, MaeConfig, VitConfig};
    use burn::tensor::{Device, Tensor};
    use burn_patch::embed::LinearPatchEmbedConfig;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
    use std::sync::Once;

    thread_local!(static LINE: Cell<u32> = const { Cell::new(0) });

    /// Runs what must panic: the line in this file, 0 if it is in another, and the text.
    fn panic_of<T>(run: impl FnOnce() -> T) -> (u32, String) {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = take_hook();
            set_hook(Box::new(move |info| {
                let place = info.location().filter(|place| place.file() == file!());
                LINE.set(place.map_or(0, |place| place.line()));
                before(info);
            }));
        });
        let caught = catch_unwind(AssertUnwindSafe(|| drop(run())));
        let payload = caught.expect_err("a panic");
        let text = payload.downcast_ref::<String>();
        (LINE.get(), text.expect("a formatted text").clone())
    }

    #[test]
    fn models_panic_with_the_errors_text_at_the_callers_line() {
        let device = Device::flex();
        let embed = || LinearPatchEmbedConfig::new([4, 4], 1, 8).init(&device);
        let vit = |height| VitConfig::new([height, 8], EncoderConfig::new(1, 2));
        let error = vit(9).try_init(embed(), &device).unwrap_err().to_string();
        let got = panic_of(|| vit(9).init(embed(), &device));
        assert_eq!(got, (line!() - 1, error.clone()));
        let got = panic_of(|| MaeConfig::new(vit(9), 8, 1, 2).init(embed(), &device));
        assert_eq!(got, (line!() - 1, error.clone()));

        let images = || Tensor::<4>::zeros([1, 1, 9, 8], &device);
        let model = vit(8).init(embed(), &device);
        let got = panic_of(|| model.forward(images()));
        assert_eq!(got, (line!() - 1, error.clone()));
        let got = panic_of(|| model.forward(images().slice_dim(2, ..4)).dims());
        assert_eq!(got.0, line!() - 1);
        let model = MaeConfig::new(vit(8), 8, 1, 2).init(embed(), &device);
        let got = panic_of(|| model.forward(images(), &[0.0; 4]));
        assert_eq!(got, (line!() - 1, error.clone()));
        let got = panic_of(|| model.target(images()));
        assert_eq!(got.0, line!() - 1);
    }
}
