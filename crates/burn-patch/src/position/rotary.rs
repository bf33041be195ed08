//! What rotary encodings share: settings checked, places, and the rotation by their angles.

use burn::tensor::{DType, Tensor, TensorData};

use crate::grid::{PatchGrid, nonzero};
use crate::position::site::Site;
use crate::tokens::{Places, Rotation, RotationPairs, Units};
use crate::{Error, Tokens};

/// A coordinate of a place along an axis, `(place + before)·step`: what cancels is subtracted first, where it is exact.
#[derive(Clone, Copy)]
pub(crate) struct Coordinate {
    pub(crate) before: f64,
    pub(crate) step: f64,
}

/// The width of a head, which must be a multiple of `divisor` for `what`.
pub(crate) fn head_width(what: &'static str, site: &Site, divisor: usize) -> Result<usize, Error> {
    nonzero("dim", &[site.dim])?;
    nonzero("heads", &[site.heads])?;
    if !site.dim.is_multiple_of(site.heads) {
        return Err(Error::Indivisible {
            what: "heads of rotary positions",
            divisor: site.heads,
            got: site.dim,
        });
    }
    let got = site.dim / site.heads;
    match got.is_multiple_of(divisor) {
        true => Ok(got),
        false => Err(Error::Indivisible { what, divisor, got }),
    }
}

/// A finite number that is at least `least`, or above it if `above`.
pub(crate) fn in_range(
    what: &'static str,
    got: f64,
    least: f64,
    above: bool,
) -> Result<f64, Error> {
    let good = got.is_finite() && got >= least && !(above && got == least);
    let word = if above { "above" } else { "of at least" };
    let expected = format!("a finite number {word} {least}");
    good.then_some(got).ok_or(Error::Range {
        what,
        expected,
        got,
    })
}

/// `θ^(−i/count)` for each `i < count`.
pub(crate) fn powers(theta: f64, count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| theta.powf(-(i as f64) / count as f64))
}

/// Coordinates in cells, `[1 or batch, tokens, axes]`; those of padding off the grid are 0, whatever it holds.
pub(crate) fn places(tokens: &Tokens) -> Tensor<3> {
    let places = tokens.coordinates(Units::Cells);
    match (tokens.places(), tokens.valid()) {
        (Places::Boxes(_), Some(valid)) => {
            let [batch, count, axes] = places.dims();
            let padding = valid.bool_not().reshape([batch, count, 1]);
            places.mask_fill(padding.expand([batch, count, axes]), 0.0)
        }
        _ => places,
    }
}

/// The coordinates that `axes` makes of the rows and columns of a grid, for each token, `[1 or batch, tokens, 2]`.
pub(crate) fn coordinates(
    tokens: &Tokens,
    axes: impl Fn(&PatchGrid) -> [Coordinate; 2],
) -> Tensor<3> {
    let places = places(tokens);
    let each: Vec<[Coordinate; 2]> = tokens.layout().grids().iter().map(axes).collect();
    let part = |part: fn(&Coordinate) -> f64| {
        let values: Vec<f64> = each.iter().flatten().map(part).collect();
        let data = TensorData::new(values, [each.len(), 1, 2]);
        let table = Tensor::<3>::from_data(data, (&places.device(), places.dtype()));
        tokens.by_grid(table)
    };
    let (before, step) = (part(|axis| axis.before), part(|axis| axis.step));
    (places + before) * step
}

/// The rotation by `angles` (`[1 or batch, 1 or heads, tokens, width/2]`), none for the prefix and for tokens without a
/// place.
pub(crate) fn rotation(tokens: &Tokens, angles: Tensor<4>, pairs: RotationPairs) -> Rotation {
    let (angles, prefix) = (where_placed(tokens, angles), tokens.prefix());
    let [batch, heads, count, half] = angles.dims();
    let both = |part: Tensor<4>| match pairs {
        RotationPairs::Halves => Tensor::cat(vec![part.clone(), part], 3),
        RotationPairs::Interleaved => part
            .reshape([batch, heads, count, half, 1])
            .expand([batch, heads, count, half, 2])
            .reshape([batch, heads, count, 2 * half]),
    };
    let behind = |part: Tensor<4>, fill: f64| {
        let options = (&part.device(), part.dtype());
        let front = Tensor::full([batch, heads, prefix, 2 * half], fill, options);
        match prefix {
            0 => part,
            _ => Tensor::cat(vec![front, part], 2),
        }
    };
    Rotation {
        cos: behind(both(angles.clone().cos()), 1.0),
        sin: behind(both(angles.sin()), 0.0),
        pairs,
    }
}

