//! What to keep of the blocks on the way.

/// Which intermediate results an encoder gives besides its last: timm's `forward_intermediates`, DINOv2's
/// `get_intermediate_layers` and its attention maps. Blocks are counted from 0.
///
/// ```
/// use burn_vit::Taps;
///
/// let taps: Taps = (&[2, 5]).into();
/// assert!(!taps.normed && taps.attention.is_empty());
/// let taps = Taps { normed: true, attention: vec![11], ..taps };
/// assert_eq!(taps.blocks, [2, 5]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taps {
    /// The blocks whose tokens are wanted, in ascending order.
    pub blocks: Vec<usize>,
    /// Whether those tokens pass the encoder's norm, as its result does.
    pub normed: bool,
    /// The blocks whose attention weights are wanted, in ascending order. Each costs one more projection of its tokens.
    pub attention: Vec<usize>,
}

impl From<&[usize]> for Taps {
    fn from(blocks: &[usize]) -> Self {
        Self {
            blocks: blocks.to_vec(),
            ..Self::default()
        }
    }
}

impl<const N: usize> From<&[usize; N]> for Taps {
    fn from(blocks: &[usize; N]) -> Self {
        blocks.as_slice().into()
    }
}

impl Taps {
    /// Panics if there are fewer blocks than it names.
    #[track_caller]
    pub(super) fn check(&self, blocks: usize) {
        for taps in [&self.blocks, &self.attention] {
            assert!(
                taps.iter().all(|tap| *tap < blocks),
                "taps: expected some of {blocks} blocks, counted from 0, got {taps:?}"
            );
        }
    }
}
