//! Places of tokens as numbers.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::grid::PatchGrid;
use crate::ops::at_least_single;
use crate::tokens::places::Places;
use crate::tokens::tokens::Tokens;

/// In which units places are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// Pixels of the unpadded image, 0 at its top and left edge.
    Pixels,
    /// Cells of the grid: whole numbers on it, 0 at the centre of the first cell.
    Cells,
    /// The image's height and width: 0 at its top and left edge, 1 at its bottom and right.
    Unit,
    /// −1 at the image's top and left edge, 1 at its bottom and right.
    Centred,
}

impl Units {
    /// The place `px` along `axis` (0: rows, 1: columns) as `px·scale + shift`.
    fn affine(self, grid: &PatchGrid, axis: usize) -> (f64, f64) {
        let (window, side) = (&grid.window, grid.size[axis] as f64);
        match self {
            Self::Pixels => (1.0, 0.0),
            Self::Cells => {
                let first = window.kernel[axis] as f64 / 2.0 - window.pad_before[axis] as f64;
                let step = window.stride[axis] as f64;
                (1.0 / step, -first / step)
            }
            Self::Unit => (1.0 / side, 0.0),
            Self::Centred => (2.0 / side, -1.0),
        }
    }
}

impl Tokens {
    /// Row and column of each patch token's centre, `[1 or batch, tokens, 2]`, in single precision at least.
    /// On a grid of [several frames](PatchGrid::frames), `[1 or batch, tokens, 3]`: the frame first, as its index
    /// for [`Units::Pixels`] and [`Units::Cells`], else as its middle among all of them. Boxes have no frame.
    /// In a pack these are places in each token's own image. Where a token has [no place](Self::placed), zeros.
    pub fn coordinates(&self, units: Units) -> Tensor<3> {
        if let Places::Boxes(boxes) = self.places() {
            return self.where_placed(self.boxes_coordinates(boxes.clone(), units));
        }
        let device = self.embeddings().device();
        let (cells, grids) = (self.layout().cells(), self.layout().grids());
        let axes = if grids.iter().any(|grid| grid.frames > 1) {
            3
        } else {
            2
        };
        let mut table = Vec::with_capacity(grids.len() * cells * axes);
        for (index, grid) in grids.iter().enumerate() {
            for place in grid.centers().map(|center| cell_place(grid, center, units)) {
                table.extend_from_slice(&place[3 - axes..]);
            }
            table.resize((index + 1) * cells * axes, 0.0);
        }
        let shape = [grids.len(), cells, axes];
        let table = Tensor::from_data(TensorData::new(table, shape), (&device, DType::F32));
        self.where_placed(self.at_cells(table))
    }

    fn boxes_coordinates(&self, boxes: Tensor<3>, units: Units) -> Tensor<3> {
        let dtype = at_least_single(boxes.dtype());
        let boxes = boxes.cast(dtype);
        let grids = self.layout().grids();
        let along = |axis: usize| {
            let affine: Vec<(f64, f64)> =
                grids.iter().map(|grid| units.affine(grid, axis)).collect();
            let column =
                |values: Vec<f64>| self.by_grid(column(values, boxes.dtype(), &boxes.device()));
            let scale = column(affine.iter().map(|(scale, _)| *scale).collect());
            let shift = column(affine.iter().map(|(_, shift)| *shift).collect());
            boxes.clone().slice_dim(2, axis..axis + 1) * scale + shift
        };
        Tensor::cat(vec![along(0), along(1)], 2)
    }
}

/// One value per grid, `[grids, 1, 1]`.
fn column(values: Vec<f64>, dtype: DType, device: &Device) -> Tensor<3> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count, 1, 1]), (device, dtype))
}

/// Units, row and column of a cell's centre.
fn cell_place(grid: &PatchGrid, [time, y, x]: [f32; 3], units: Units) -> [f32; 3] {
    let [rows, cols] = [0, 1].map(|axis| units.affine(grid, axis));
    let share = (f64::from(time) + 0.5) / grid.frames as f64;
    let time = match units {
        Units::Pixels | Units::Cells => f64::from(time),
        Units::Unit => share,
        Units::Centred => 2.0 * share - 1.0,
    };
    [
        time,
        f64::from(y) * rows.0 + rows.1,
        f64::from(x) * cols.0 + cols.1,
    ]
    .map(|place| place as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Window;
    use crate::tokens::Layout;
    use burn::tensor::Tolerance;

    fn assert_close(got: Tensor<3>, want: [[f32; 2]; 2]) {
        let want = TensorData::from([want]);
        got.into_data()
            .assert_approx_eq(&want, Tolerance::<f32>::rel_abs(1e-6, 1e-6));
    }

    #[test]
    fn frames_agree_on_the_grid_and_off_it() {
        let device = Device::flex();
        let grid = Window::symmetric([4, 3], [2, 2], [1, 1])
            .layout([8, 6])
            .unwrap();
        let zeros = Tensor::zeros([1, grid.tokens(), 1], &device);
        let all = Tokens::from_grid(zeros, grid);
        let picked = all.clone().select(Tensor::from_ints([[4, 11]], &device));
        let boxed = Tokens::off_grid(picked.embeddings(), grid, picked.boxes_px());
        for tokens in [picked, boxed] {
            assert_close(tokens.coordinates(Units::Pixels), [[3.0, 2.5], [7.0, 4.5]]);
            assert_close(tokens.coordinates(Units::Cells), [[1.0, 1.0], [3.0, 2.0]]);
            assert_close(
                tokens.coordinates(Units::Unit),
                [[0.375, 2.5 / 6.0], [0.875, 0.75]],
            );
            assert_close(
                tokens.coordinates(Units::Centred),
                [[-0.25, -1.0 / 6.0], [0.75, 0.5]],
            );
        }
    }

    #[test]
    fn images_with_grids_of_their_own_have_places_of_their_own() {
        let device = Device::flex();
        let window = Window::patch([2, 2], Default::default());
        let grids = [
            window.layout([2, 4]).unwrap(),
            window.layout([4, 2]).unwrap(),
        ];
        let embeddings = Tensor::zeros([2, 2, 1], &device);
        let tokens = Tokens::new(embeddings, Layout::Each(grids.into()), Places::Cells);
        let places = tokens.coordinates(Units::Cells).into_data();
        places.assert_eq(
            &[[[0.0f32, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 0.0]]].into(),
            true,
        );
    }

    #[test]
    fn frames_of_a_clip_are_a_third_coordinate() {
        let device = Device::flex();
        let grid = Window::patch([2, 2], Default::default())
            .layout([2, 4])
            .unwrap()
            .over_frames(2);
        let tokens = Tokens::from_grid(Tensor::zeros([1, 4, 1], &device), grid);
        let picked = tokens.select(Tensor::from_ints([[3]], &device));
        let unit = picked.coordinates(Units::Unit).into_data();
        unit.assert_eq(&[[[0.75f32, 0.5, 0.75]]].into(), true);
    }
}
