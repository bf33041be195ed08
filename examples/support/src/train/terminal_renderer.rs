//! burn-train's view of a training, on a terminal.

use std::error::Error as StdError;
use std::mem::take;
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
use crate::signal::{SIGHUP, SIGINT, exit_code};
use crate::{stop, terminal};

/// What the view is told, once it is open.
type Told = Box<dyn FnOnce(&mut TuiMetricsRendererWrapper) + Send + Sync>;

/// The view, with an interrupter of its own: at the end of a training it resets the one that it has, so that whoever
/// asks that one later does not learn that the training was stopped. It opens when the first step is done: until then
/// a GPU's kernels are compiled, and lines say so where it would cover them.
pub(super) struct TerminalRenderer {
    view: Option<TuiMetricsRendererWrapper>,
    waiting: Vec<Told>,
    done: usize,
    wish: Interrupter,
}

impl TerminalRenderer {
    /// The view of a training that has `done` epochs behind it.
    pub(super) fn new(done: usize) -> Self {
        Self {
            view: None,
            waiting: Vec::new(),
            done,
            wish: Interrupter::new(),
        }
    }

    /// Hands something to the view, or keeps it until the view is open.
    fn tell(&mut self, tell: impl FnOnce(&mut TuiMetricsRendererWrapper) + Send + Sync + 'static) {
        match self.view {
            Some(_) => self.tell_now(tell),
            None => self.waiting.push(Box::new(tell)),
        }
    }

    /// Hands something to the view, which opens for it. If its terminal has gone meanwhile, the program is asked to stop.
    fn tell_now(&mut self, tell: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        if self.view.is_none() && terminal::is_gone() {
            stop::request(SIGHUP);
            return;
        }
        let (asked, checkpoint) = (self.wish.clone(), (self.done > 0).then_some(self.done));
        let view = self.view.get_or_insert_with(|| {
            terminal::cover(true);
            terminal::keep_signals(|| TuiMetricsRendererWrapper::new(asked, checkpoint))
        });
        let waiting = take(&mut self.waiting);
        let tell_all = || {
            waiting.into_iter().for_each(|waiting| waiting(view));
            tell(view);
        };
        // It panics when it was asked to kill the program.
        if catch_unwind(AssertUnwindSafe(tell_all)).is_err() {
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

impl Drop for TerminalRenderer {
    fn drop(&mut self) {
        self.view = None;
        terminal::cover(false);
    }
}

impl MetricsRendererTraining for TerminalRenderer {
    fn update_train(&mut self, state: MetricState) {
        self.tell_now(|view| view.update_train(state));
    }

    fn update_valid(&mut self, state: MetricState) {
        self.tell_now(|view| view.update_valid(state));
    }

    fn on_train_end(&mut self, summary: Option<LearnerSummary>) -> Result<(), Box<dyn StdError>> {
        let mut result = Ok(());
        self.tell_now(|view| result = view.on_train_end(summary));
        result
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
        let label = label.map(str::to_owned);
        self.tell(move |view| {
            view.start(total_epochs, starting_epoch, total_items, label.as_deref());
        });
    }

    fn update_epoch(&mut self, epoch: usize) {
        self.tell(move |view| view.update_epoch(epoch));
    }

    fn start_split(&mut self, split: &str, total_items: usize) {
        let split = split.to_owned();
        self.tell(move |view| view.start_split(&split, total_items));
    }

    fn update_split(&mut self, items_processed: usize) {
        self.tell(move |view| view.update_split(items_processed));
    }

    fn end_split(&mut self) {
        self.tell(TrainingProgressLogger::end_split);
    }

    fn end(&mut self) {
        self.tell(TrainingProgressLogger::end);
    }

    fn log_event_training(&mut self, event: String) {
        self.tell(move |view| view.log_event_training(event));
    }
}

impl EvaluationProgressLogger for TerminalRenderer {
    fn start_global_progress(&mut self, total_tests: usize) {
        self.tell(move |view| view.start_global_progress(total_tests));
    }

    fn start_test(&mut self, name: &str, total_items: usize) {
        let name = name.to_owned();
        self.tell(move |view| view.start_test(&name, total_items));
    }

    fn update_test_progress(&mut self, items_processed: usize) {
        self.tell(move |view| view.update_test_progress(items_processed));
    }

    fn end_test(&mut self) {
        self.tell(EvaluationProgressLogger::end_test);
    }

    fn end_global_progress(&mut self) {
        self.tell(EvaluationProgressLogger::end_global_progress);
    }

    fn log_event_evaluation(&mut self, event: String) {
        self.tell(move |view| view.log_event_evaluation(event));
    }
}

impl MetricsRendererEvaluation for TerminalRenderer {
    fn update_test(&mut self, name: EvaluationName, state: MetricState) {
        self.tell(move |view| view.update_test(name, state));
    }
}

impl MetricsRenderer for TerminalRenderer {
    fn manual_close(&mut self) {
        self.tell(MetricsRenderer::manual_close);
    }

    fn register_metric(&mut self, definition: MetricDefinition) {
        self.tell(move |view| view.register_metric(definition));
    }
}
