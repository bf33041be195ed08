//! What holds of every set of pictures.

use burn_patch_data::{OnBad, PictureSet, Sets};

/// Side that is asked for, in pixels.
pub(crate) const SIDE: u32 = 16;

/// Labels are names' indices, and what stays after the check is read.
pub(crate) fn check(sets: Sets) {
    let classes = sets.classes.len();
    assert!(!sets.train.is_empty(), "a set without pictures");
    let checked = sets.checked(SIDE, OnBad::Skip);
    let (train, test) = checked.expect("what is bad is skipped").held_out();
    for set in [&train, &test] {
        check_part(set, classes);
    }
}

fn check_part(set: &PictureSet, classes: usize) {
    for index in 0..set.len() {
        assert!(
            (set.label(index) as usize) < classes,
            "a label without a name"
        );
        let picture = set.picture(index, SIDE);
        assert!(picture.is_ok(), "{picture:?} after the check");
    }
}
