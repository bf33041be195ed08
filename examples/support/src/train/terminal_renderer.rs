//! burn-train's view of a training, on a terminal.

use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::metric::MetricDefinition;
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};
use burn::train::{Interrupter, LearnerSummary};

use crate::output::complain;
use crate::signal::{SIGINT, exit_code};
use crate::{stop, terminal};

/// The view, with an interrupter of its own: at the end of a training it resets the one that it has, so that whoever
/// asks that one later does not learn that the training was stopped.
pub(super) struct TerminalRenderer {
    view: TuiMetricsRendererWrapper,
    wish: Interrupter,
}

impl TerminalRenderer {
    /// Opens the view of a training that has `done` epochs behind it.
    pub(super) fn open(done: usize) -> Self {
        let wish = Interrupter::new();
        let asked = wish.clone();
        let checkpoint = (done > 0).then_some(done);
        let open = || TuiMetricsRendererWrapper::new(asked, checkpoint);
        Self {
            view: terminal::keep_signals(open),
            wish,
        }
    }

    /// Hands something to the view, and asks the program to stop if the person at the terminal wants that.
    fn tell(&mut self, tell: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        // It panics when it was asked to kill the program.
        if catch_unwind(AssertUnwindSafe(|| tell(&mut self.view))).is_err() {
            terminal::restore();
            complain(
                "error: killed; the same command with --resume goes on from the last whole epoch",
            );
            exit(exit_code(SIGINT).into());
        }
        if self.wish.should_stop() {
            stop::request(SIGINT);
        }
    }
}

impl MetricsRendererTraining for TerminalRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.tell(|view| view.update_train(state));
    }

    fn update_valid(&mut self, state: MetricState) {
        self.tell(|view| view.update_valid(state));
    }

    fn on_train_end(&mut self, summary: Option<LearnerSummary>) -> Result<(), Box<dyn StdError>> {
        self.tell(|_| ());
        self.view.on_train_end(summary)
    }
}

impl TrainingProgressLogger for TerminalRenderer {
    fn start(
        &mut self,
        total_epochs: usize,
        starting_epoch: usize,
        total_items: Option<usize>,
        label: Option<&str>,
    ) {
        self.tell(|view| view.start(total_epochs, starting_epoch, total_items, label));
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.tell(|view| view.update_epoch(epoch));
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        self.tell(|view| view.start_split(split, total_items));
    }

    fn update_split(&mut self, items_processed: usize) {
        self.tell(|view| view.update_split(items_processed));
    }

    fn end_split(&mut self) {
        self.tell(TrainingProgressLogger::end_split);
    }

    fn end(&mut self) {
        self.tell(TrainingProgressLogger::end);
    }

    fn log_event_training(&mut self, event: String) {
        self.tell(|view| view.log_event_training(event));
    }
}

impl EvaluationProgressLogger for TerminalRenderer {
    fn start_global_progress(&mut self, total_tests: usize) {
        self.tell(|view| view.start_global_progress(total_tests));
    }

    fn start_test(&mut self, name: &str, total_items: usize) {
        self.tell(|view| view.start_test(name, total_items));
    }

    fn update_test_progress(&mut self, items_processed: usize) {
        self.tell(|view| view.update_test_progress(items_processed));
    }

    fn end_test(&mut self) {
        self.tell(EvaluationProgressLogger::end_test);
    }

    fn end_global_progress(&mut self) {
        self.tell(EvaluationProgressLogger::end_global_progress);
    }

    fn log_event_evaluation(&mut self, event: String) {
        self.tell(|view| view.log_event_evaluation(event));
    }
}

impl MetricsRendererEvaluation for TerminalRenderer {
    fn update_test(&mut self, name: EvaluationName, state: MetricState) {
        self.tell(|view| view.update_test(name, state));
    }
}

impl MetricsRenderer for TerminalRenderer {
    fn manual_close(&mut self) {
        self.tell(MetricsRenderer::manual_close);
    }

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.tell(|view| view.register_metric(definition));
    }
}
