//! A picture as tiles.

use core::ops::RangeInclusive;

use burn::tensor::{Bool, Tensor, TensorData};

use crate::embed::CropBox;
use crate::grid::{PatchGrid, nonzero};
use crate::ops::permuted::permuted;
use crate::pack::thumbnail::Thumbnail;
use crate::tokens::Places;
use crate::{Error, Tokens};

/// How a picture of any size becomes tiles of one size and a thumbnail: resized onto a canvas of whole tiles, which is
/// then cut. To an encoder each tile is an image ([`BySize::new`](crate::pack::BySize::new) packs them with others), or
/// all of them are [joined](Self::join) to one.
///
/// Liu et al., [LLaVA-NeXT](https://llava-vl.github.io/blog/2024-01-30-llava-next/) (AnyRes), in transformers
/// `select_best_resolution`, `get_patch_output_size` (`image_processing_utils.py`) and `image_processing_llava_next.py`;
/// Chen et al., [InternVL 1.5](https://arxiv.org/abs/2404.16821), section 3.2, in transformers `get_optimal_tiled_canvas`
/// (`image_processing_got_ocr2.py`).
///
/// # Departures
///
/// The processors resize with bicubic smoothing; here a picture is resized bilinearly, as the crops of
/// [`MultiresPatchEmbed`](crate::embed::MultiresPatchEmbed) are. LLaVA-NeXT drops the features of padding by rounded
/// numbers of rows; here a token is padding if its box touches nothing of the picture.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::{LinearPatchEmbedConfig, PatchEmbed};
/// use burn_patch::pack::Tiling;
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
/// let tiling = Tiling::any_res([10, 20], [8, 8], &[[8, 16], [16, 8], [16, 16]])?;
/// assert_eq!((tiling.canvas(), tiling.count()), ([8, 16], 3));
/// let tiles = tiling.cut(Tensor::zeros([3, 10, 20], &device));
/// assert_eq!(tiles.dims(), [3, 3, 8, 8]); // the thumbnail and two tiles
/// let picture = tiling.join(embed.forward(tiles));
/// assert_eq!(picture.embeddings().dims(), [1, 12, 16]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiling {
    picture: [usize; 2],
    tile: [usize; 2],
    tiles: [usize; 2],
    content: [usize; 2],
    offset: [usize; 2],
    thumbnail: Thumbnail,
}

impl Tiling {
    /// LLaVA-NeXT's: onto the canvas that keeps most of the picture and wastes least, at the picture's aspect ratio and
    /// in the middle of zeros; the thumbnail first. All sizes are `[height, width]` in pixels.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty picture or tile or no canvases, [`Error::Indivisible`] for a canvas that is no
    /// whole number of tiles.
    pub fn any_res(
        picture: [usize; 2],
        tile: [usize; 2],
        canvases: &[[usize; 2]],
    ) -> Result<Self, Error> {
        nonzero("picture size in px", &picture)?;
        nonzero("tile", &tile)?;
        nonzero("canvases", &[canvases.len()])?;
        for canvas in canvases {
            nonzero("canvas", canvas)?;
            for axis in [0, 1] {
                if !canvas[axis].is_multiple_of(tile[axis]) {
                    return Err(Error::Indivisible {
                        what: "canvas in tiles",
                        divisor: tile[axis],
                        got: canvas[axis],
                    });
                }
            }
        }
        let canvas = best_canvas(picture, canvases);
        let content = content(picture, canvas);
        Ok(Self {
            picture,
            tile,
            tiles: [canvas[0] / tile[0], canvas[1] / tile[1]],
            content,
            offset: [(canvas[0] - content[0]) / 2, (canvas[1] - content[1]) / 2],
            thumbnail: Thumbnail::First,
        })
    }

