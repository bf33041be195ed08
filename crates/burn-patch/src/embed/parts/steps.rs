//! The window that several convolutions make together.

use crate::Error;
use crate::grid::{PatchGrid, Remainder, Window};

/// Windows over an image, composed step by step, where a step's window may depend on the map before it.
pub(crate) struct Steps {
    size: [usize; 2],
    map: [usize; 2],
    whole: Window,
}

impl Steps {
    /// No step yet: the map is the image of `size`.
    pub(crate) fn over(size: [usize; 2]) -> Self {
        Self {
            size,
            map: size,
            whole: Window::patch([1, 1], Remainder::Floor),
        }
    }

    /// Size of the map so far, `[rows, cols]`.
    pub(crate) fn map(&self) -> [usize; 2] {
        self.map
    }

    /// One more step over the map.
    ///
    /// # Errors
    ///
    /// Those of [`Window::layout`], in pixels of the image and windows of all steps together.
    pub(crate) fn then(self, step: &Window) -> Result<Self, Error> {
        let grid = step.layout(self.map).map_err(|error| {
            let whole = self.whole.then(step);
            match error {
                Error::SmallerThanPatch { .. } => Error::SmallerThanPatch {
                    got: self.size,
                    kernel: whole.kernel,
                },
                Error::Remainder { left, .. } => Error::Remainder {
                    got: self.size,
                    left: [0, 1].map(|axis| left[axis] * self.whole.stride[axis]),
                    kernel: whole.kernel,
                    stride: whole.stride,
                },
                other => other,
            }
        })?;
        Ok(Self {
            size: self.size,
            map: [grid.rows, grid.cols],
            whole: self.whole.then(&grid.window),
        })
    }

    /// The grid of all steps over the image.
    ///
    /// # Errors
    ///
    /// Those of [`Window::layout`].
    pub(crate) fn grid(&self) -> Result<PatchGrid, Error> {
        self.whole.layout(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_the_grid_of_their_last_map() {
        let stem = Window::symmetric([3, 3], [2, 2], [1, 1]);
        for height in 3..40 {
            let patches = Window::patch([3, 1], Remainder::Pad);
            let steps = Steps::over([height, 9]).then(&stem).unwrap();
            let steps = steps.then(&stem).unwrap().then(&patches).unwrap();
            let grid = steps.grid().unwrap();
            assert_eq!([grid.rows, grid.cols], steps.map());
            assert_eq!(grid.window.stride, [12, 4]);
        }
    }

    #[test]
    fn an_error_speaks_of_the_image_and_of_all_steps() {
        let stem = Window::patch([4, 4], Remainder::Floor);
        let map = || Steps::over([20, 16]).then(&stem).unwrap();
        let odd = map().then(&Window::patch([2, 2], Remainder::Reject)).err();
        assert_eq!(
            odd,
            Some(Error::Remainder {
                got: [20, 16],
                left: [4, 0],
                kernel: [8, 8],
                stride: [8, 8]
            })
        );
        let large = map().then(&Window::patch([8, 2], Remainder::Floor)).err();
        assert_eq!(
            large,
            Some(Error::SmallerThanPatch {
                got: [20, 16],
                kernel: [32, 8]
            })
        );
    }
}
