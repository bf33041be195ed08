//! Patches left out while training.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Device;

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::reduce::mask::kept::{Kept, check_ratio, kept_of, picked};
use crate::reduce::reduce::{Reduce, Reduced, Seen};
use crate::tokens::PlaceKind;
use crate::{Error, Noise, Tokens};

/// Configuration of [`PatchDropout`].
#[derive(Config, Debug)]
pub struct PatchDropoutConfig {
    /// Share of the patch tokens that is dropped, in `[0, 1)`.
    pub rate: f64,
    /// Tokens to keep whatever the rate; none: by the rate.
    pub keep: Option<usize>,
    /// Whether the tokens that stay keep their order; else they stand in ascending order of noise.
    #[config(default = false)]
    pub ordered: bool,
}

/// Leaves some patches out of each image while training.
///
/// Liu et al., [PatchDropout](https://arxiv.org/abs/2208.07220); Li et al.,
/// [Scaling Language-Image Pre-training](https://arxiv.org/abs/2212.00794), where it stands before the first block;
/// `timm/layers/patch_dropout.py` (`PatchDropoutWithIndices`): `n = max(1, int(L·(1 − p)))` in double precision, tokens
/// in ascending order of noise, the first `n` of them kept and nothing rescaled.
///
/// # Shapes
///
/// - tokens `[batch, prefix + tokens, dim]`, behind their positions
/// - with noise (training) `[batch, prefix + n, dim]`; without (prediction) the same tokens
///
/// Tokens that stay know which cell they came from, so positions within attention still fit.
///
/// # Departures
///
/// The noise comes from the host. Equal noise keeps the lower index first. Padding of a ragged batch is drawn like
/// any other token.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::reduce::{PatchDropoutConfig, Reduce, Seen};
///
/// let device = Device::flex();
/// let dropout = PatchDropoutConfig::new(0.5).init(&device);
/// let tokens = patchify(Tensor::ones([1, 1, 4, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let trained = dropout.reduce(tokens.clone(), Seen::Tokens, 0, &mut Noise::from(&[0.9, 0.1, 0.3, 0.7]));
/// assert_eq!(trained.tokens.tokens(), 2);
/// let predicted = dropout.reduce(tokens, Seen::Tokens, 0, &mut Noise::None);
/// assert_eq!(predicted.tokens.tokens(), 4);
/// ```
#[derive(Module, Debug)]
pub struct PatchDropout {
    rate: f64,
    keep: Option<usize>,
    ordered: bool,
}

impl PatchDropoutConfig {
    /// Keeps `tokens` tokens, of any width, while training.
    pub fn for_tokens(tokens: usize, _dim: usize) -> Self {
        Self::new(0.0).with_keep(Some(tokens))
    }

    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::MaskRatio`] outside `[0, 1)`, [`Error::Zero`] for no token to keep.
    pub fn try_init(&self, _device: &Device) -> Result<PatchDropout, Error> {
        check_ratio(self.rate)?;
        nonzero("tokens to keep", &[self.keep.unwrap_or(1)])?;
        Ok(PatchDropout {
            rate: self.rate,
            keep: self.keep,
            ordered: self.ordered,
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, device: &Device) -> PatchDropout {
        self.try_init(device).or_panic()
    }
}

impl PatchDropout {
    /// How many of `tokens` stay while training.
    pub fn kept(&self, tokens: usize) -> usize {
        let kept = self.keep.unwrap_or_else(|| kept_of(tokens, self.rate));
        kept.min(tokens)
    }
}

impl Reduce for PatchDropout {
    fn output(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(tokens)
    }

    fn output_with_noise(&self, tokens: usize, _: usize) -> Result<usize, Error> {
        Ok(self.kept(tokens))
    }

    fn places(&self, places: PlaceKind) -> Result<PlaceKind, Error> {
        Ok(picked(places))
    }

    fn noise(&self, batch: usize, tokens: usize) -> usize {
        batch * tokens
    }

    fn reduce(&self, tokens: Tokens, _: Seen, _: usize, noise: &mut Noise<'_>) -> Reduced {
        if noise.is_none() {
            return Reduced::unchanged(tokens);
        }
        let (batch, count) = (tokens.batch(), tokens.tokens());
        let noise = noise.take("patch dropout", batch * count).or_panic();
        let kept = Kept::least_noise(&noise, [batch, count, self.kept(count)]).or_panic();
        match self.ordered {
            true => kept.ascending().reduce(tokens),
            false => kept.reduce(tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Remainder, Window};
    use crate::tokens::Places;
    use burn::tensor::{Distribution, Tensor};
    use rstest::rstest;

    fn tokens(device: &Device) -> Tokens {
        let window = Window::patch([1, 1], Remainder::Reject);
        let draw = Tensor::random([2, 6, 3], Distribution::Default, device);
        Tokens::from_grid(draw, window.layout([2, 3]).unwrap())
    }

    const NOISE: [f32; 12] = [0.5, 0.1, 0.9, 0.2, 0.1, 0.8, 0.6, 0.7, 0.1, 0.3, 0.2, 0.4];

    #[rstest]
    #[case(false, [[1, 4, 3], [2, 4, 3]])]
    #[case(true, [[1, 3, 4], [2, 3, 4]])]
    fn the_tokens_with_the_least_noise_stay_and_know_their_cell(
        #[case] ordered: bool,
        #[case] want: [[i64; 3]; 2],
    ) {
        let device = Device::flex();
        let config = PatchDropoutConfig::new(0.5).with_ordered(ordered);
        let dropout = config.init(&device);
        let mut noise = Noise::from(&NOISE);
        let reduced = dropout.reduce(tokens(&device), Seen::Tokens, 0, &mut noise);
        let Places::Picked(cells) = reduced.tokens.places() else {
            panic!("picked cells, got {:?}", reduced.tokens.places().kind());
        };
        let cells = cells.clone().into_data().convert::<i64>();
        cells.assert_eq(&want.into(), true);
    }

    #[test]
    fn without_noise_nothing_is_dropped_and_all_leads_back_to_itself() {
        let device = Device::flex();
        let dropout = PatchDropoutConfig::new(0.9).init(&device);
        let all = tokens(&device);
        let reduced = dropout.reduce(all.clone(), Seen::Tokens, 0, &mut Noise::None);
        assert!(reduced.tokens.is_whole_grid());
        let back = reduced.restore.unwrap().apply(reduced.tokens, None);
        let [back, all] = [back, all].map(|tokens| tokens.into_embeddings().into_data());
        back.assert_eq(&all, true);
    }

    #[test]
    fn one_token_stays_of_few_and_a_rate_of_one_is_an_error() {
        let device = Device::flex();
        assert_eq!(PatchDropoutConfig::new(0.9).init(&device).kept(5), 1);
        assert_eq!(PatchDropoutConfig::new(0.5).init(&device).kept(5), 2);
        let error = PatchDropoutConfig::new(1.0).try_init(&device).unwrap_err();
        assert_eq!(error, Error::MaskRatio { got: 1.0 });
    }
}