    /// InternVL's: onto the canvas of between so many `tiles` whose aspect ratio is closest to the picture's, stretched
    /// to fill it; of two that are equally close the larger, if the picture has more than half its pixels. The thumbnail
    /// last, where there are several tiles.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty picture or tile or no tiles, [`Error::Range`] for more tiles at least than at most.
    pub fn closest_aspect(
        picture: [usize; 2],
        tile: [usize; 2],
        tiles: RangeInclusive<usize>,
    ) -> Result<Self, Error> {
        nonzero("picture size in px", &picture)?;
        nonzero("tile", &tile)?;
        nonzero("tiles", &[*tiles.start(), *tiles.end()])?;
        if tiles.is_empty() {
            return Err(Error::Range {
                what: "most tiles of a picture",
                expected: format!("at least {}", tiles.start()),
                got: *tiles.end() as f64,
            });
        }
        let tiles = closest_tiles(picture, tile, tiles);
        Ok(Self {
            picture,
            tile,
            tiles,
            content: [tiles[0] * tile[0], tiles[1] * tile[1]],
            offset: [0, 0],
            thumbnail: Thumbnail::Last,
        })
    }

    /// Sets where the thumbnail stands.
    #[must_use]
    pub fn with_thumbnail(self, thumbnail: Thumbnail) -> Self {
        Self { thumbnail, ..self }
    }

    /// The canvas, `[height, width]` in pixels.
    pub fn canvas(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.tiles[axis] * self.tile[axis])
    }

    /// What the picture is resized to on it, `[height, width]` in pixels.
    pub fn content(&self) -> [usize; 2] {
        self.content
    }

    /// Zeros above and to the left of it, in pixels.
    pub fn offset(&self) -> [usize; 2] {
        self.offset
    }

    /// Images that the picture becomes, the thumbnail included.
    pub fn count(&self) -> usize {
        let [rows, cols] = self.tiles;
        rows * cols + usize::from(self.thumbnail_at().is_some())
    }

    /// The index of the thumbnail among them.
    pub fn thumbnail_at(&self) -> Option<usize> {
        let [rows, cols] = self.tiles;
        match self.thumbnail {
            Thumbnail::First => Some(0),
            Thumbnail::Last if rows * cols > 1 => Some(rows * cols),
            Thumbnail::Last | Thumbnail::None => None,
        }
    }

    /// The tiles of a picture `[channels, height, width]`, row by row, with the thumbnail:
    /// `[count, channels, tile height, tile width]`.
    ///
    /// # Panics
    ///
    /// If the picture has another size.
    #[track_caller]
    pub fn cut(&self, picture: Tensor<3>) -> Tensor<4> {
        let [channels, height, width] = picture.dims();
        assert_eq!([height, width], self.picture, "picture size in px");
        let picture = picture.unsqueeze_dim::<4>(0);
        let whole = CropBox {
            y: 0.0,
            x: 0.0,
            height: height as f32,
            width: width as f32,
        };
        let content = whole.cut(picture.clone(), self.content);
        let ([top, left], [high, wide]) = (self.offset, self.content);
        let [below, beside] = self.canvas();
        let options = (&content.device(), content.dtype());
        let canvas = Tensor::<4>::zeros([1, channels, below, beside], options).slice_assign(
            [0..1, 0..channels, top..top + high, left..left + wide],
            content,
        );
        let ([rows, cols], [tall, across]) = (self.tiles, self.tile);
        let tiles: Tensor<5> = canvas.reshape([channels, rows, tall, cols, across]);
        let tiles = permuted(tiles, [1, 3, 0, 2, 4]).reshape([rows * cols, channels, tall, across]);
        match self.thumbnail_at() {
            None => tiles,
            Some(0) => Tensor::cat(vec![whole.cut(picture, self.tile), tiles], 0),
            Some(_) => Tensor::cat(vec![tiles, whole.cut(picture, self.tile)], 0),
        }
    }

    /// The tokens of all tiles (`[count, tokens, dim]`) as those of one picture, `[1, count·tokens, dim]`, each with its
    /// box in the resized picture. Those that lie in the zeros around it are marked as padding.
    ///
    /// # Panics
    ///
    /// If there are not as many images as tiles, if they have a prefix or no common grid, or if that is not of a tile.
    #[track_caller]
    pub fn join(&self, tokens: Tokens) -> Tokens {
        let (count, each, dim) = (tokens.batch(), tokens.tokens(), tokens.dim());
        let grid = *tokens.grid();
        assert_eq!(
            (count, tokens.prefix()),
            (self.count(), 0),
            "tiles and prefix"
        );
        assert_eq!(grid.size, self.tile, "size of a tile in px");
        let boxes = tokens.boxes_px().expand([count, each, 4]);
        let (scales, shifts): (Vec<_>, Vec<_>) = (0..count).map(|tile| self.affine(tile)).unzip();
        let table = |rows: Vec<[f32; 4]>| {
            let rows = TensorData::new(rows.concat(), [count, 1, 4]);
            Tensor::<3>::from_data(rows, (&boxes.device(), boxes.dtype()))
        };
        let boxes = boxes.clone() * table(scales) + table(shifts);
        let boxes = boxes.reshape([1, count * each, 4]);
        let inside = self.inside(boxes.clone());
        let embeddings = tokens.into_embeddings().reshape([1, count * each, dim]);
        let joined = Tokens::new(embeddings, self.grid(&grid), Places::Boxes(boxes));
        match self.content == self.canvas() {
            true => joined,
            false => joined.with_valid(inside),
        }
    }

    /// Places in a tile to places in the resized picture: factors and offsets of a box.
    fn affine(&self, index: usize) -> ([f32; 4], [f32; 4]) {
        let thumbnail = self.thumbnail_at();
        if thumbnail == Some(index) {
            let [y, x] = [0, 1].map(|axis| self.content[axis] as f32 / self.tile[axis] as f32);
            return ([y, x, y, x], [0.0; 4]);
        }
        let tile = index - usize::from(thumbnail == Some(0));
        let place = [tile / self.tiles[1], tile % self.tiles[1]];
        let [y, x] =
            [0, 1].map(|axis| (place[axis] * self.tile[axis]) as f32 - self.offset[axis] as f32);
        ([1.0; 4], [y, x, 0.0, 0.0])
    }

    /// Which boxes touch the picture, `[1, tokens]`.
    fn inside(&self, boxes: Tensor<3>) -> Tensor<2, Bool> {
        let touches = [0, 1].map(|axis| {
            let along = |at: usize| boxes.clone().slice_dim(2, at..at + 1).squeeze_dim::<2>(2);
            let (middle, half) = (along(axis), along(axis + 2) / 2.0);
            let before = (middle.clone() - half.clone()).lower_elem(self.content[axis] as f32);
            before.bool_and((middle + half).greater_elem(0.0))
        });
        let [rows, cols] = touches;
        rows.bool_and(cols)
    }

    /// The grid of a tile laid over the whole canvas: the zeros around the picture are its padding.
    fn grid(&self, tile: &PatchGrid) -> PatchGrid {
        let mut grid = *tile;
        grid.size = self.content;
        grid.rows *= self.tiles[0];
        grid.cols *= self.tiles[1];
        let canvas = self.canvas();
        for axis in [0, 1] {
            let offset = self.offset[axis];
            grid.window.pad_before[axis] += offset;
            grid.window.pad_after[axis] += canvas[axis] - self.content[axis] - offset;
        }
        grid
    }
}

