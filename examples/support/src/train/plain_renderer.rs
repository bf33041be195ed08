//! Progress as plain lines, for output that is no terminal.

use std::collections::HashMap;
use std::time::Instant;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::{MetricDefinition, MetricId};
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

/// A line per epoch, for output that is no terminal.
pub(super) struct PlainRenderer {
    label: &'static str,
    epochs: usize,
    names: HashMap<MetricId, String>,
    sums: HashMap<String, (f64, usize)>,
    started: Instant,
}

impl PlainRenderer {
    pub(super) fn new(label: &'static str, epochs: usize) -> Self {
        Self {
            label,
            epochs,
            names: HashMap::new(),
            sums: HashMap::new(),
            started: Instant::now(),
        }
    }

    fn add(&mut self, split: &str, state: MetricState) {
        if let MetricState::Numeric(entry, Some(value)) = state {
            let name = self
                .names
                .get(&entry.metric_id)
                .map_or("metric", String::as_str);
            let sum = self
                .sums
                .entry(format!("{split} {}", name.to_lowercase()))
                .or_default();
            sum.0 += value.current();
            sum.1 += 1;
        }
    }
}

impl MetricsRendererTraining for PlainRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.add("train", state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.add("test", state);
    }
}

impl TrainingProgressLogger for PlainRenderer {
    fn start(&mut self, _: usize, _: usize, _: Option<usize>, _: Option<&str>) {
        self.started = Instant::now();
    }

    fn update_epoch(&mut self, epoch: usize) {
        let mut means: Vec<String> = self
            .sums
            .drain()
            .map(|(name, (sum, count))| format!("{name} {:.4}", sum / count as f64))
            .collect();
        means.sort();
        let seconds = self.started.elapsed().as_secs_f64();
        println!(
            "{} epoch {epoch}/{}: {}  ({seconds:.1} s)",
            self.label,
            self.epochs,
            means.join(", ")
        );
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

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.names
            .insert(definition.metric_id, definition.name.to_string());
    }
}
