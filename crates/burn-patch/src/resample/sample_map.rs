//! Values of a map at fractional places.

use burn::tensor::Tensor;

use crate::ops::gather_rows;

/// Samples `map` (`[batch, channels, height, width]`) at `places`, the vertical and the horizontal ones in pixels
/// (`[batch, points]` each): bilinearly, zeros outside, result `[batch, points, channels]`. Half precision has no room for
/// pixels and their fractions: places are given [in `f32` at least](crate::ops::at_least_single).
///
/// The first pixel's centre lies at 0.5, so a place is PyTorch's `grid_sample` coordinate `g` under
/// `align_corners=False` as `(g + 1)/2·size`. Gradients reach the map and the places; on a pixel's centre, where
/// the value has a kink, the places' is the one towards the next pixel.
pub(crate) fn sample_bilinear(map: Tensor<4>, places: [Tensor<2>; 2]) -> Tensor<3> {
    let [batch, channels, height, width] = map.dims();
    let dtype = map.dtype();
    let pixels = map
        .reshape([batch, channels, height * width])
        .swap_dims(1, 2);
    let [y, x] = places;
    let (rows, cols) = (neighbours(y, height), neighbours(x, width));
    let corner = |row: &Neighbour, col: &Neighbour| {
        let pixel = row.index.clone() * width as f32 + col.index.clone();
        let weight = (row.weight.clone() * col.weight.clone()).cast(dtype);
        gather_rows(pixels.clone(), pixel.int()) * weight.unsqueeze_dim::<3>(2)
    };
    corner(&rows[0], &cols[0])
        + corner(&rows[0], &cols[1])
        + corner(&rows[1], &cols[0])
        + corner(&rows[1], &cols[1])
}

/// A pixel beside each place along an axis, and how much of it is seen; nothing of one outside.
struct Neighbour {
    index: Tensor<2>,
    weight: Tensor<2>,
}

/// The pixels before and after each place.
fn neighbours(place: Tensor<2>, size: usize) -> [Neighbour; 2] {
    let last = size as f32 - 1.0;
    let place = place - 0.5;
    let before = place.clone().detach().floor();
    let after = before.clone() + 1.0;
    let fraction = place - before.clone();
    [(before, 1.0 - fraction.clone()), (after, fraction)].map(|(index, weight)| {
        let inside = index.clone().clamp(0.0, last);
        let outside = inside.clone().not_equal(index);
        Neighbour {
            index: inside,
            weight: weight.mask_fill(outside, 0.0),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn sampled(y: [f32; 5], x: [f32; 5]) -> Tensor<3> {
        let device = Device::flex();
        let map = Tensor::<4>::from_floats([[[[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]]], &device);
        let place = |values: [f32; 5]| Tensor::<2>::from_floats([values], &device);
        sample_bilinear(map, [place(y), place(x)])
    }

    #[test]
    fn on_centres_it_is_the_pixel_and_between_them_the_mean() {
        let got = sampled([0.5, 1.5, 1.0, 0.5, 1.0], [0.5, 2.5, 0.5, 2.0, 1.0]);
        got.into_data().assert_eq(
            &[[[1.0f32], [32.0], [4.5], [3.0], [27.0 / 4.0]]].into(),
            true,
        );
    }

    #[test]
    fn outside_are_zeros_and_the_border_fades_into_them() {
        let got = sampled([0.0, 0.5, -0.5, 2.25, 9.0], [0.5, 3.0, 0.5, 2.5, -7.0]);
        got.into_data()
            .assert_eq(&[[[0.5f32], [2.0], [0.0], [8.0], [0.0]]].into(), true);
    }

    #[cfg(feature = "autodiff")]
    #[test]
    fn gradient_of_a_place_is_the_slope_between_its_pixels() {
        let device = Device::flex().autodiff();
        let map = Tensor::<4>::from_floats([[[[1.0, 5.0], [1.0, 5.0]]]], &device);
        let y = Tensor::<2>::from_floats([[1.0]], &device).require_grad();
        let x = Tensor::<2>::from_floats([[0.7]], &device).require_grad();
        let value = sample_bilinear(map, [y.clone(), x.clone()]).sum();
        let grads = value.backward();
        let tolerance = burn::tensor::Tolerance::<f32>::absolute(1e-5);
        x.grad(&grads)
            .unwrap()
            .into_data()
            .assert_approx_eq(&[[4.0f32]].into(), tolerance);
        y.grad(&grads)
            .unwrap()
            .into_data()
            .assert_approx_eq(&[[0.0f32]].into(), tolerance);
    }
}
