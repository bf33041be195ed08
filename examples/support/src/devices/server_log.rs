//! What Burn's server says of its sessions, on standard error.

use log::{Level, LevelFilter, Log, Metadata, Record, set_logger, set_max_level};

use crate::output::complain;

/// From now on Burn's warnings and errors are lines on standard error; without a logger they are lost.
pub(super) fn say_warnings() {
    if set_logger(&ServerLog).is_ok() {
        set_max_level(LevelFilter::Warn);
    }
}

struct ServerLog;

impl Log for ServerLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("burn")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            complain(format_args!("{level}: {}", record.args()));
        }
    }

    fn flush(&self) {}
}