/// The canvas on which most of the picture's pixels are kept; of several the one with the least room left.
fn best_canvas(picture: [usize; 2], canvases: &[[usize; 2]]) -> [usize; 2] {
    let [height, width] = picture.map(|side| side as f64);
    let mut best = (0, usize::MAX, canvases[0]);
    for &canvas in canvases {
        let scale = (canvas[1] as f64 / width).min(canvas[0] as f64 / height);
        let resized = (width * scale) as usize * (height * scale) as usize;
        let kept = resized.min(picture[0] * picture[1]);
        let wasted = canvas[0] * canvas[1] - kept;
        if kept > best.0 || (kept == best.0 && wasted < best.1) {
            best = (kept, wasted, canvas);
        }
    }
    best.2
}

/// The picture's size on the canvas, its aspect ratio kept.
fn content(picture: [usize; 2], canvas: [usize; 2]) -> [usize; 2] {
    let scale = [0, 1].map(|axis| canvas[axis] as f64 / picture[axis] as f64);
    let side = |axis: usize, scale: f64| {
        let resized = (picture[axis] as f64 * scale).ceil() as usize;
        resized.clamp(1, canvas[axis])
    };
    match scale[1] < scale[0] {
        true => [side(0, scale[1]), canvas[1]],
        false => [canvas[0], side(1, scale[0])],
    }
}

