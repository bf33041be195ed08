//! Images of different sizes as one padded batch.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::grid::{PatchGrid, nonzero};
use crate::pack::by_size::BySize;
use crate::pack::flat::Flat;
use crate::tokens::{Layout, Places};
use crate::{Error, Tokens};

impl BySize {
    /// All images as one batch in the order of the list: the shorter ones padded at the end, each with a grid of its
    /// own. Attention and means leave padding out.
    ///
    /// Tschannen et al., [SigLIP 2](https://arxiv.org/abs/2502.14786) (NaFlex); timm's `NaFlexCollator` in
    /// `timm/data/naflex_dataset.py`, whose `patch_valid` the tokens' [`valid`](Tokens::valid) is. Departure: nothing
    /// is cut to a length, the batch is as long as its longest image.
    pub fn padded(&self) -> Tokens {
        let (starts, lengths, grids) = (self.starts(), self.lengths(), self.grids());
        let images = (0..self.images()).map(|image| (starts[image], lengths[image], grids[image]));
        let images: Vec<_> = images.collect();
        let whole = self.batches().all(Tokens::is_whole_grid);
        pad(&Flat::of(self.batches()), &images, self.prefix(), whole)
    }
}

/// A padded batch of `images`: the first token of each in `flat`, how many it has, and its grid. The first `prefix` of
/// them are its prefix; the others are its whole grid if `whole` says so.
pub(super) fn pad(
    flat: &Flat,
    images: &[(usize, usize, PatchGrid)],
    prefix: usize,
    whole: bool,
) -> Tokens {
    let batch = images.len();
    let patches = |length: usize| length - prefix;
    let longest = images.iter().map(|(_, length, _)| patches(*length));
    let longest = longest.max().unwrap_or(0);
    let (mut index, mut real) = (Vec::new(), Vec::new());
    for (first, length, _) in images {
        let at = |token: usize| (token < patches(*length)).then_some(first + prefix + token);
        index.extend((0..longest).map(at));
        real.extend((0..longest).map(|token| token < patches(*length)));
    }
    let laid = flat.lay_out(&index, [batch, longest]);
    let device = laid.embeddings.device();
    let grids: Vec<PatchGrid> = images.iter().map(|(_, _, grid)| *grid).collect();
    let places = if whole { Places::Cells } else { laid.places };
    let mut tokens = Tokens::new(laid.embeddings, Layout::Each(grids.into()), places);
    if let Some(valid) = laid.valid {
        tokens = tokens.with_valid(valid.bool_and(mask(real, [batch, longest], &device)));
    } else if real.contains(&false) {
        tokens = tokens.with_valid(mask(real, [batch, longest], &device));
    }
    if let Some(sizes) = laid.sizes {
        tokens = tokens.with_sizes(sizes);
    }
    if prefix == 0 {
        return tokens;
    }
    let before = images
        .iter()
        .flat_map(|(first, ..)| (0..prefix).map(move |at| Some(first + at)));
    let before: Vec<_> = before.collect();
    tokens.with_prefix(flat.lay_out(&before, [batch, prefix]).embeddings)
}

fn mask(real: Vec<bool>, shape: [usize; 2], device: &Device) -> Tensor<2, Bool> {
    Tensor::from_data(TensorData::new(real, shape), device)
}

/// Marks of the real tokens of each image, `[batch, tokens]`, from the host, for
/// [`with_valid`](Tokens::with_valid).
///
/// # Errors
///
/// [`Error::Zero`] for no images, [`Error::Shape`] for images with different numbers of marks,
/// [`Error::NothingValid`] for an image without a real token, whose mean and attention would be of nothing.
///
/// ```
/// use burn::tensor::Device;
/// use burn_patch::pack::valid_mask;
///
/// let device = Device::flex();
/// assert_eq!(valid_mask(&[vec![true, true], vec![true, false]], &device)?.dims(), [2, 2]);
/// assert!(valid_mask(&[vec![true, true], vec![false, false]], &device).is_err());
/// # Ok::<(), burn_patch::Error>(())
/// ```
pub fn valid_mask(marks: &[Vec<bool>], device: &Device) -> Result<Tensor<2, Bool>, Error> {
    nonzero("images", &[marks.len()])?;
    let count = marks[0].len();
    for (image, marks) in marks.iter().enumerate() {
        if marks.len() != count {
            return Err(Error::Shape {
                what: "marks of the tokens of an image",
                expected: vec![count],
                got: vec![marks.len()],
            });
        }
        if !marks.contains(&true) {
            return Err(Error::NothingValid { image, got: count });
        }
    }
    Ok(mask(marks.concat(), [marks.len(), count], device))
}
