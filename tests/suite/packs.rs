//! Images of random sizes, packed and padded, are what each of them is alone: values and gradients.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_patch::Noise;
use burn_patch::embed::{AnyPatchEmbed, AnyPatchEmbedConfig, PatchEmbed};
use burn_patch::pack::{BySize, Overflow, PackPlan, Packed, Packer};
use burn_patch::position::{AnyPositionConfig, SinCosPositionConfig};
use burn_patch::tokens::Reach;
use burn_patch_tests::{
    backends, det_tensor, fill, gradients, inference, largest_difference_over, largest_magnitude,
    tolerance,
};
use burn_vit::{EncoderConfig, HeadConfig, Pooling, Vit, VitConfig};
use proptest::prelude::*;

const DIM: usize = 8;

fn embedding(name: &str, device: &Device) -> AnyPatchEmbed {
    let config = AnyPatchEmbedConfig::for_stride(name, [4, 4], 2, DIM);
    config.expect("a name of the catalogue").init(device)
}

fn vit(name: &str, pooling: Pooling, device: &Device) -> Vit<AnyPatchEmbed> {
    let position = AnyPositionConfig::SinCos(SinCosPositionConfig::new());
    let encoder = EncoderConfig::new(2, 2).with_position(position);
    let vit = VitConfig::new([8, 8], encoder)
        .with_head(HeadConfig::classes(3).with_pooling(pooling))
        .init(embedding(name, device), device);
    fill(inference(vit), 1)
}

/// Regular grids, overlapping windows, and boxes of several sizes with padding of their own.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["linear", "overlap", "quadtree"])
}

/// Sizes in steps of 8 pixels.
fn sizes() -> impl Strategy<Value = Vec<[usize; 2]>> {
    let side = 1usize..4;
    let size = (side.clone(), side).prop_map(|(rows, cols)| [8 * rows, 8 * cols]);
    prop::collection::vec(size, 1..6)
}

/// Rows that hold the longest image, and some more or not; one row of a pack, some, or as many as there must be.
fn packer() -> impl Strategy<Value = (usize, Option<usize>)> {
    (0usize..40, prop::option::of(1usize..4))
}

fn pictures(sizes: &[[usize; 2]], seed: u64, device: &Device) -> Vec<Tensor<3>> {
    let picture = |(at, [height, width]): (usize, &[usize; 2])| {
        det_tensor([2, *height, *width], seed + at as u64, device, DType::F32)
    };
    sizes.iter().enumerate().map(picture).collect()
}

fn packer_for(images: &BySize, (more, rows): (usize, Option<usize>)) -> Packer {
    let longest = images.lengths().into_iter().max().expect("some images");
    Packer::new(longest + more)
        .with_rows(rows)
        .with_overflow(Overflow::Spill)
}

fn alone<E: PatchEmbed>(vit: &Vit<E>, images: &[Tensor<3>]) -> Tensor<2> {
    let logits = images
        .iter()
        .map(|image| vit.forward(image.clone().unsqueeze_dim(0)));
    Tensor::cat(logits.collect(), 0)
}

fn assert_close(name: &str, got: &TensorData, want: &TensorData, least: f64) {
    let apart = largest_difference_over(got, want, least).0;
    assert!(apart <= tolerance::F32, "{name}: {apart:.1e}");
}

/// Gradients of all parameters, for a loss in which each logit counts differently.
fn grads<M: Module>(module: &M, logits: &Tensor<2>) -> Vec<(String, Option<TensorData>)> {
    let factor = det_tensor(logits.dims(), 901, &logits.device(), DType::F32);
    gradients(module, &(logits.clone() * factor).sum().backward())
}

fn cases() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig::with_cases(asked.and_then(|cases| cases.parse().ok()).unwrap_or(200))
}

