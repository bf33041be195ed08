//! The numbers that are reported, and those that stop a run.

use crate::program::{Place, TEST};

/// With a learning rate that changes nothing, the held-out loss is the same however the pictures fall into batches.
#[test]
fn every_picture_counts_once_whatever_batch_it_is_in() {
    let place = Place::new();
    let base = ["--task", "vit", "--epochs", "1", "--learning-rate", "1e-30"];
    let mut losses = Vec::new();
    for batch in ["7", "19", "29", "30"] {
        place.succeeds(batch, &[&base[..], &["--batch", batch]].concat());
        let scratch = &place.results(batch)["scratch"];
        losses.push(scratch["test_loss"][0].as_f64().unwrap());
        let right = TEST as f64 * scratch["test_accuracy"][0].as_f64().unwrap();
        assert!(
            (right - right.round()).abs() < 1e-9,
            "{batch}: {right} pictures"
        );
    }
    for loss in &losses {
        assert!((loss - losses[0]).abs() < 1e-6, "{losses:?}");
    }
}
