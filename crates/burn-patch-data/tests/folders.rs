//! Folders and shards as people have them.

use std::fs;
use std::path::Path;

use burn_patch_data::{Error, OnBad, PictureSet, Sets, Why, decode, open};
use image::{ImageFormat, RgbImage};
use tempfile::TempDir;

const SIDE: u32 = 16;

/// A file of `tests/pictures`.
fn fault(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    fs::read(folder.join(name)).expect("a picture of the tests")
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).unwrap();
    fs::write(path, bytes).unwrap();
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(8, 8)
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn tree(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        put(folder.path(), file, &png());
    }
    folder
}

fn labels(set: &PictureSet) -> Vec<u32> {
    (0..set.len()).map(|index| set.label(index)).collect()
}

fn counts(sets: &Sets) -> (usize, Option<usize>, usize) {
    let test = sets.test.as_ref().map(PictureSet::len);
    (sets.train.len(), test, sets.left_out.count())
}

/// The mean difference of two pictures' values.
fn apart(one: &RgbImage, two: &RgbImage) -> f64 {
    assert_eq!(one.dimensions(), two.dimensions());
    let values = one.as_raw().iter().zip(two.as_raw());
    let sum: f64 = values.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    sum / one.as_raw().len() as f64
}

#[test]
fn pictures_are_read_by_content_and_turned_upright() {
    let upright = decode(&fault("upright.png"), SIDE).unwrap();
    for name in ["exif-3.jpg", "exif-6.jpg", "exif-8.jpg"] {
        let apart = apart(&decode(&fault(name), SIDE).unwrap(), &upright);
        assert!(apart < 6.0, "{name}: {apart}");
    }
    for name in [
        "png-inside.JPEG",
        "jpeg-inside.png",
        "lossless.webp",
        "b.bmp",
        "t.tiff",
        "g.gif",
    ] {
        assert!(decode(&fault(name), SIDE).is_ok(), "{name}");
    }
    assert_eq!(decode(&fault("cut.jpg"), SIDE), Err(Why::CutShort));
    let hidden = decode(&fault("hidden-red.png"), SIDE).unwrap();
    // Its first 16 columns are transparent red.
    let mut columns = hidden.enumerate_pixels().filter(|(x, _, _)| *x < 16);
    assert!(columns.all(|(_, _, pixel)| pixel.0 == [255; 3]));
}

#[test]
fn every_usual_division_is_understood() {
    let bare = tree(&["cat/0.png", "dog/0.png"]);
    assert_eq!(counts(&open(bare.path()).unwrap()), (2, None, 0));
    let alone = tree(&["train/cat/0.png", "train/dog/0.png"]);
    assert_eq!(counts(&open(alone.path()).unwrap()), (2, None, 0));
    for held_out in ["test", "val", "valid", "validation"] {
        let test = format!("{held_out}/dog/0.png");
        let both = tree(&["train/cat/0.png", "train/dog/0.png", &test]);
        let sets = open(both.path()).unwrap();
        assert_eq!(counts(&sets), (2, Some(1), 0));
        assert_eq!(labels(sets.test.as_ref().unwrap()), [1]);
    }
}

#[test]
fn nested_pictures_belong_to_their_class_and_other_files_are_counted() {
    let folder = tree(&["cat/a/b/0.png", "cat/1.PNG", "dog/picture-without-name"]);
    put(folder.path(), "dog/readme.txt", b"words");
    put(folder.path(), "dog/empty.png", b"");
    put(folder.path(), "beside.png", &png());
    let sets = open(folder.path()).unwrap();
    assert_eq!(sets.classes, ["cat", "dog"]);
    assert_eq!(labels(&sets.train), [0, 0, 1]);
    assert_eq!(
        sets.summary(),
        "3 pictures of 2 classes; left out: 1 empty file, 1 in no class folder, 1 not a picture"
    );
    assert!(sets.left_out.first().unwrap().contains("beside.png"));
}

#[test]
fn hidden_and_empty_folders_are_no_classes() {
    let folder = tree(&[
        "cat/0.png",
        "dog/0.png",
        "cat/._0.png",
        ".ipynb_checkpoints/0.png",
        "__MACOSX/cat/0.png",
    ]);
    fs::create_dir(folder.path().join("bird")).unwrap();
    let sets = open(folder.path()).unwrap();
    assert_eq!(sets.classes, ["cat", "dog"]);
    assert_eq!(counts(&sets), (2, None, 0));
}

