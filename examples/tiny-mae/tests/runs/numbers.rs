//! The numbers that are reported, and those that stop a run.

use crate::program::Place;

/// Held-out pictures: a whole batch of 250, and ten.
const HELD_OUT: usize = 260;

/// With a learning rate that changes nothing, the held-out loss is the same however the pictures fall into batches, and a
/// short last batch counts for its pictures.
#[test]
fn every_picture_counts_once_whatever_batch_it_is_in() {
    let place = Place::new();
    place.write_part("t10k", HELD_OUT, 2);
    let base = ["--task", "vit", "--epochs", "1", "--learning-rate", "1e-30"];
    let mut losses = Vec::new();
    for batch in ["7", "29"] {
        place.succeeds(batch, &[&base[..], &["--batch", batch]].concat());
        let scratch = &place.results(batch)["scratch"];
        losses.push(scratch["test_loss"][0].as_f64().unwrap());
        let right = HELD_OUT as f64 * scratch["test_accuracy"][0].as_f64().unwrap();
        assert!(
            (right - right.round()).abs() < 1e-9,
            "{batch}: {right} pictures"
        );
    }
    for loss in &losses {
        assert!((loss - losses[0]).abs() < 1e-6, "{losses:?}");
    }
}

/// Half precision keeps the losses finite, or the program would stop, and near those of single precision.
#[test]
fn training_in_half_precision_stays_near_single_precision() {
    let place = Place::new();
    let base = ["--epochs", "2", "--batch", "16"];
    let losses = |dtype: &str| -> Vec<f64> {
        place.succeeds(dtype, &[&base[..], &["--dtype", dtype]].concat());
        let results = place.results(dtype);
        assert_eq!(results["dtype"], dtype);
        let of = |phase: &str| results[phase]["train_loss"].as_array().unwrap().clone();
        let all = ["mae", "finetuned", "scratch"].map(of).concat();
        all.iter().map(|loss| loss.as_f64().unwrap()).collect()
    };
    let single = losses("f32");
    for dtype in ["bf16", "f16"] {
        for (half, single) in losses(dtype).iter().zip(&single) {
            let apart = (half - single).abs() / single;
            assert!(apart < 0.05, "{dtype}: {half}, in f32 {single}");
        }
    }
}
