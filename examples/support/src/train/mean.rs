//! A mean over pictures, for burn-train's metrics.

use std::sync::Arc;

use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{NumericEntry, SerializedEntry};

/// Sums values of batches by how many pictures each stands for. burn-train's own loss metric counts a batch, however
/// short, as one.
#[derive(Clone)]
pub(crate) struct Mean {
    name: Arc<String>,
    /// For the view, which shows it in percent where there is a unit.
    shown: NumericMetricState,
    scale: f64,
    sum: f64,
    pictures: usize,
}

impl Mean {
    pub(crate) fn new(name: &str, scale: f64) -> Self {
        Self {
            name: Arc::new(name.to_owned()),
            shown: NumericMetricState::new(),
            scale,
            sum: 0.0,
            pictures: 0,
        }
    }

    pub(crate) fn name(&self) -> Arc<String> {
        self.name.clone()
    }

    /// Adds a batch with `sum` over its `pictures`.
    pub(crate) fn add(&mut self, sum: f64, pictures: usize) -> SerializedEntry {
        self.sum += sum;
        self.pictures += pictures;
        self.shown
            .update(self.scale * sum / pictures as f64, pictures);
        self.shown.compute_update(self.format())
    }

    pub(crate) fn finish(&mut self) -> SerializedEntry {
        self.shown.compute_final(self.format())
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name()).precision(4)
    }

    /// Over the pictures so far.
    pub(crate) fn value(&self) -> f64 {
        self.sum / self.pictures as f64
    }

    pub(crate) fn clear(&mut self) {
        self.shown.reset();
        (self.sum, self.pictures) = (0.0, 0);
    }

    pub(crate) fn of_batch(&self) -> NumericEntry {
        self.shown.current_value()
    }

    pub(crate) fn running(&self) -> NumericEntry {
        self.shown.running_value()
    }

    pub(crate) fn last(&self) -> NumericEntry {
        self.shown.final_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 pictures in batches of 64 and 36, of which 8 and 2 are right: 10 %, where a mean of batches has 9.03 %.
    #[test]
    fn a_short_batch_counts_by_its_pictures() {
        let mut mean = Mean::new("Accuracy", 100.0);
        mean.add(8.0, 64);
        mean.add(2.0, 36);
        assert!((mean.value() - 0.1).abs() < 1e-15, "{}", mean.value());
        assert!((mean.last().current() - 10.0).abs() < 1e-12);
        mean.clear();
        mean.add(1.0, 2);
        assert_eq!(mean.value(), 0.5);
    }
}
