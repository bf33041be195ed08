//! Progress as plain lines, for output that is no terminal.

use std::sync::Arc;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::MetricDefinition;
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

use crate::output::say;
use crate::train::epoch_means::Means;
use crate::train::monitor::Monitor;

/// A line per epoch, for output that is no terminal.
pub(super) struct PlainRenderer {
    label: &'static str,
    epochs: usize,
    monitor: Arc<Monitor>,
}

impl PlainRenderer {
    pub(super) fn new(label: &'static str, epochs: usize, monitor: Arc<Monitor>) -> Self {
        Self {
            label,
            epochs,
            monitor,
        }
    }
}

fn words(part: &str, means: Means) -> String {
    let accuracy = means
        .accuracy()
        .map(|share| format!("{part} accuracy {:.2} %, ", 100.0 * share));
    format!(
        "{}{part} loss {:.4}",
        accuracy.unwrap_or_default(),
        means.loss()
    )
}

impl MetricsRendererTraining for PlainRenderer {
    fn update_train(&mut self, _: MetricState) {}

    fn update_valid(&mut self, _: MetricState) {}
}

impl TrainingProgressLogger for PlainRenderer {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {}

    fn update_epoch(&mut self, epoch: usize) {
        if self.monitor.stops() {
            return;
        }
        if let Some(means) = self.monitor.means(0) {
            say(format_args!(
                "{} epoch {epoch}/{}: {}, {}  ({:.1} s)",
                self.label,
                self.epochs,
                words("test", means.test),
                words("train", means.train),
                means.seconds()
            ));
        }
    }

    fn start_split(&mut self, _: &str, _: usize) {}

    fn update_split(&mut self, _: usize) {}

    fn end_split(&mut self) {}

    fn end(&mut self) {}

    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for PlainRenderer {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRendererEvaluation for PlainRenderer {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {}
}

impl MetricsRenderer for PlainRenderer {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, _: MetricDefinition) {}
}
