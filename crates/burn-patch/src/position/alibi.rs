//! Linear biases of distance.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::grid::nonzero;
use crate::or_panic::OrPanic;
use crate::position::offsets::offsets;
use crate::position::position::Position;
use crate::position::refusals::{one_frame, still};
use crate::position::site::Site;
use crate::tokens::{Attend, Layout, PlaceKind, Units, bias_behind_prefix};
use crate::{Error, Noise, Tokens};

const WHAT: &str = "these biases of distance";

/// Configuration of [`AlibiPosition`].
#[derive(Config, Debug)]
pub struct AlibiPositionConfig {}

/// A bias of the scores that falls with the distance between query and key, at another slope in each head; nothing is
/// trained.
///
/// Press et al., [ALiBi](https://arxiv.org/abs/2108.12409), in two dimensions as in Fuller et al.,
/// [CROMA](https://arxiv.org/abs/2311.00566) (`antofuller/CROMA:use_croma.py`, `get_2dalibi`).
///
/// # Shapes
///
/// - tokens on any grid or off it
/// - bias `[1 or batch, heads, prefix + tokens, prefix + tokens]`; 0 for prefix tokens and those without a place
///
/// # Equation
///
/// `bias[h, q, k] = −s_h·‖place of q − place of k‖₂` in cells, `s_h = 2^(−8h/n)` for head `h` from 1 to `n`. Where `n` is no
/// power of two, the slopes are those for the power below, then every other one of those for the power above.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::Noise;
/// use burn_patch::embed::{FlatOrder, patchify};
/// use burn_patch::position::{AlibiPositionConfig, Position, Site};
///
/// let device = Device::flex();
/// let position = AlibiPositionConfig::new().init(&Site::new([1, 2], 4).with_blocks(12, 2), &device);
/// let tokens = patchify(Tensor::zeros([1, 1, 2, 4], &device), [2, 2], FlatOrder::default()).unwrap();
/// let bias = position.attend(&tokens, 0, &mut Noise::None).bias.unwrap();
/// let want = [[[[0.0f32, -0.0625], [-0.0625, 0.0]], [[0.0, -0.00390625], [-0.00390625, 0.0]]]];
/// bias.into_data().assert_eq(&want.into(), true);
/// ```
#[derive(Module, Debug)]
pub struct AlibiPosition {
    #[module(skip)]
    slopes: Vec<f64>,
}

impl AlibiPositionConfig {
    /// Builds the module.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for no heads, [`Error::Place`] for a clip.
    pub fn try_init(&self, site: &Site, _: &Device) -> Result<AlibiPosition, Error> {
        nonzero("heads", &[site.heads])?;
        still(WHAT, site)?;
        Ok(AlibiPosition {
            slopes: slopes(site.heads),
        })
    }

    /// Builds the module.
    ///
    /// # Panics
    ///
    /// With the text of [`try_init`](Self::try_init)'s error.
    #[track_caller]
    pub fn init(&self, site: &Site, device: &Device) -> AlibiPosition {
        self.try_init(site, device).or_panic()
    }
}

impl Position for AlibiPosition {
    fn check(&self, layout: &Layout, _: PlaceKind, _: usize) -> Result<(), Error> {
        one_frame(WHAT, layout)
    }

    fn attends(&self) -> bool {
        true
    }

    fn attend(&self, tokens: &Tokens, _: usize, _: &mut Noise<'_>) -> Attend {
        let prefix = tokens.prefix();
        self.check(tokens.layout(), tokens.places().kind(), prefix)
            .or_panic();
        let [y, x] = offsets(tokens, Units::Cells);
        let squares = y.clone() * y + x.clone() * x;
        // The root of 0 has no gradient, which places that are trained would get.
        let same = squares.clone().equal_elem(0.0);
        let distance = squares.mask_fill(same.clone(), 1.0).sqrt();
        let distance = distance.mask_fill(same, 0.0).unsqueeze_dim::<4>(1);
        let slopes = TensorData::new(self.slopes.clone(), [1, self.slopes.len(), 1, 1]);
        let slopes = Tensor::from_data(slopes, (&distance.device(), distance.dtype()));
        Attend {
            bias: Some(bias_behind_prefix(
                distance * slopes.neg(),
                tokens.placed(),
                prefix,
            )),
            ..Attend::default()
        }
    }
}

/// The slopes of so many heads.
fn slopes(heads: usize) -> Vec<f64> {
    let of_power =
        |power: usize| (1..=power).map(move |head| (-8.0 * head as f64 / power as f64).exp2());
    if heads.is_power_of_two() {
        return of_power(heads).collect();
    }
    let above = heads.next_power_of_two();
    let below = above / 2;
    let more = of_power(above).step_by(2).take(heads - below);
    of_power(below).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;

    fn position(device: &Device) -> AlibiPosition {
        AlibiPositionConfig::new().init(&Site::new([2, 3], 1).with_blocks(1, 2), device)
    }

    fn boxes(boxes: Tensor<3>) -> Tokens {
        let [batch, count, _] = boxes.dims();
        let grid = Window::patch([2, 2], Default::default());
        let grid = grid.layout([4, 6]).unwrap();
        Tokens::off_grid(
            Tensor::zeros([batch, count, 1], &boxes.device()),
            grid,
            boxes,
        )
    }

    #[test]
    fn slopes_of_twelve_heads_are_those_of_eight_and_every_other_of_sixteen() {
        let [eight, twelve, sixteen] = [8, 12, 16].map(slopes);
        assert_eq!(twelve[..8], eight);
        assert_eq!(twelve[8..], [0, 2, 4, 6].map(|head| sixteen[head]));
        assert_eq!((eight[0], eight[7]), (0.5, 2f64.powi(-8)));
    }

    #[test]
    fn moving_all_tokens_changes_nothing() {
        let device = Device::flex();
        let places = [[1.0f32, 1.0, 2.0, 2.0], [4.0, 5.0, 1.0, 4.0]];
        let moved = places.map(|[y, x, height, width]| [y + 0.5, x - 3.0, height, width]);
        let [here, there] = [places, moved].map(|places| {
            let tokens = boxes(Tensor::from_floats([places], &device));
            let attend = position(&device).attend(&tokens, 0, &mut Noise::None);
            attend.bias.unwrap().into_data()
        });
        here.assert_eq(&there, true);
        // A cell and a half down and two to the right.
        assert_eq!(here.try_to_vec_as::<f32>().unwrap()[1], -2.5 / 16.0);
    }

    #[cfg(feature = "autodiff")]
    #[test]
    fn places_that_are_trained_get_finite_gradients() {
        let device = Device::flex().autodiff();
        let places = [[1.0f32, 1.0, 2.0, 2.0], [4.0, 5.0, 1.0, 4.0]];
        let places = Tensor::from_floats([places], &device).require_grad();
        let tokens = boxes(places.clone());
        let attend = position(&device).attend(&tokens, 0, &mut Noise::None);
        let grads = attend.bias.unwrap().sum().backward();
        let grad = places.grad(&grads).unwrap().into_data();
        let grad: Vec<f32> = grad.try_to_vec_as().unwrap();
        // Both heads, both ways: (1/16 + 1/256)·2 along (1.5, 2)/2.5, of pixels two to a cell.
        let along = (0.0625 + 0.003_906_25) * 2.0 / 2.0;
        for (got, want) in grad.iter().zip([0.6 * along, 0.8 * along, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{grad:?}");
        }
    }
}
