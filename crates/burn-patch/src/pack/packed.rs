//! Tokens of a pack.

use burn::tensor::{Bool, Tensor, TensorData};

use crate::Tokens;
use crate::grid::PatchGrid;
use crate::pack::by_size::BySize;
use crate::pack::flat::Flat;
use crate::pack::pack_plan::PackPlan;
use crate::pack::padded::pad;
use crate::tokens::{Layout, PlaceKind, Reach};

/// Several images in each row of a batch, each of which attends to itself alone.
///
/// Dehghani et al., [Patch n' Pack](https://arxiv.org/abs/2307.06304) (NaViT); transformers' Pixtral
/// (`modeling_pixtral.py`), which puts all images into one row.
///
/// # Shapes
///
/// - tokens `[rows, length, dim]`, without prefix: class tokens stand before the patches of their image as ordinary
///   tokens [without a place](Tokens::placed)
/// - [unpacked](Self::unpack), a padded batch `[images, prefix + longest, dim]`
///
/// # Equation
///
/// The scores of attention between images are −∞: a block-diagonal mask, of which nothing is ever made
/// ([`Reach::Segments`] with its spans).
///
/// # Departures
///
/// NaViT pools by attention, one query per image; here a pack is unpacked and pooled by any head.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use burn_patch::embed::LinearPatchEmbedConfig;
/// use burn_patch::pack::{BySize, Packer};
///
/// let device = Device::flex();
/// let embed = LinearPatchEmbedConfig::new([4, 4], 3, 16).init(&device);
/// let images = [[8, 12], [16, 4], [8, 8]].map(|[height, width]| Tensor::ones([3, height, width], &device));
/// let class = Tensor::zeros([1, 1, 16], &device);
/// let tokens = BySize::embed(&embed, &images)?.map(|tokens| tokens.with_prefix(class.clone()))?;
///
/// let packs = Packer::new(12).pack(&tokens)?; // 7, 5 and 5 tokens: the first two share a row
/// assert_eq!(packs[0].tokens().embeddings().dims(), [2, 12, 16]);
/// assert_eq!(packs[0].mean().dims(), [3, 16]);
/// assert_eq!(packs[0].class_tokens().unwrap().dims(), [3, 16]);
/// # Ok::<(), burn_patch::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Packed {
    tokens: Tokens,
    plan: PackPlan,
    prefix: usize,
    /// Whether each image is the whole grid in row-major order.
    whole: bool,
}

impl Packed {
    /// The images of `plan`.
    pub(super) fn new(images: &BySize, plan: PackPlan) -> Self {
        let (starts, prefix) = (images.starts(), images.prefix());
        let grids = images.grids();
        let (rows, length) = (plan.rows().len(), plan.length());
        let mut index = vec![None; rows * length];
        let mut placed = vec![true; rows * length];
        let mut segments: Vec<PatchGrid> = Vec::new();
        for (row, slot) in plan.slots() {
            let first = row * length + slot.start;
            for token in 0..slot.length {
                index[first + token] = Some(starts[slot.image] + token);
                placed[first + token] = token >= prefix;
            }
            segments.push(grids[slot.image]);
        }
        let laid = Flat::of(images.batches()).lay_out(&index, [rows, length]);
        let device = laid.embeddings.device();
        let reach = Reach::packed(&plan.lengths(), length, &device);
        let layout = Layout::Packed(segments.into());
        let mut tokens = Tokens::new(laid.embeddings, layout, laid.places)
            .with_reach(without_padding(reach, laid.valid));
        if prefix > 0 {
            let placed = TensorData::new(placed, [rows, length]);
            tokens = tokens.with_placed(Tensor::from_data(placed, &device));
        }
        if let Some(sizes) = laid.sizes {
            tokens = tokens.with_sizes(sizes);
        }
        let kind = |tokens: &Tokens| tokens.places().kind() == PlaceKind::Cells;
        Self {
            tokens,
            plan,
            prefix,
            whole: images.batches().all(kind),
        }
    }

    /// The tokens, `[rows, length, dim]`.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Where the images lie.
    pub fn plan(&self) -> &PackPlan {
        &self.plan
    }

    /// Prefix tokens of each image.
    pub fn prefix(&self) -> usize {
        self.prefix
    }

