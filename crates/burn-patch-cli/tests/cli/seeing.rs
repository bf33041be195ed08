//! Pictures, embedded and shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::program::{assert_refused, checkpoints, folder, run, text, values};

/// A red disc on a blue ground.
fn picture(path: &Path, side: u32) {
    let inside = |x: u32, y: u32| {
        x.abs_diff(side / 2).pow(2) + y.abs_diff(side / 2).pow(2) < side * side / 9
    };
    let pixel = |x, y| match inside(x, y) {
        true => image::Rgb([220, 30, 20]),
        false => image::Rgb([20, 40, 200]),
    };
    image::RgbImage::from_fn(side, side, pixel)
        .save(path)
        .unwrap();
}

#[test]
fn pictures_are_embedded_and_shown() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    picture(&at("a.png"), 80);
    picture(&at("b.png"), 50);
    let weights = checkpoints().join("timm_vit/model.safetensors");
    let (a, b, out) = (at("a.png"), at("b.png"), at("out.safetensors"));
    let args = [
        "embed",
        "--weights",
        text(&weights),
        "--input",
        text(&a),
        text(&b),
    ];
    let done = run(&[&args[..], &["--output", text(&out), "--batch", "1"]].concat());
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let all = values(&out);
    assert_eq!(all["tokens"].0, [2, 17, 48]);
    assert_eq!(all["logits"].0, [2, 10]);
    let block = [
        "--output",
        text(&out),
        "--stage",
        "block:1",
        "--image-size",
        "48x32",
    ];
    assert!(run(&[&args[..], &block].concat()).status.success());
    assert_eq!(values(&out).keys().collect::<Vec<_>>(), ["block_1"]);
    assert_eq!(values(&out)["block_1"].0, [2, 25, 48]);
    let beyond = ["--output", text(&out), "--stage", "block:2"];
    assert_refused(&[&args[..], &beyond].concat(), &["block:2", "2 blocks"]);
    for what in ["pca", "attention", "similarity:16,16"] {
        let png = at("seen.png");
        let args = [
            "show",
            "--weights",
            text(&weights),
            "--input",
            text(&a),
            text(&b),
        ];
        let done = run(&[&args[..], &["--output", text(&png), "--what", what]].concat());
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let seen = image::open(&png).unwrap().into_rgb8();
        assert_eq!(seen.dimensions(), (64, 64), "{what}");
        let right: BTreeSet<_> = (0..64)
            .map(|y| seen.get_pixel(36 + y % 4 * 8, y).0)
            .collect();
        assert!(right.len() > 4, "{what}: {right:?}");
    }
    // The patch itself is the most alike.
    let seen = image::open(at("seen.png")).unwrap().into_rgb8();
    assert_eq!(seen.get_pixel(32 + 16, 16).0, [255; 3]);
    fs::write(at("page.jpg"), "<html></html>").unwrap();
    let page = at("page.jpg");
    let args = ["embed", "--weights", text(&weights), "--input", text(&page)];
    assert_refused(
        &[&args[..], &["--output", text(&out)]].concat(),
        &["page.jpg: not a picture"],
    );
    let bare = checkpoints().join("torchvision_vit/model.safetensors");
    let args = [
        "embed",
        "--weights",
        text(&bare),
        "--heads",
        "3",
        "--input",
        text(&a),
    ];
    assert_refused(
        &[&args[..], &["--output", text(&out)]].concat(),
        &["--preset", "config.json"],
    );
}
