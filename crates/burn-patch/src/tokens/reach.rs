//! Which tokens may attend to which, as tokens carry it.

use burn::tensor::{Bool, Int, Tensor};

use crate::ops::Reach;
use crate::tokens::picked::picked;

impl Reach {
    /// Which tokens are real, `[batch, tokens]`; none where all are.
    pub fn valid(&self) -> Option<Tensor<2, Bool>> {
        match self {
            Self::All => None,
            Self::Valid(valid) => Some(valid.clone()),
            Self::Segments { keys, .. } => Some(keys.clone().greater_equal_elem(0)),
        }
    }

    /// That of the tokens at `index` (`[batch, kept]`), in that order.
    pub(crate) fn select(self, index: &Tensor<2, Int>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Valid(valid) => Self::Valid(picked(valid, index)),
            // What was picked is known on the device alone, so the spans of before say nothing of it.
            Self::Segments { queries, keys, .. } => Self::Segments {
                queries: queries.gather(1, index.clone()),
                keys: keys.gather(1, index.clone()),
                spans: None,
            },
        }
    }

    /// That of `prefix` tokens, which every token reaches and which reach every token, and these.
    ///
    /// # Panics
    ///
    /// If segments have a prefix: in a pack, class tokens are ordinary tokens of their segment.
    #[track_caller]
    pub(crate) fn behind_prefix(self, prefix: usize) -> Self {
        match (self, prefix) {
            (reach, 0) => reach,
            (Self::All, _) => Self::All,
            (Self::Valid(valid), _) => {
                let [batch, _] = valid.dims();
                let always = Tensor::<2>::ones([batch, prefix], &valid.device()).greater_elem(0.5);
                Self::Valid(Tensor::cat(vec![always, valid], 1))
            }
            (Self::Segments { .. }, _) => {
                panic!(
                    "segments have no prefix: class tokens of a pack are tokens of their segment"
                )
            }
        }
    }
}