    /// The same images with other embeddings: those that came out of an encoder.
    ///
    /// # Panics
    ///
    /// If these are not as many tokens in as many rows.
    #[must_use]
    #[track_caller]
    pub fn with_embeddings(mut self, embeddings: Tensor<3>) -> Self {
        self.tokens = self.tokens.map(|_| embeddings);
        self
    }

    /// The images as a padded batch, in ascending order of their indices ([`PackPlan::images`]), each behind its prefix.
    pub fn unpack(&self) -> Tokens {
        let mut found: Vec<(usize, usize, usize, PatchGrid)> = Vec::new();
        for (segment, (row, slot)) in self.plan.slots().enumerate() {
            let first = row * self.plan.length() + slot.start;
            let grid = self.tokens.layout().of(segment);
            found.push((slot.image, first, slot.length, *grid));
        }
        found.sort_by_key(|(image, ..)| *image);
        let flat = Flat::of(core::iter::once(&self.tokens));
        let images: Vec<_> = found
            .into_iter()
            .map(|(_, first, length, grid)| (first, length, grid))
            .collect();
        pad(&flat, &images, self.prefix, self.whole)
    }

    /// Mean of each image's patch tokens, `[images, dim]`, in ascending order of their indices.
    pub fn mean(&self) -> Tensor<2> {
        self.unpack().mean()
    }

    /// The first prefix token of each image, `[images, dim]`; none where there is no prefix.
    pub fn class_tokens(&self) -> Option<Tensor<2>> {
        let prefix = self.unpack().prefix_embeddings()?;
        Some(prefix.slice_dim(1, 0..1).squeeze_dim(1))
    }

    /// Values of each image (`[images, width]` for each of `packs`) in the order of the list.
    ///
    /// # Panics
    ///
    /// If there are no packs, or not a row for each image.
    #[track_caller]
    pub fn in_order(packs: &[Self], values: Vec<Tensor<2>>) -> Tensor<2> {
        let images: Vec<usize> = packs.iter().flat_map(|pack| pack.plan.images()).collect();
        let values = Tensor::cat(values, 0);
        assert_eq!(values.dims()[0], images.len(), "values and images");
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by_key(|&at| images[at]);
        let order: Vec<i32> = order.into_iter().map(|at| at as i32).collect();
        let order = TensorData::new(order, [images.len()]);
        values.select(
            0,
            Tensor::from_data(order, &packs[0].tokens.embeddings().device()),
        )
    }
}

