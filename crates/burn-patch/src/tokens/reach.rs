//! Which tokens may attend to which.

use burn::tensor::{Bool, Int, Tensor};

/// Which tokens may attend to which.
#[derive(Debug, Clone)]
pub enum Reach {
    /// Every token to every other of its image.
    All,
    /// Every token to the real ones, `[batch, tokens]`: a ragged batch, padded.
    Valid(Tensor<2, Bool>),
}

impl Reach {
    /// Which tokens are real, `[batch, tokens]`; none where all are.
    pub fn valid(&self) -> Option<Tensor<2, Bool>> {
        match self {
            Self::All => None,
            Self::Valid(valid) => Some(valid.clone()),
        }
    }

    /// That of the tokens at `index` (`[batch, kept]`), in that order.
    pub(crate) fn select(self, index: &Tensor<2, Int>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Valid(valid) => {
                Self::Valid(valid.float().gather(1, index.clone()).greater_elem(0.5))
            }
        }
    }

    /// That of `prefix` tokens which every token reaches, and these.
    pub(crate) fn behind_prefix(self, prefix: usize) -> Self {
        match (self, prefix) {
            (reach, 0) => reach,
            (Self::All, _) => Self::All,
            (Self::Valid(valid), _) => {
                let [batch, _] = valid.dims();
                let always = Tensor::<2>::ones([batch, prefix], &valid.device()).greater_elem(0.5);
                Self::Valid(Tensor::cat(vec![always, valid], 1))
            }
        }
    }
}
