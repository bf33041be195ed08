//! What is said of data that cannot be used.

use std::fs;

use crate::program::Place;

const BASE: [&str; 2] = ["--epochs", "1"];

#[test]
fn a_file_in_place_of_a_folder_is_called_a_file() {
    let place = Place::new();
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    fs::write(place.path("data"), "a file").unwrap();
    place.fails("out", &BASE, 1, &["data is not usable", "got another file"]);
}

#[test]
fn bad_labels_are_reported_under_their_own_name() {
    let place = Place::new();
    place.write_part("other", 7, 1);
    let [from, to] =
        ["other", "train"].map(|part| place.path(&format!("data/{part}-labels-idx1-ubyte.gz")));
    fs::rename(from, to).unwrap();
    place.fails(
        "out",
        &BASE,
        1,
        &["train-labels-idx1-ubyte.gz", "50 images and 7 labels"],
    );
}