fn encode(vit: &Vit<AnyPatchEmbed>, pack: &Packed, embeddings: Tensor<3>) -> Tensor<2> {
    let tokens = pack.clone().with_embeddings(embeddings).tokens().clone();
    let encoded = vit.encoder.forward_placed(tokens, &[], &mut Noise::None);
    let pack = pack
        .clone()
        .with_embeddings(encoded.tokens.into_embeddings());
    vit.head.forward(&pack.unpack())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn packed_and_padded_are_one_by_one_with_their_gradients(
        name in name(),
        sizes in sizes(),
        room in packer(),
        pooling in prop::sample::select(vec![Pooling::ClassToken, Pooling::Mean, Pooling::Attention]),
    ) {
        for backend in backends() {
            let device = backend.device.clone().autodiff();
            let vit = vit(name, pooling, &device);
            let images = pictures(&sizes, 7, &device);
            let packer = packer_for(&vit.embed_by_size(&images).unwrap(), room);
            let want = alone(&vit, &images);
            let want_grads = grads(&vit, &want);
            let largest = want_grads.iter().flat_map(|(_, grad)| grad.as_ref());
            let largest = largest.map(largest_magnitude).fold(0.0, f64::max);
            for got in [
                vit.forward_packed(&images, &packer, Noise::None),
                vit.forward_padded(&images, Noise::None),
            ] {
                assert_close(backend.name, &got.to_data(), &want.to_data(), 0.0);
                for ((path, got), (_, want)) in grads(&vit, &got).iter().zip(&want_grads) {
                    let (Some(got), Some(want)) = (got, want) else {
                        assert_eq!(got, want, "{path}");
                        continue;
                    };
                    let path = format!("{path} on {}", backend.name);
                    assert_close(&path, got, want, tolerance::CANCELLED * largest);
                }
            }
        }
    }

    #[test]
    fn padding_leaks_nothing_and_the_other_images_of_a_row_change_nothing(
        name in name(),
        sizes in sizes(),
        room in packer(),
    ) {
        for backend in backends() {
            let device = &backend.device;
            let vit = vit(name, Pooling::Mean, device);
            let images = pictures(&sizes, 7, device);
            let packer = packer_for(&vit.embed_by_size(&images).unwrap(), room);
            let want = vit.forward_packed(&images, &packer, Noise::None);
            let packs = vit.pack(&images, &packer).unwrap();
            let lost = packs.iter().map(|pack| {
                let Reach::Segments { queries, .. } = pack.tokens().reach() else {
                    unreachable!("segments of a pack")
                };
                let embeddings = pack.tokens().embeddings();
                let padding = queries.clone().lower_elem(0).unsqueeze_dim::<3>(2);
                let padding = padding.expand(embeddings.dims());
                encode(&vit, pack, embeddings.mask_fill(padding, f32::NAN))
            });
            let lost = Packed::in_order(&packs, lost.collect());
            assert_close(backend.name, &lost.into_data(), &want.to_data(), 0.0);

            let mut others = pictures(&sizes, 107, device);
            others[0] = images[0].clone();
            let first = vit.forward_packed(&others, &packer, Noise::None).slice_dim(0, 0..1);
            first.into_data().assert_eq(&want.slice_dim(0, 0..1).into_data(), true);
        }
    }

    #[test]
    fn patches_of_a_pack_are_those_of_its_images(name in name(), sizes in sizes(), room in packer()) {
        for backend in backends() {
            let device = &backend.device;
            let embed = embedding(name, device);
            let class = Tensor::zeros([1, 2, DIM], device);
            let images = pictures(&sizes, 7, device);
            let tokens = BySize::embed(&embed, &images).unwrap();
            let tokens = tokens.map(|tokens| tokens.with_prefix(class.clone())).unwrap();
            let count = |tokens: &burn_patch::Tokens| match tokens.patch_counts() {
                Some(counts) => counts.sum().into_scalar::<f32>() as usize,
                None => tokens.batch() * tokens.tokens(),
            };
            let want: usize = images
                .iter()
                .map(|image| count(&embed.forward(image.clone().unsqueeze_dim(0))))
                .sum();
            let packs = packer_for(&tokens, room).pack(&tokens).unwrap();
            let packed: usize = packs.iter().map(|pack| count(pack.tokens())).sum();
            let unpacked: usize = packs.iter().map(|pack| count(&pack.unpack())).sum();
            assert_eq!([packed, unpacked, count(&tokens.padded())], [want; 3]);
        }
    }

    #[test]
    fn plans_hold_each_image_once_in_the_first_row_with_room(
        lengths in prop::collection::vec(1usize..50, 1..30),
        (more, rows) in packer(),
    ) {
        let length = lengths.iter().max().unwrap() + more;
        let packer = Packer::new(length).with_rows(rows).with_overflow(Overflow::Spill);
        let plans = packer.plan(&lengths).unwrap();
        let mut seen: Vec<usize> = plans.iter().flat_map(PackPlan::images).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        let all: Vec<_> = plans.iter().flat_map(|plan| plan.rows()).collect();
        for plan in &plans {
            assert!(plan.rows().len() <= rows.unwrap_or(usize::MAX));
        }
        for (at, row) in all.iter().enumerate() {
            let mut end = 0;
            for slot in *row {
                assert_eq!((slot.start, slot.length), (end, lengths[slot.image]));
                end += slot.length;
                // When it came, no row before had room: those that came later are not counted.
                for before in &all[..at] {
                    let taken = before.iter().filter(|other| other.image < slot.image);
                    let taken: usize = taken.map(|other| other.length).sum();
                    assert!(taken + slot.length > length);
                }
            }
            assert!(end <= length);
            assert!(row.is_sorted_by_key(|slot| slot.image));
        }
    }
}
