//! Memory does not grow with the set of pictures: measured with an allocator that counts.

use std::fs::File;
use std::io::Cursor;
use std::path::Path;

use burn::data::dataloader::DataLoader;
use burn::tensor::Device;
use burn_patch_examples_support::Draws;
use burn_patch_examples_support::data::{DatasetName, OnBadPicture, Source};
use burn_patch_examples_support::train::{EpochLoader, PictureBatcher};
use image::{ImageFormat, Rgb, RgbImage};
use peak_alloc::PeakAlloc;
use tar::{Builder, Header};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const BATCH: usize = 8;
const SHARD: usize = 500;
/// Bytes of a picture once it is decoded and resized to 32×32.
const DECODED: usize = 3 * 32 * 32;

/// A shard in WebDataset's form, of `SHARD` pictures of two classes.
fn write_shard(path: &Path, first: usize) {
    let mut shard = Builder::new(File::create(path).unwrap());
    let mut append = |name: String, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        shard.append_data(&mut header, name, bytes).unwrap();
    };
    for index in first..first + SHARD {
        let mut png = Cursor::new(Vec::new());
        let picture = RgbImage::from_pixel(4, 4, Rgb([index as u8, (index / 256) as u8, 9]));
        picture.write_to(&mut png, ImageFormat::Png).unwrap();
        append(format!("{index:06}.png"), png.get_ref());
        append(
            format!("{index:06}.cls"),
            (index % 2).to_string().as_bytes(),
        );
    }
    shard.finish().unwrap();
}

/// Bytes at most while `shards` shards are opened and an epoch goes through them.
fn peak(shards: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    for shard in 0..shards {
        write_shard(&folder.path().join(format!("{shard}.tar")), shard * SHARD);
    }
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let source = Source {
        dataset: DatasetName::Fashion,
        data: Some(folder.path().to_owned()),
        on_bad_picture: OnBadPicture::Stop,
    };
    let split = source.load().unwrap();
    let (draws, len) = (Draws::new(0, 1), split.train.len());
    let batcher = PictureBatcher::new(split.train.clone(), 0, true, draws);
    let loader = EpochLoader::new(batcher, len, BATCH, &Device::flex()).shuffled(draws, 0);
    let sizes = loader.iter().map(|batch| batch.unwrap().labels.dims()[0]);
    assert_eq!(sizes.sum::<usize>(), len);
    MEMORY.peak_usage() - before
}

#[test]
fn ten_times_as_many_pictures_take_no_more_than_their_places_in_the_files() {
    // Threads and tables that stay.
    peak(1);
    let (few, many) = (1, 10);
    let more = peak(many).saturating_sub(peak(few)) / ((many - few) * SHARD);
    assert!(
        more < DECODED / 10,
        "{more} bytes more for each picture, which takes {DECODED} if it is kept"
    );
}