/// Rows and columns of tiles.
fn closest_tiles(
    picture: [usize; 2],
    tile: [usize; 2],
    tiles: RangeInclusive<usize>,
) -> [usize; 2] {
    let most = *tiles.end();
    let mut shapes: Vec<[usize; 2]> = (1..=most)
        .flat_map(|cols| (1..=most / cols).map(move |rows| [rows, cols]))
        .filter(|[rows, cols]| tiles.contains(&(rows * cols)))
        .collect();
    shapes.sort_by_key(|[rows, cols]| rows * cols);
    let ratio = picture[1] as f64 / picture[0] as f64;
    let area = (picture[0] * picture[1]) as f64;
    let mut best = (f64::INFINITY, [1, 1]);
    for [rows, cols] in shapes {
        let apart = (ratio - cols as f64 / rows as f64).abs();
        let pixels = (tile[0] * tile[1] * rows * cols) as f64;
        if apart < best.0 || (apart == best.0 && area > 0.5 * pixels) {
            best = (apart, [rows, cols]);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{LinearPatchEmbedConfig, PatchEmbed};
    use burn::tensor::{Device, Distribution, Tolerance};

    #[test]
    fn tiles_of_a_canvas_of_the_pictures_own_size_are_its_parts() {
        let device = Device::flex();
        let tiling = Tiling::closest_aspect([8, 12], [4, 4], 6..=6).unwrap();
        assert_eq!((tiling.canvas(), tiling.thumbnail_at()), ([8, 12], Some(6)));
        let picture = Tensor::<3>::random([2, 8, 12], Distribution::Default, &device);
        let tiles = tiling.cut(picture.clone());
        let part = picture.slice([0..2, 4..8, 8..12]).unsqueeze_dim::<4>(0);
        let last = tiles.slice_dim(0, 5..6).into_data();
        last.assert_approx_eq(&part.into_data(), Tolerance::<f32>::absolute(1e-6));
    }

    #[test]
    fn joined_tokens_lie_where_the_cells_of_the_canvas_do() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([2, 2], 1, 8).init(&device);
        let tiling = Tiling::any_res([4, 16], [4, 4], &[[8, 8]]).unwrap();
        assert_eq!((tiling.content(), tiling.offset()), ([2, 8], [3, 0]));
        let joined = tiling.join(embed.forward(tiling.cut(Tensor::ones([1, 4, 16], &device))));
        let grid = *joined.grid();
        assert_eq!((grid.rows, grid.cols), (4, 4));
        // The second row of the first tile: behind the thumbnail's four tokens.
        let second = joined
            .boxes_px()
            .slice_dim(1, 6..7)
            .reshape([4])
            .into_data();
        let [y, x] = grid.center_px(1, 0);
        second.assert_eq(&[y, x, 2.0, 2.0].into(), true);
        // The thumbnail, then of each tile the row that touches the picture.
        let valid = joined.valid().unwrap().int().into_data();
        let thumbnail = [1i64; 4];
        let (upper, lower) = ([0, 0, 1, 1], [1, 1, 0, 0]);
        let want = [thumbnail, upper, upper, lower, lower].concat();
        valid.assert_eq(&TensorData::new(want, [1, 20]), false);
        let thumbnail = joined.boxes_px().slice_dim(1, ..1).reshape([4]).into_data();
        thumbnail.assert_eq(&[0.5f32, 2.0, 1.0, 4.0].into(), true);
    }

    #[test]
    fn canvases_and_tiles_that_do_not_fit_are_errors() {
        let odd = Tiling::any_res([8, 8], [4, 4], &[[8, 6]]).unwrap_err();
        assert!(matches!(
            odd,
            Error::Indivisible {
                divisor: 4,
                got: 6,
                ..
            }
        ));
        assert!(Tiling::any_res([8, 8], [4, 4], &[]).is_err());
        assert!(Tiling::any_res([0, 8], [4, 4], &[[4, 4]]).is_err());
        assert!(Tiling::closest_aspect([8, 8], [4, 4], 0..=6).is_err());
        let reversed = Tiling::closest_aspect([8, 8], [4, 4], RangeInclusive::new(3, 2));
        assert!(matches!(reversed, Err(Error::Range { .. })));
    }
}
