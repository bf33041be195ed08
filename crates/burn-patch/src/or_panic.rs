//! From an error to a panic that names the caller's line.

use std::fmt::Display;

/// What `init`, `forward` and the like end with, which panic where `try_init` and `layout` return an error.
///
/// They are `#[track_caller]` themselves, down from the public function, so that the panic's place is where that was
/// called.
pub trait OrPanic<T> {
    /// The value, or a panic with the error's text.
    #[track_caller]
    fn or_panic(self) -> T;
}

impl<T, E: Display> OrPanic<T> for Result<T, E> {
    fn or_panic(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{AnyPatchEmbedConfig, EMBEDDINGS, PatchEmbed, PyramidPatchEmbedConfig};
    use crate::grid::{Remainder, Window};
    use crate::position::{LearnedPositionConfig, Position, Site};
    use crate::reduce::{AnyReduceConfig, REDUCERS, RandomMask, Reduce, Seen};
    use crate::{Error, Noise, Tokens};
    use burn::tensor::{Device, Tensor};
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
    fn the_panic_has_the_errors_text_and_the_callers_line() {
        let error = || Error::MaskRatio { got: 1.0 };
        let got = panic_of(|| Err::<(), _>(error()).or_panic());
        assert_eq!(got, (line!() - 1, error().to_string()));
        let got = panic_of(|| RandomMask::new(1.0));
        assert_eq!(got, (line!() - 1, error().to_string()));
    }

    #[test]
    fn every_embedding_panics_at_its_callers_line() {
        let device = Device::flex();
        let images = || Tensor::<4>::zeros([1, 2, 32, 32], &device);
        for entry in EMBEDDINGS {
            let config = |dim| AnyPatchEmbedConfig::for_stride(entry.name, [16, 16], 3, dim);
            let (line, _) = panic_of(|| config(0).unwrap().init(&device));
            assert_eq!(line, line!() - 1, "{}", entry.name);
            let embed = config(8).unwrap().init(&device);
            let (line, text) = panic_of(|| embed.forward(images()));
            assert_eq!(line, line!() - 1, "{}", entry.name);
            let error = Error::Channels {
                expected: 3,
                got: 2,
            };
            assert_eq!(text, error.to_string(), "{}", entry.name);
            let cells = Tensor::from_ints([[0]], &device);
            let (line, _) = panic_of(|| embed.forward_visible(images(), cells));
            assert_eq!(line, line!() - 1, "{}", entry.name);
        }
    }

    #[test]
    fn every_reducer_panics_at_its_callers_line() {
        let device = Device::flex();
        let grid = Window::patch([4, 4], Remainder::Reject).layout([8, 8]);
        let tokens = Tokens::from_grid(Tensor::zeros([1, 4, 6], &device), grid.unwrap());
        for entry in REDUCERS {
            let config = |tokens, dim| AnyReduceConfig::for_tokens(entry.name, tokens, dim);
            // A grid mask has no setting of tokens or width that could be wrong.
            if entry.name == "grid-mask" {
                continue;
            }
            let (line, _) = panic_of(|| config(0, 0).unwrap().init(&device));
            assert_eq!(line, line!() - 1, "{}", entry.name);
            // Without noise there is no patch dropout, so nothing that could go wrong.
            if entry.name == "patch-dropout" {
                continue;
            }
            let reduce = config(2, 8).unwrap().init(&device);
            let (tokens, seen, mut noise) = (tokens.clone(), Seen::Tokens, Noise::None);
            let (line, _) = panic_of(|| reduce.reduce(tokens, seen, 0, &mut noise));
            assert_eq!(line, line!() - 1, "{}", entry.name);
        }
    }

    #[test]
    fn what_functions_call_on_their_way_does_not_hide_the_callers_line() {
        let device = Device::flex();
        let pyramid = PyramidPatchEmbedConfig::for_stride([4, 4], 3, 8).init(&device);
        let images = Tensor::zeros([1, 3, 9, 9], &device);
        let (line, _) = panic_of(|| pyramid.forward_levels(images));
        assert_eq!(line, line!() - 1);
        let grid = Window::patch([4, 4], Remainder::Reject).layout([8, 8]);
        let tokens = Tokens::from_grid(Tensor::zeros([1, 4, 8], &device), grid.unwrap());
        let (line, _) = panic_of(|| RandomMask::new(0.5).apply(tokens.clone(), &[]));
        assert_eq!(line, line!() - 1);
        let position = LearnedPositionConfig::new().init(&Site::new([2, 3], 8), &device);
        let (line, _) = panic_of(|| position.add(tokens, 0));
        assert_eq!(line, line!() - 1);
    }
}