/// The angles, and 0 for tokens without a place: 0 need not be the angle of the place 0.
fn where_placed(tokens: &Tokens, angles: Tensor<4>) -> Tensor<4> {
    let Some(placed) = tokens.placed() else {
        return angles;
    };
    let [_, heads, count, half] = angles.dims();
    let all = [tokens.batch(), heads, count, half];
    let hidden = placed.bool_not().reshape([tokens.batch(), 1, count, 1]);
    angles.expand(all).mask_fill(hidden.expand(all), 0.0)
}

/// Host values as a tensor in single precision.
pub(crate) fn table<const D: usize>(
    values: Vec<f64>,
    shape: [usize; D],
    device: &burn::tensor::Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Noise;
    use crate::grid::Window;
    use crate::ops::gather_rows;
    use crate::position::catalogue::{AnyPosition, AnyPositionConfig};
    use crate::position::position::Position;
    use crate::tokens::Layout;
    use burn::tensor::{Device, Distribution, Tolerance};

    const ROTARY: [&str; 4] = ["rotary-axial", "rotary-mixed", "rotary-dinov3", "m-rope"];
    const HEADS: usize = 2;
    const DIM: usize = 24;
    /// The block that is asked, of as many and one.
    const BLOCK: usize = 1;

    fn grid(size: [usize; 2]) -> PatchGrid {
        Window::patch([2, 4], Default::default())
            .layout(size)
            .unwrap()
    }

    /// Two images of 3 × 4 cells behind two prefix tokens.
    fn tokens(device: &Device) -> Tokens {
        Tokens::from_grid(Tensor::zeros([2, 12, DIM], device), grid([6, 16]))
            .with_prefix(Tensor::zeros([1, 2, DIM], device))
    }

    fn each(check: impl Fn(&str, AnyPosition, &Device)) {
        let device = Device::flex();
        let site = Site::over(&grid([6, 16]), DIM)
            .with_prefix(2)
            .with_blocks(BLOCK + 1, HEADS);
        for name in ROTARY {
            let config = AnyPositionConfig::by_name(name).unwrap();
            check(name, config.init(&site, &device), &device);
        }
    }

    fn rotation_of(position: &AnyPosition, tokens: &Tokens) -> Rotation {
        let attend = position.attend(tokens, BLOCK, &mut Noise::None);
        assert!(attend.bias.is_none() && attend.key_bias.is_none());
        attend.rotation.unwrap()
    }

    fn assert_same(name: &str, got: &Rotation, want: &Rotation) {
        for (got, want) in [(&got.cos, &want.cos), (&got.sin, &want.sin)] {
            assert_eq!(got.dims()[1..], want.dims()[1..], "{name}");
            let want = want.clone().expand(got.dims()).into_data();
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 1e-5);
            got.clone().into_data().assert_approx_eq(&want, tolerance);
        }
    }

    fn random_boxes(device: &Device) -> Tensor<3> {
        Tensor::random([2, 12, 4], Distribution::Uniform(0.0, 16.0), device)
    }

    #[test]
    fn scores_do_not_change_when_all_places_move_alike() {
        each(|name, position, device| {
            let boxes = random_boxes(device);
            let moved = Tensor::<1>::from_floats([5.0, -3.0, 0.0, 0.0], device);
            let moved = boxes.clone() + moved.reshape([1, 1, 4]);
            let draw = || Tensor::<3>::random([2, 12, DIM], Distribution::Default, device);
            let (query, key) = (draw(), draw());
            let plain = tokens(device).patch_embeddings();
            let scores = |boxes: Tensor<3>| {
                let tokens = Tokens::off_grid(plain.clone(), grid([6, 16]), boxes);
                let rotation = rotation_of(&position, &tokens);
                let [query, key] = [&query, &key].map(|x| {
                    let turned = rotation.apply(x.clone(), HEADS);
                    turned.reshape([2, 12, HEADS, DIM / HEADS]).swap_dims(1, 2)
                });
                query.matmul(key.transpose())
            };
            let (before, after) = (scores(boxes.clone()), scores(moved));
            let tolerance = Tolerance::<f32>::rel_abs(1e-5, 2e-5);
            before
                .clone()
                .into_data()
                .assert_approx_eq(&after.into_data(), tolerance);
            // Other places, other scores: the identity is no accident of a rotation that does nothing.
            let apart = before - scores(boxes * 0.5);
            assert!(apart.abs().max().into_scalar::<f32>() > 1e-2, "{name}");
        });
    }

    #[test]
    fn norms_are_kept_and_the_prefix_is_not_turned() {
        each(|name, position, device| {
            let rotation = rotation_of(&position, &tokens(device));
            let x = Tensor::<3>::random([2, 14, DIM], Distribution::Default, device);
            let turned = rotation.apply(x.clone(), HEADS);
            let norms = |x: &Tensor<3>| {
                let heads = x.clone().reshape([2, 14, HEADS, DIM / HEADS]);
                heads.powi_scalar(2).sum_dim(3).into_data()
            };
            norms(&turned).assert_approx_eq(&norms(&x), Tolerance::<f32>::rel_abs(1e-5, 1e-6));
            let apart = (turned - x).abs();
            let prefix = apart.clone().slice_dim(1, ..2).max().into_scalar::<f32>();
            let patches = apart.slice_dim(1, 2..).max().into_scalar::<f32>();
            assert!(
                prefix == 0.0 && patches > 1e-2,
                "{name}: {prefix} {patches}"
            );
        });
    }

    #[test]
    fn dropping_then_turning_equals_turning_then_dropping() {
        each(|name, position, device| {
            let all = tokens(device);
            let index = Tensor::from_ints([[7, 0, 3], [2, 11, 2]], device);
            let rows = |part: &Tensor<4>| {
                let [_, heads, count, width] = part.dims();
                let patches = part.clone().expand([2, heads, count, width]);
                let rows = patches.slice_dim(2, 2..).swap_dims(1, 2);
                let rows = rows.reshape([2, count - 2, heads * width]);
                let rows = gather_rows(rows, index.clone());
                rows.reshape([2, 3, heads, width]).swap_dims(1, 2)
            };
            let before = rotation_of(&position, &all);
            let after = rotation_of(&position, &all.clone().select(index.clone()));
            for (before, after) in [(&before.cos, &after.cos), (&before.sin, &after.sin)] {
                let after = after.clone().slice_dim(2, 2..).into_data();
                after.assert_eq(&rows(before).into_data(), true);
            }
            assert_eq!(after.cos.dims()[2], 5, "{name}");
        });
    }

    #[test]
    fn a_box_over_a_cell_turns_as_the_cell() {
        each(|name, position, device| {
            let on = tokens(device);
            let off = on.clone().with_places(Places::Boxes(on.boxes_px()));
            let [on, off] = [on, off].map(|tokens| rotation_of(&position, &tokens));
            assert_same(name, &off, &on);
        });
    }

    #[test]
    fn padding_off_the_grid_may_hold_anything() {
        each(|name, position, device| {
            let boxes = random_boxes(device);
            let valid = Tensor::<2>::ones([2, 12], device).slice_fill([1..2, 9..12], 0.0);
            let valid = valid.greater_elem(0.5);
            let hidden = valid.clone().bool_not().reshape([2, 12, 1]);
            let lost = boxes.clone().mask_fill(hidden.expand([2, 12, 4]), f32::NAN);
            let [lost, zero] = [lost, boxes].map(|boxes| {
                let tokens = tokens(device).with_places(Places::Boxes(boxes));
                rotation_of(&position, &tokens.with_valid(valid.clone()))
            });
            assert_same(name, &lost, &zero);
            assert!(!lost.cos.is_nan().any().into_scalar::<bool>(), "{name}");
        });
    }

    #[test]
    fn angles_are_of_single_precision_whatever_the_tokens() {
        each(|name, position, device| {
            let single = tokens(device);
            let half = single.clone().map(|embeddings| embeddings.cast(DType::F16));
            let [single, half] = [single, half].map(|tokens| rotation_of(&position, &tokens));
            assert_eq!(half.cos.dtype(), DType::F32, "{name}");
            assert_same(name, &half, &single);
        });
    }

    #[test]
    fn images_with_grids_of_their_own_turn_as_alone() {
        each(|name, position, device| {
            let grids = [grid([6, 16]), grid([8, 8])];
            let zeros = |cells| Tensor::zeros([1, cells, DIM], device);
            let both = Tensor::zeros([2, 12, DIM], device);
            let both = Tokens::new(both, Layout::Each(grids.into()), Places::Cells);
            let both = rotation_of(&position, &both);
            for (image, grid) in grids.into_iter().enumerate() {
                let cells = grid.tokens();
                let alone = Tokens::from_grid(zeros(cells), grid);
                let alone = rotation_of(&position, &alone);
                let part = |part: &Tensor<4>| {
                    let image = part.clone().slice_dim(0, image..image + 1);
                    image.slice_dim(2, ..cells)
                };
                let (cos, sin) = (part(&both.cos), part(&both.sin));
                let pairs = both.pairs;
                assert_same(name, &Rotation { cos, sin, pairs }, &alone);
            }
        });
    }

    #[test]
    fn images_of_a_pack_turn_as_alone_and_tokens_without_a_place_not_at_all() {
        each(|name, position, device| {
            // A class token, the cells of one image, those of another, padding.
            let grids = [grid([6, 16]), grid([8, 8])];
            let cells = [0].into_iter().chain(0..12).chain(0..8).chain([0]);
            let cells = TensorData::new::<i32, _>(cells.collect(), [1, 22]);
            let cells = Places::Picked(Tensor::from_data(cells, device));
            let placed = (0..22).map(|token| token > 0).collect();
            let placed = TensorData::new::<bool, _>(placed, [1, 22]);
            let zeros = |count| Tensor::zeros([1, count, DIM], device);
            let pack = Tokens::new(zeros(22), Layout::Packed(grids.into()), cells)
                .with_reach(crate::tokens::Reach::packed(&[vec![13, 8]], 22, device))
                .with_placed(Tensor::from_data(placed, device));
            let pack = rotation_of(&position, &pack);
            let part = |first: usize, count: usize| Rotation {
                cos: pack.cos.clone().slice_dim(2, first..first + count),
                sin: pack.sin.clone().slice_dim(2, first..first + count),
                pairs: pack.pairs,
            };
            for (first, grid) in [(1, grids[0]), (13, grids[1])] {
                let alone = Tokens::from_grid(zeros(grid.tokens()), grid);
                let alone = rotation_of(&position, &alone);
                assert_same(name, &part(first, grid.tokens()), &alone);
            }
            let class = part(0, 1);
            assert_eq!(class.sin.abs().max().into_scalar::<f32>(), 0.0, "{name}");
            assert_eq!(class.cos.min().into_scalar::<f32>(), 1.0, "{name}");
        });
    }

    #[test]
    fn heads_of_a_width_that_does_not_fit_are_an_error() {
        let device = Device::flex();
        let error = |name: &str, dim, heads| {
            let site = Site::new([2, 2], dim).with_blocks(1, heads);
            let config = AnyPositionConfig::by_name(name).unwrap();
            config.try_init(&site, &device).unwrap_err()
        };
        for name in ["rotary-axial", "rotary-mixed", "rotary-dinov3"] {
            let Error::Indivisible { divisor, got, .. } = error(name, 12, 2) else {
                panic!("{name}");
            };
            assert_eq!((divisor, got), (4, 6), "{name}");
        }
        assert!(matches!(
            error("m-rope", 14, 2),
            Error::Indivisible {
                divisor: 2,
                got: 7,
                ..
            }
        ));
        assert!(matches!(
            error("m-rope", 8, 2),
            Error::Range { got: 4.0, .. }
        ));
        for name in ROTARY {
            let error = error(name, 12, 5);
            let Error::Indivisible { divisor, got, .. } = error else {
                panic!("{name}: {error}");
            };
            assert_eq!((divisor, got), (5, 12), "{name}");
        }
    }

    #[test]
    fn clips_are_placed_by_frame_row_and_column_or_refused() {
        each(|name, position, _| {
            let clip = Layout::Same(grid([6, 16]).over_frames(2));
            let checks = [
                crate::tokens::PlaceKind::Cells,
                crate::tokens::PlaceKind::Boxes,
            ]
            .map(|kind| position.check(&clip, kind, 2).is_ok());
            assert_eq!(checks, [name == "m-rope", false], "{name}");
        });
    }
}