/// Images may have padding of their own, which is known on the device alone.
fn without_padding(reach: Reach, valid: Option<Tensor<2, Bool>>) -> Reach {
    match (reach, valid) {
        (Reach::Segments { queries, .. }, Some(valid)) => {
            let numbers = queries.mask_fill(valid.bool_not(), -1);
            Reach::Segments {
                queries: numbers.clone(),
                keys: numbers,
                spans: None,
            }
        }
        (reach, _) => reach,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{
        LinearPatchEmbedConfig, OverlapPatchEmbedConfig, PatchEmbed, QuadtreePatchEmbedConfig,
    };
    use crate::pack::overflow::Overflow;
    use crate::pack::packer::Packer;
    use crate::position::{Position, SinCosPositionConfig, Site};
    use crate::tokens::Units;
    use burn::tensor::{Device, Distribution};

    fn images(device: &Device) -> Vec<Tensor<3>> {
        let sizes = [[8, 12], [16, 8], [8, 8], [8, 12], [16, 16]];
        let draw = |[height, width]: [usize; 2]| {
            Tensor::random([2, height, width], Distribution::Default, device)
        };
        sizes.map(draw).to_vec()
    }

    fn assert_same<const D: usize>(got: Tensor<D>, want: Tensor<D>) {
        got.into_data().assert_eq(&want.into_data(), true);
    }

    /// Packed and padded, each image has the tokens, places and sums that it has alone.
    fn check<E: PatchEmbed>(embed: &E, device: &Device) {
        let images = images(device);
        let class = Tensor::random([1, 2, 8], Distribution::Default, device);
        let add = |tokens: Tokens| tokens.with_prefix(class.clone());
        let tokens = BySize::embed(embed, &images).unwrap().map(add).unwrap();
        let longest = tokens.lengths().into_iter().max().unwrap();
        let packer = Packer::new(longest + 3)
            .with_rows(Some(2))
            .with_overflow(Overflow::Spill);
        let packs = packer.pack(&tokens).unwrap();
        assert!(packs.len() > 1);
        let means = packs.iter().map(Packed::mean).collect();
        let means = Packed::in_order(&packs, means);
        let padded = tokens.padded();
        for (image, pixels) in images.iter().enumerate() {
            let alone = add(embed.forward(pixels.clone().unsqueeze_dim(0)));
            let row = |values: Tensor<2>| values.slice_dim(0, image..image + 1);
            assert_same(row(means.clone()), alone.mean());
            assert_same(row(padded.mean()), alone.mean());
            let pack = packs
                .iter()
                .find(|pack| pack.plan().images().contains(&image));
            let pack = pack.expect("every image is in a pack");
            let at = pack
                .plan()
                .images()
                .iter()
                .position(|other| *other == image);
            let count = alone.tokens();
            let own = |values: Tensor<3>, count: usize| {
                let at = at.unwrap();
                values.slice_dim(0, at..at + 1).slice_dim(1, ..count)
            };
            let unpacked = pack.unpack();
            assert_same(own(unpacked.embeddings(), 2 + count), alone.embeddings());
            assert_same(own(unpacked.boxes_px(), count), alone.boxes_px());
            for units in [Units::Pixels, Units::Cells, Units::Centred] {
                let places = alone.coordinates(units);
                assert_same(own(unpacked.coordinates(units), count), places.clone());
                let (segment, (row, slot)) = pack
                    .plan()
                    .slots()
                    .enumerate()
                    .find(|(_, (_, slot))| slot.image == image)
                    .unwrap();
                assert_eq!(pack.tokens().layout().of(segment), alone.grid());
                let within = pack.tokens().coordinates(units).slice_dim(0, row..row + 1);
                let within = within.slice_dim(1, slot.start..slot.start + slot.length);
                assert_same(within.clone().slice_dim(1, 2..), places);
                assert_same(within.slice_dim(1, ..2), Tensor::zeros([1, 2, 2], device));
            }
        }
    }

    #[test]
    fn a_pack_has_the_tokens_and_places_of_each_image() {
        let device = Device::flex();
        check(
            &LinearPatchEmbedConfig::new([4, 4], 2, 8).init(&device),
            &device,
        );
        let overlap = OverlapPatchEmbedConfig::new([3, 3], [2, 4], 2, 8);
        check(&overlap.init(&device), &device);
        let quadtree = QuadtreePatchEmbedConfig::for_stride([4, 4], 2, 8);
        check(&quadtree.init(&device), &device);
    }

    #[test]
    fn class_tokens_of_a_pack_are_no_patches_and_get_no_position() {
        let device = Device::flex();
        let embed = LinearPatchEmbedConfig::new([4, 4], 2, 8).init(&device);
        let class = Tensor::random([1, 1, 8], Distribution::Default, &device);
        let tokens = BySize::embed(&embed, &images(&device)).unwrap();
        let tokens = tokens
            .map(|tokens| tokens.with_prefix(class.clone()))
            .unwrap();
        let pack = &Packer::new(20).pack(&tokens).unwrap()[0];
        let counts = pack.tokens().patch_counts().unwrap().sum();
        assert_eq!(counts.into_scalar::<f32>(), (6 + 8 + 4 + 6 + 16) as f32);
        let position = SinCosPositionConfig::new().init(&Site::new([2, 2], 8), &device);
        let placed = position.add(pack.tokens().clone(), 0).into_embeddings();
        let together = pack.clone().with_embeddings(placed);
        let alone = tokens.map(|tokens| position.add(tokens, 0)).unwrap();
        let alone = &Packer::new(20).pack(&alone).unwrap()[0];
        let tolerance = burn::tensor::Tolerance::<f32>::rel_abs(1e-5, 1e-6);
        let [together, alone] = [&together, alone].map(|pack| pack.unpack());
        together
            .embeddings()
            .slice_dim(0, ..4)
            .into_data()
            .assert_approx_eq(&alone.embeddings().slice_dim(0, ..4).into_data(), tolerance);
        let prefix = together.prefix_embeddings().unwrap();
        assert_same(prefix, class.expand([5, 1, 8]));
    }
}
