//! Says on standard error how many kernels a GPU's backend has compiled: until they are, a program looks as if it hung.

use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use burn_patch::ops::backends::{log_kernels, tune_products};

use crate::log_records::{count_kernels, kernels};
use crate::output::complain;
use crate::terminal;

/// How often the count is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The least time between two lines.
const PAUSE: Duration = Duration::from_secs(5);

/// Before the first device of the backend called `name` is made: whether its products are to be measured and tuned, and
/// from now on a line, while it compiles kernels and no view covers the terminal, on how many there are so far. Backends
/// without kernels of that kind leave it silent.
pub fn prepare_backend(name: &str, tune: bool) {
    tune_products(tune);
    if !log_kernels() || !count_kernels() {
        return;
    }
    let mut report = Report::new(name);
    spawn(move || {
        loop {
            sleep(LOOK);
            if terminal::is_covered() {
                continue;
            }
            if let Some(line) = report.line(kernels(), report.started.elapsed()) {
                complain(line);
            }
        }
    });
}

/// What was said, and when.
struct Report {
    name: String,
    started: Instant,
    said: usize,
    next: Duration,
}

impl Report {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            started: Instant::now(),
            said: 0,
            next: Duration::ZERO,
        }
    }

    /// The line to say after `time`, if any.
    fn line(&mut self, count: usize, time: Duration) -> Option<String> {
        if count == self.said || time < self.next {
            return None;
        }
        (self.said, self.next) = (count, time + PAUSE);
        let seconds = time.as_secs();
        Some(format!(
            "compiling kernels for {}: {count} so far, {seconds} s",
            self.name
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_speaks_at_once_then_at_intervals_and_only_of_something_new() {
        let mut report = Report::new("wgpu");
        let mut at = |count, millis| report.line(count, Duration::from_millis(millis));
        assert_eq!(at(0, 200), None);
        let first = "compiling kernels for wgpu: 2 so far, 0 s";
        assert_eq!(at(2, 400).as_deref(), Some(first));
        assert_eq!(at(9, 5_300), None);
        let second = "compiling kernels for wgpu: 30 so far, 5 s";
        assert_eq!(at(30, 5_400).as_deref(), Some(second));
        assert_eq!(at(30, 60_000), None);
        assert!(at(31, 60_200).is_some());
    }
}
