//! Pictures that are read from their files in every epoch.

use std::fs;
use std::io::Read;

use image::{Rgb, RgbImage};

use crate::program::{Place, assert_one_line, wait_for};

const BASE: [&str; 4] = ["--epochs", "2", "--batch", "16"];
const TRAIN: u32 = 40;
const TEST: u32 = 12;

/// Pictures of three classes, each in a file of its own.
fn place() -> Place {
    let place = Place::new();
    fs::remove_dir_all(place.path("data")).unwrap();
    for (part, count) in [("train", TRAIN), ("test", TEST)] {
        for index in 0..count {
            write(&place, part, index, index);
        }
    }
    place
}

fn path(part: &str, index: u32) -> String {
    let class = ["columns", "rows", "diagonals"][index as usize % 3];
    format!("data/{part}/{class}/{index}.png")
}

/// A picture of the class of `index`, with the colour of `shade`.
fn write(place: &Place, part: &str, index: u32, shade: u32) {
    let picture = RgbImage::from_fn(16, 16, |x, y| {
        let bright = [x % 4 < 2, y % 4 < 2, (x + y) % 8 < 4][index as usize % 3];
        let value = if bright { 160 } else { 40 };
        Rgb([value, value + (shade % 13) as u8, (5 * shade) as u8])
    });
    let path = place.path(&path(part, index));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

#[test]
fn killed_and_resumed_a_run_over_files_comes_to_the_same_digits() {
    let place = place();
    place.succeeds("whole", &BASE);
    for (kill, line) in ["3 classes: ", "mae epoch 1/2", "scratch epoch 1/1"]
        .into_iter()
        .enumerate()
    {
        let out = format!("killed-{kill}");
        let mut child = place.command(&out, &BASE).spawn().unwrap();
        drop(wait_for(&mut child, line));
        child.kill().unwrap();
        child.wait().unwrap();
        place.succeeds(&out, &[&BASE[..], &["--resume"]].concat());
        assert_eq!(place.results(&out), place.results("whole"), "{line}");
    }
}

#[test]
fn a_picture_that_is_damaged_while_training_ends_it_by_name_and_mended_it_goes_on() {
    let place = place();
    let long = ["--epochs", "2000", "--task", "mae", "--batch", "16"];
    let resume = [&long[..], &["--resume"]].concat();
    let mut child = place.command("out", &long).spawn().unwrap();
    let mut rest = wait_for(&mut child, "mae epoch 1/2000");
    fs::write(place.path(&path("train", 7)), "no picture").unwrap();
    let mut lines = String::new();
    rest.read_to_string(&mut lines).unwrap();
    let output = child.wait_with_output().unwrap();
    let name = path("train", 7);
    assert_one_line(
        &output,
        1,
        &[&name, "though it was whole when the program began"],
    );

    place.fails("out", &resume, 1, &["expected data "]);
    write(&place, "train", 7, 8);
    place.fails("out", &resume, 1, &["expected data "]);
    write(&place, "train", 7, 7);
    let mut child = place.command("out", &resume).spawn().unwrap();
    drop(wait_for(&mut child, "mae: going on after epoch"));
    child.kill().unwrap();
    child.wait().unwrap();
}
