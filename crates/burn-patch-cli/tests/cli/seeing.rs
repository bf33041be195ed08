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

fn show(weights: &Path, picture: &Path, png: &Path, what: &str) -> Vec<String> {
    let args = ["show", "--weights", text(weights), "--input", text(picture)];
    let args = [&args[..], &["--output", text(png), "--what", what]].concat();
    args.into_iter().map(str::to_owned).collect()
}

fn shown(weights: &Path, picture: &Path, png: &Path, what: &str) -> image::RgbImage {
    let args = show(weights, picture, png, what);
    let done = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{what}: {errors}");
    image::open(png).unwrap().into_rgb8()
}

/// The last levels of Swin and PVT v2 are drawn as other tokens are.
#[test]
fn hierarchical_backbones_are_shown() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    picture(&at("a.png"), 80);
    for name in ["timm_swin", "timm_pvt_v2"] {
        let weights = checkpoints().join(name).join("model.safetensors");
        let seen = shown(&weights, &at("a.png"), &at("seen.png"), "pca");
        assert_eq!(seen.dimensions(), (128, 64));
        let colours: BTreeSet<_> = (64..128).map(|x| seen.get_pixel(x, 20).0).collect();
        assert!(colours.len() > 1, "{name}");
        for what in ["attention", "tome"] {
            let args = show(&weights, &at("a.png"), &at("seen.png"), what);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            assert_refused(&args, &[name, "not Swin or PVT v2"]);
        }
    }
}

/// Each region in one colour; without merging, each patch is one.
#[test]
fn merged_patches_are_drawn() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    picture(&at("a.png"), 80);
    let weights = checkpoints().join("timm_vit/model.safetensors");
    let regions = |what: &str| {
        let seen = shown(&weights, &at("a.png"), &at("seen.png"), what);
        assert_eq!(seen.dimensions(), (64, 32));
        // The upper left pixel of a patch is on no border.
        let corner = |at: u32| seen.get_pixel(32 + at % 4 * 8, at / 4 * 8).0;
        (0..16).map(corner).collect::<BTreeSet<_>>().len()
    };
    let (all, some, few) = (regions("tome:0"), regions("tome:2"), regions("tome"));
    assert!(all >= some && some > few && few <= 4, "{all} {some} {few}");
}