#[test]
fn a_class_that_is_only_held_out_is_counted_not_trained() {
    let folder = tree(&[
        "train/cat/0.png",
        "train/dog/0.png",
        "test/cat/0.png",
        "test/owl/0.png",
    ]);
    let sets = open(folder.path()).unwrap();
    assert_eq!(sets.classes, ["cat", "dog"]);
    assert_eq!(
        sets.summary(),
        "3 pictures of 2 classes; left out: 1 of a class without training pictures"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_lies_beside_the_parts_is_counted() {
    let folder = tree(&["train/a/0.png", "test/a/0.png", "val/a/0.png", "0.png"]);
    let sets = open(folder.path()).unwrap();
    assert_eq!(counts(&sets), (1, Some(1), 2));
    let summary = sets.summary();
    assert!(
        summary.contains("1 in no class folder")
            && summary.contains("1 of a part that is not read"),
        "{summary}"
    );
}

#[test]
fn links_in_a_circle_come_to_an_end_and_bring_no_other_class() {
    let folder = tree(&["a/0.png", "a/deep/1.png", "b/0.png"]);
    for (link, to) in [
        ("a/up", ".."),
        ("a/deep/round", "../../a"),
        ("b/up", ".."),
        ("a/other", "../b"),
    ] {
        std::os::unix::fs::symlink(to, folder.path().join(link)).unwrap();
    }
    let sets = open(folder.path()).unwrap();
    // What a link to elsewhere leads to is of the class that it stands in.
    assert_eq!(counts(&sets), (4, None, 0));
    assert_eq!(labels(&sets.train), [0, 0, 0, 1]);
}

#[test]
fn a_class_name_that_is_not_utf8_is_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = tree(&["cat/0.png"]);
    let class = folder.path().join(OsStr::from_bytes(b"z\xffz"));
    fs::create_dir(&class).unwrap();
    fs::write(class.join("0.png"), png()).unwrap();
    assert_eq!(open(folder.path()).unwrap().classes, ["cat", "z\u{fffd}z"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_counted_and_does_not_hang() {
    let folder = tree(&["cat/0.png", "dog/0.png"]);
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("cat/pipe.png"))
        .status()
        .unwrap();
    assert!(made.success());
    let sets = open(folder.path()).unwrap();
    assert_eq!(
        sets.summary(),
        "2 pictures of 2 classes; left out: 1 not a regular file"
    );
}

#[test]
fn bad_pictures_stop_or_are_skipped_and_counted() {
    let folder = tree(&["cat/0.png", "dog/0.png"]);
    put(folder.path(), "dog/cut.jpg", &fault("cut.jpg"));
    let stop = open(folder.path()).unwrap().checked(SIDE, OnBad::Stop);
    let text = stop.unwrap_err().to_string();
    assert!(
        text.contains("cut.jpg") && text.ends_with("cut short"),
        "{text}"
    );
    let sets = open(folder.path())
        .unwrap()
        .checked(SIDE, OnBad::Skip)
        .unwrap();
    assert_eq!(
        sets.summary(),
        "2 pictures of 2 classes; left out: 1 cut short"
    );
    assert_eq!(labels(&sets.train), [0, 1]);
}

#[test]
fn the_digest_is_of_what_files_hold_and_not_of_where_they_lie() {
    let digest = |folder: &TempDir, on_bad| {
        let sets = open(folder.path()).unwrap().checked(SIDE, on_bad);
        sets.unwrap().digest.unwrap()
    };
    let [one, two] = [0, 1].map(|_| tree(&["cat/0.png", "dog/0.png"]));
    let before = digest(&one, OnBad::Stop);
    assert_eq!(before, digest(&two, OnBad::Stop));
    put(two.path(), "dog/0.png", &fault("upright.png"));
    assert_ne!(before, digest(&two, OnBad::Stop));
    put(one.path(), "dog/cut.jpg", &fault("cut.jpg"));
    assert_eq!(before, digest(&one, OnBad::Skip));
    put(one.path(), "dog/1.png", &png());
    assert_ne!(before, digest(&one, OnBad::Skip));
}

#[test]
fn a_check_ends_when_nobody_waits_for_it() {
    let folder = tree(&["cat/0.png", "dog/0.png"]);
    let sets = open(folder.path()).unwrap();
    let checked = sets.checked_while(SIDE, OnBad::Stop, || false);
    assert!(matches!(checked, Err(Error::Interrupted)));
}

#[test]
fn a_fifth_is_held_out_where_nothing_else_is_said() {
    let names: Vec<String> = (0..20)
        .map(|index| format!("c{}/{index}.png", index % 2))
        .collect();
    let folder = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let (train, test) = open(folder.path()).unwrap().held_out();
    assert_eq!((train.len(), test.len()), (16, 4));
    let names = |set: &PictureSet| (0..set.len()).map(|i| set.name(i)).collect::<Vec<_>>();
    let again = open(folder.path()).unwrap().held_out();
    assert_eq!(
        (names(&train), names(&test)),
        (names(&again.0), names(&again.1))
    );
}

/// A shard with these files.
fn tar(path: &Path, files: &[(&str, &[u8])]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn tar_shards_pair_pictures_with_labels_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, jpeg) = (png(), fault("exif-6.jpg"));
    tar(
        &folder.path().join("train-0.tar"),
        &[
            ("a/0.jpg", &jpeg),
            ("a/0.cls", b"2\n"),
            ("a/1.png", &picture),
            ("a/1.json", br#"{"label": 0}"#),
        ],
    );
    tar(
        &folder.path().join("train-1.tar"),
        &[
            ("0.png", &picture),
            ("0.cls", b"1"),
            ("1.png", &picture),
            ("2.txt", b"words"),
            ("2.cls", b"0"),
        ],
    );
    tar(
        &folder.path().join("test-0.tar"),
        &[("0.png", &picture), ("0.cls", b"1")],
    );
    let sets = open(folder.path())
        .unwrap()
        .checked(SIDE, OnBad::Stop)
        .unwrap();
    assert_eq!(counts(&sets), (3, Some(1), 2));
    assert_eq!(labels(&sets.train), [2, 0, 1]);
    assert_eq!(sets.classes, ["0", "1", "2"]);
    assert_eq!(
        sets.train.picture(0, SIDE).unwrap(),
        decode(&jpeg, SIDE).unwrap()
    );
    fs::write(folder.path().join("classnames.txt"), "cat\ndog\nowl\n").unwrap();
    assert_eq!(open(folder.path()).unwrap().classes, ["cat", "dog", "owl"]);
    let one = open(&folder.path().join("train-0.tar")).unwrap();
    assert_eq!(counts(&one), (2, None, 0));
}

#[test]
fn what_lies_beside_shards_is_counted() {
    let folder = tree(&["cat/0.png", "dog/0.png"]);
    tar(
        &folder.path().join("backup.tar"),
        &[("0.png", &png()), ("0.cls", b"0")],
    );
    put(folder.path(), "classnames.txt", b"one");
    let sets = open(folder.path()).unwrap();
    assert_eq!(counts(&sets), (1, None, 2));
    assert!(
        sets.summary().ends_with("left out: 2 beside shards"),
        "{}",
        sets.summary()
    );
}

#[test]
fn a_shard_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.tar");
    tar(
        &path,
        &[("0.png", &png()), ("0.cls", b"0"), ("1.png", &[7; 2000])],
    );
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 2500]).unwrap();
    let text = open(&path).unwrap_err().to_string();
    assert!(text.contains("0.tar"), "{text}");
}

#[test]
fn what_is_no_set_says_so() {
    let missing = open(Path::new("no/such/folder")).unwrap_err();
    assert!(matches!(missing, Error::Missing(_)));
    let folder = tempfile::tempdir().unwrap();
    let text = open(folder.path()).unwrap_err().to_string();
    assert!(text.contains("expected folders of pictures"), "{text}");
    put(folder.path(), "data.csv", b"1,2");
    let text = open(&folder.path().join("data.csv"))
        .unwrap_err()
        .to_string();
    assert!(text.contains("expected a folder of classes"), "{text}");
}
